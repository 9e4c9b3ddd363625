//! Address facts, wherever they are nearest: in memory, in the database, at the API. Fetched once for all pods,
//! used again until they are old or the address has changed, and kept for when nobody answers.

mod cleaner;
mod flights;
mod known;
mod memory;
mod peek;
mod shared;
mod statements;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::Pool;
use tokio_util::sync::CancellationToken;

pub use self::peek::{Peeked, peek};
use self::{
    flights::Flights,
    known::{Age, Known},
    memory::{Key, Mark, Memory, Usable},
    shared::{DoctorId, Lease, Look, SharedFlags},
};
use super::{Addresses, ApiError, TenantApi, Urgency};
use crate::{
    config::DatabaseSettings,
    database::{Database, listen_until_stopped},
    metrics::Metrics,
    normalize::AddressFacts,
    notification::Place,
    retry::Backoff,
};

/// How long an answer that another pod waits for is waited for. A holder that died loses its lease much
/// sooner; this is for one that lives and does not come to an end.
const WAIT_AT_MOST: Duration = Duration::from_secs(10);

/// The addresses of all tenants.
pub struct CachedAddresses {
    memory: Arc<Memory>,
    shared: SharedFlags,
    flights: Flights,
    metrics: Arc<Metrics>,
}

/// What has to run beside a [`CachedAddresses`].
pub struct Upkeep<L> {
    memory: Arc<Memory>,
    looking: L,
}

/// One address, with whoever can tell of it.
struct Asked<'c> {
    api: &'c TenantApi,
    doctor: DoctorId,
    address: &'c str,
    key: Key,
    urgency: Urgency,
}

/// What the API says.
struct Told {
    /// Of the address that was asked for, and perhaps of the doctor's others.
    addresses: Vec<(String, AddressFacts)>,
    /// Of the one that was asked for.
    result: Result<(), ApiError>,
}

/// Where facts came from: the word in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Memory,
    Database,
    Api,
}

impl CachedAddresses {
    /// An empty cache, and what has to run for it.
    #[must_use]
    pub fn new(
        database: Database,
        metrics: Arc<Metrics>,
    ) -> (Self, Upkeep<impl Future<Output = ()> + Send + use<>>) {
        let memory = Arc::new(Memory::new(memory::CAPACITY));
        let (shared, looking) = SharedFlags::new(database);
        let upkeep = Upkeep { memory: Arc::clone(&memory), looking };
        (Self { memory, shared, flights: Flights::default(), metrics }, upkeep)
    }

    /// From memory, or after asking; and how the metrics call it.
    async fn look_up(&self, asked: &Asked<'_>) -> (Result<AddressFacts, ApiError>, &'static str) {
        let Asked { api, key, urgency, .. } = asked;
        let started = Instant::now();
        match self.memory.usable(key, api.flags_ttl, started) {
            Some(Usable::Fresh(facts)) => return (Ok(facts), "hit"),
            Some(Usable::Old(facts)) => return (Ok(facts), "stale"),
            None => {}
        }
        // Timers hold no place of the prefetch window.
        let place = (*urgency == Urgency::Usual).then(|| api.client.place()).transpose();
        let _place = match place {
            Ok(place) => place,
            Err(crowded) => return self.without_a_place(asked, crowded).await,
        };
        let mut source = Source::Memory;
        let flight = self.flights.join(key);
        let is_new = |(): &()| self.memory.is_new_since(key, started);
        // In a box, as memory answers most, and each delivery has room for what it may get to.
        let asking = Box::pin(flight.get(is_new, async {
            source = self.ask(asked).await?;
            Ok(())
        }));
        let result = asking.await;
        let known = self.memory.known(key);
        match (result, known) {
            (Ok(()), Some(known)) => (Ok(known.facts), source.label()),
            (Ok(()), None) => (Err(ApiError::Unreadable), "none"),
            (Err(error), Some(known)) if known.serves_instead_of(&error, Instant::now()) => {
                (Ok(known.facts), "stale")
            }
            (Err(error), _) => (Err(error), "none"),
        }
    }

    /// Asks the database only: for who may not wait for the API.
    async fn without_a_place(
        &self,
        asked: &Asked<'_>,
        crowded: ApiError,
    ) -> (Result<AddressFacts, ApiError>, &'static str) {
        let Asked { api, key, .. } = asked;
        let mark = self.memory.mark();
        let seen = self.shared.look(asked.look(false)).await.and_then(|seen| seen.known);
        let now = Instant::now();
        match seen.filter(|known| known.is_fresh(api.flags_ttl, now)) {
            Some(known) => {
                self.memory.learn(key.clone(), known.clone(), mark, now);
                (Ok(known.facts), Source::Database.label())
            }
            None => (Err(crowded), "crowded"),
        }
    }

