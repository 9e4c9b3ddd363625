//! Address facts in memory: fetched once however many wait, used again until they are old, and kept
//! for when nobody answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Addresses, ApiClient, ApiError, single_flight::SingleFlight};
use crate::{metrics::Metrics, normalize::AddressFacts, notification::Place, retry::Prospect};

/// While the API does not answer, facts of up to this age are used. An address changes its kind
/// about never; a day without the API is a long day.
const STALE_FOR: Duration = Duration::from_hours(24);

/// After a failure, old facts are used for this long without asking again: otherwise each delivery
/// of an address would wait for the same timeout.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(15);

/// The addresses of all tenants.
pub struct CachedAddresses {
    tenants: HashMap<String, TenantAddresses>,
    metrics: Arc<Metrics>,
}

struct TenantAddresses {
    client: Arc<ApiClient>,
    ttl: Duration,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// One address.
#[derive(Default)]
struct Slot {
    flight: SingleFlight<(), ApiError>,
    known: Mutex<Known>,
}

/// What is known of one address, and when it was last asked for.
#[derive(Default, Clone)]
struct Known {
    facts: Option<AddressFacts>,
    fetched_at: Option<Instant>,
    failed_at: Option<Instant>,
    /// Counts the changes told, so that an answer from before a change is not taken for fresh.
    changes: u64,
    fresh: bool,
}

impl CachedAddresses {
    /// An empty cache over each tenant's client and time to live.
    pub fn new(
        clients: impl IntoIterator<Item = (String, Arc<ApiClient>, Duration)>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let tenants = clients
            .into_iter()
            .map(|(tenant, client, ttl)| {
                (tenant, TenantAddresses { client, ttl, slots: Mutex::default() })
            })
            .collect();
        Self { tenants, metrics }
    }
}

impl Addresses for CachedAddresses {
    async fn facts(&self, tenant: &str, place: &Place) -> Result<AddressFacts, ApiError> {
        let (Some(of_tenant), Some(facility), Some(doctor), Some(address)) = (
            self.tenants.get(tenant),
            place.facility.id.as_deref(),
            place.doctor.id.as_deref(),
            place.address.id.as_deref(),
        ) else {
            return Err(ApiError::NoAddress);
        };
        let slot = of_tenant.slot(address);
        if let Some(facts) = slot.usable_without_asking(of_tenant.ttl) {
            self.metrics.flags_cache(tenant, "hit");
            return Ok(facts);
        }
        let is_fresh = |(): &()| slot.usable_without_asking(of_tenant.ttl).is_some();
        let fetched = slot.flight.get(is_fresh, async {
            self.metrics.flags_cache(tenant, "miss");
            let changes = slot.known().changes;
            let answer = of_tenant.client.address(facility, doctor, address).await;
            slot.learn(answer, changes)
        });
        let Err(error) = fetched.await else {
            return slot.known().facts.ok_or(ApiError::Unreadable);
        };
        if let Some(facts) = slot.known().instead_of(&error) {
            self.metrics.flags_cache(tenant, "stale");
            return Ok(facts);
        }
        of_tenant.forget_if_unknown(address);
        Err(error)
    }

    fn expire(&self, tenant: &str, address_id: &str) {
        if let Some(of_tenant) = self.tenants.get(tenant) {
            let slot = of_tenant.slot(address_id);
            let mut known = slot.lock();
            known.fresh = false;
            known.failed_at = None;
            known.changes += 1;
        }
    }
}

impl TenantAddresses {
    fn slot(&self, address: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        match slots.get(address) {
            Some(slot) => Arc::clone(slot),
            None => Arc::clone(slots.entry(address.to_owned()).or_default()),
        }
    }

    /// Ids that the API never knew leave no trace, or wrong ones would pile up.
    fn forget_if_unknown(&self, address: &str) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.get(address).is_some_and(|slot| slot.known().facts.is_none()) {
            slots.remove(address);
        }
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Known {
        self.lock().clone()
    }

    /// Facts that need no request: fresh ones, or old ones right after a failure.
    fn usable_without_asking(&self, ttl: Duration) -> Option<AddressFacts> {
        let known = self.lock();
        let fresh = known.fresh && known.fetched_at.is_some_and(|at| at.elapsed() < ttl);
        let failed_lately = known.failed_at.is_some_and(|at| at.elapsed() < ASK_AGAIN_AFTER)
            && known.fetched_at.is_some_and(|at| at.elapsed() < STALE_FOR);
        (fresh || failed_lately).then(|| known.facts.clone()).flatten()
    }

    fn learn(
        &self,
        answer: Result<AddressFacts, ApiError>,
        changes_before: u64,
    ) -> Result<(), ApiError> {
        let mut known = self.lock();
        match answer {
            Ok(facts) => {
                known.facts = Some(facts);
                known.fetched_at = Some(Instant::now());
                known.failed_at = None;
                known.fresh = known.changes == changes_before;
                Ok(())
            }
            Err(error) => {
                known.failed_at = Some(Instant::now());
                Err(error)
            }
        }
    }
}

impl Known {
    /// What is used when the API gives `error`: the last facts whatever their age if it says that
    /// the address is gone (a cancellation still has to arrive), up to a day old if it does not
    /// answer.
    fn instead_of(&self, error: &ApiError) -> Option<AddressFacts> {
        let facts = self.facts.clone()?;
        match error.prospect() {
            Prospect::Never(_) => Some(facts),
            Prospect::Later(..) | Prospect::Wait(_) | Prospect::Behind(_) => {
                self.fetched_at.is_some_and(|at| at.elapsed() < STALE_FOR).then_some(facts)
            }
        }
    }
}
