//! What a delivery has to find out before its event can be decided.

use std::time::Instant;

use super::{Claimed, Error, Pipeline};
use crate::{
    broker::Publisher,
    config::OnEnrichmentFailure,
    decision::{self, CALL_WAITS, Call, asks_for_call},
    docplanner::{Addresses, ApiError, Bookings, Patience, Urgency},
    inbox::Inbox,
    normalize::AddressFacts,
    notification::Fact,
    retry::Prospect,
};

impl<I: Inbox, A: Addresses, B: Bookings, P: Publisher> Pipeline<I, A, B, P> {
    /// Where the video call of a new booking is, if its notification does not say so. The event does not wait
    /// long for that, and goes without it if need be.
    pub(super) async fn call(&self, claimed: &Claimed, facts: &AddressFacts) -> Call {
        let Claimed { notification, tenant, .. } = claimed;
        let visit = decision::visit_of(notification);
        let Some(visit) =
            visit.filter(|_| asks_for_call(&notification.fact, facts, &tenant.profile))
        else {
            return Call::NotAsked;
        };
        let patience = Patience::Once(CALL_WAITS);
        // In a box, as few deliveries get here, and each has room for what it may get to.
        match Box::pin(self.bookings.booking(&tenant.api, &visit, patience)).await {
            Ok(told) => Call::Asked(told.booking.videocall_url),
            Err(_) => Call::Failed,
        }
    }

    /// The address's flags. What becomes of a notification without them is the tenant's choice; that
    /// an address is unassigned is told in any case.
    pub(super) async fn look_up(&self, claimed: &Claimed) -> Result<AddressFacts, Error> {
        let started = Instant::now();
        let Claimed { delivery, notification, tenant, .. } = claimed;
        if notification.fact.changes_address()
            && let Some(address) = notification.place.address.id.as_deref()
        {
            self.addresses.expire(&tenant.profile.id, address).await;
        }
        let facts = self.addresses.facts(&tenant.api, &notification.place, Urgency::Usual).await;
        self.metrics.stage("lookup", started);
        facts.or_else(|error| {
            let publish_anyway = tenant.on_enrichment_failure == OnEnrichmentFailure::Publish
                || matches!(notification.fact, Fact::AddressUnassigned)
                || matches!(error, ApiError::NoAddress);
            if publish_anyway && self.is_final(&error, delivery.attempts) {
                Ok(AddressFacts::default())
            } else {
                Err(Error::Lookup(error))
            }
        })
    }

    fn is_final(&self, error: &ApiError, attempts: u32) -> bool {
        match error.prospect() {
            Prospect::Never(_) => true,
            Prospect::Later(..) => self.retry.is_last_attempt(attempts),
            Prospect::Wait(_) | Prospect::Behind(_) => false,
        }
    }
}