    /// Asks the database and, if that knows nothing fresh and nobody else is asking, the API.
    async fn ask(&self, asked: &Asked<'_>) -> Result<Source, ApiError> {
        let Asked { api, key, .. } = asked;
        let ttl = api.flags_ttl;
        let patience = Instant::now() + WAIT_AT_MOST;
        let mut pauses = Backoff::new(Duration::from_millis(30), Duration::from_millis(250));
        loop {
            let mark = self.memory.mark();
            let Some(seen) = self.shared.look(asked.look(true)).await else {
                // Whether other pods have told a change cannot be known; the time to live has to do.
                let known = self.memory.known(key);
                if known.is_some_and(|known| known.is_fresh(ttl, Instant::now())) {
                    return Ok(Source::Memory);
                }
                return Box::pin(self.fetch(asked, None, mark)).await;
            };
            let now = Instant::now();
            let is_fresh = seen.known.as_ref().is_some_and(|known| known.is_fresh(ttl, now));
            if let Some(known) = seen.known {
                if is_fresh {
                    self.memory.learn(key.clone(), known, mark, now);
                } else {
                    self.memory.learn_old(key.clone(), known, mark, now);
                }
            }
            if is_fresh {
                return Ok(Source::Database);
            }
            if seen.lease.is_some() || now >= patience {
                // Of those that wait here, few ask the API, which takes by far the most memory.
                return Box::pin(self.fetch(asked, seen.lease, mark)).await;
            }
            tokio::time::sleep(pauses.next_delay()).await;
        }
    }

    /// Asks the API, and tells what it says to this pod and, with a lease, to all others.
    async fn fetch(
        &self,
        asked: &Asked<'_>,
        lease: Option<Lease>,
        mark: Mark,
    ) -> Result<Source, ApiError> {
        let asking = asked.ask_api();
        let Told { addresses, result } = match &lease {
            Some(lease) => self.shared.keep(lease, asking).await,
            None => asking.await,
        };
        let answered = Instant::now();
        if let Some(lease) = &lease {
            self.shared.end(lease, &addresses, answered).await;
        }
        let (moment, age) = (lease.map(|lease| lease.moment), Age::of(Duration::ZERO, answered));
        for (address, facts) in addresses {
            let key = Key::new(&asked.doctor.tenant, &address);
            self.memory.learn(key, Known { facts, age, unchanged: true, moment }, mark, answered);
        }
        if let Err(error) = &result {
            self.memory.failed(&asked.key, error, answered);
        }
        result.map(|()| Source::Api)
    }
}

impl<'c> Asked<'c> {
    /// `None`: the place is not told.
    fn new(api: &'c TenantApi, place: &'c Place, urgency: Urgency) -> Option<Self> {
        let address = place.address.id.as_deref()?;
        let doctor = DoctorId {
            tenant: api.client.tenant().to_owned(),
            facility: place.facility.id.clone()?,
            doctor: place.doctor.id.clone()?,
        };
        let key = Key::new(&doctor.tenant, address);
        Some(Self { api, doctor, address, key, urgency })
    }

    fn look(&self, may_ask: bool) -> Look {
        let Self { api, doctor, address, .. } = self;
        let address = (*address).to_owned();
        Look { doctor: doctor.clone(), address, ttl: api.flags_ttl, may_ask }
    }

    /// All addresses of the doctor, in one request where the list has this one. What the API says of the
    /// others is good even if it does not know this one.
    async fn ask_api(&self) -> Told {
        let Self { api, doctor: DoctorId { facility, doctor, .. }, address, urgency, .. } = self;
        let listed = api.client.doctor_addresses(facility, doctor, *urgency).await;
        let is_refused = matches!(listed, Err(ApiError::Refused { status: 400 }));
        let mut addresses = match listed {
            Ok(addresses) => addresses,
            Err(ApiError::Unknown { .. } | ApiError::Refused { .. }) => Vec::new(),
            Err(error) => return Told { addresses: Vec::new(), result: Err(error) },
        };
        if addresses.iter().any(|(id, _)| id == address) {
            return Told { addresses, result: Ok(()) };
        }
        let alone = api.client.address(facility, doctor, address, *urgency).await;
        if is_refused && alone.is_ok() {
            api.client.lists_are_refused();
        }
        let result = alone.map(|facts| addresses.push(((*address).to_owned(), facts)));
        Told { addresses, result }
    }
}

impl Source {
    fn label(self) -> &'static str {
        match self {
            Source::Memory => "hit",
            Source::Database => "database",
            Source::Api => "miss",
        }
    }
}

impl Addresses for CachedAddresses {
    async fn facts(
        &self,
        api: &TenantApi,
        place: &Place,
        urgency: Urgency,
    ) -> Result<AddressFacts, ApiError> {
        let asked = Asked::new(api, place, urgency).ok_or(ApiError::NoAddress)?;
        let (facts, result) = self.look_up(&asked).await;
        self.metrics.flags_cache(api.client.tenant(), result);
        facts
    }

    async fn expire(&self, tenant: &str, address_id: &str) {
        let key = Key::new(tenant, address_id);
        self.memory.expire(&key);
        if let Some(moment) = self.shared.drop_flags(tenant, address_id).await {
            self.memory.dropped(&key, moment);
        }
    }
}

impl<L: Future<Output = ()> + Send> Upkeep<L> {
    /// Answers questions to the database, hears of changes and cleans, until stopped.
    pub async fn run_until_stopped(
        self,
        settings: DatabaseSettings,
        pool: Pool,
        stop: CancellationToken,
    ) {
        tokio::join!(
            // Not until the database has answered, but until nobody waits for the answer any more.
            stop.run_until_cancelled(self.looking),
            listen_until_stopped(settings, shared::CHANNEL, self.memory, stop.clone()),
            cleaner::clean_until_stopped(pool, stop.clone()),
        );
    }
}
