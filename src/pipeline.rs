//! The story of one delivery, on one screen:
//! decode → claim → look up → normalize → route → publish → close → disposition.

mod error;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

pub use self::error::Error;
use crate::{
    broker::Publisher,
    config::OnEnrichmentFailure,
    delivery::{Delivery, Disposition, Outcome, Processed},
    docplanner::{Addresses, ApiError},
    inbox::{Claim, Closing, Inbox, Lease},
    metrics::Metrics,
    normalize::{AddressFacts, normalize},
    notification::{Content, Fact, IdempotencyKey, Notification},
    retry::{Prospect, RetryPolicy},
    route::routing_key,
    tenants::{Tenant, Tenants},
};

/// How often, and how far apart, a claim is repeated while another delivery of the same fact is
/// being worked on. That takes milliseconds; who still waits after a second goes to a retry queue.
const CLAIM_AGAIN_AFTER: [Duration; 4] = [
    Duration::from_millis(30),
    Duration::from_millis(120),
    Duration::from_millis(350),
    Duration::from_millis(500),
];

/// Everything that a delivery needs on its way.
pub struct Pipeline<I, A, P> {
    /// Which facts were published before.
    pub inbox: I,
    /// What is known of addresses.
    pub addresses: A,
    /// Where events go.
    pub publisher: P,
    /// Whose notification it is.
    pub tenants: Tenants,
    /// When to try again.
    pub retry: RetryPolicy,
    /// A larger body is not read.
    pub max_body_bytes: usize,
    /// Where stages are timed.
    pub metrics: Arc<Metrics>,
    /// The time to finish is over: what is under way is given back.
    pub give_up: CancellationToken,
}

/// A notification that is somebody's, and its identity.
struct Received<'p> {
    delivery: &'p Delivery,
    notification: Notification,
    tenant: &'p Tenant,
    key: IdempotencyKey,
    content: Content,
}

impl<I: Inbox, A: Addresses, P: Publisher> Pipeline<I, A, P> {
    /// Takes one delivery from bytes to a disposition; the consumer acts on it. Dropping the future
    /// gives up: whatever it had claimed ends with its lease.
    pub async fn process(&self, delivery: &Delivery) -> Processed {
        let mut processed =
            Processed { disposition: Disposition::Ack(Outcome::Ignored), tenant: None, kind: None };
        let received = self.receive(delivery, &mut processed);
        processed.disposition = match received {
            Err(error) => self.retry.disposition(Err(error), delivery.attempts),
            Ok(None) => Disposition::Ack(Outcome::Ignored),
            Ok(Some(received)) => self.publish_once(&received).await,
        };
        processed
    }

    /// Reads the delivery; `None` is a question, which states no fact.
    fn receive<'p>(
        &'p self,
        delivery: &'p Delivery,
        processed: &mut Processed,
    ) -> Result<Option<Received<'p>>, Error> {
        let started = Instant::now();
        let presumed = self.tenants.presumed(delivery.tenant.as_deref());
        processed.tenant = presumed.map(|tenant| tenant.profile.id.clone());
        if delivery.body.len() > self.max_body_bytes {
            return Err(Error::TooLarge { bytes: delivery.body.len(), limit: self.max_body_bytes });
        }
        let notification = Notification::decode(&delivery.body)?;
        processed.kind = Some(notification.fact.kind());
        if let Fact::Question(_) = notification.fact {
            return Ok(None);
        }
        let facility = notification.place.facility.id.as_deref();
        // It can be read, so nothing has to be presumed.
        processed.tenant = None;
        let tenant = self.tenants.resolve(delivery.tenant.as_deref(), facility)?;
        processed.tenant = Some(tenant.profile.id.clone());
        let (key, content) = (notification.key(&tenant.profile.id), notification.content());
        self.metrics.stage("decode", started);
        Ok(Some(Received { delivery, notification, tenant, key, content }))
    }

    /// Claims the fact, publishes its event, and closes the claim by how that went.
    async fn publish_once(&self, received: &Received<'_>) -> Disposition {
        let attempts = received.delivery.attempts;
        let lease = match self.claim(received).await {
            Claim::Acquired(lease) => lease,
            Claim::Done => return Disposition::Ack(Outcome::Duplicate),
            Claim::Held => return self.retry.disposition(Err(Error::HeldElsewhere), attempts),
            Claim::Conflict => return self.retry.disposition(Err(Error::Conflict), attempts),
        };
        let published = tokio::select! {
            published = self.publish(received, &lease) => published,
            () = tokio::time::sleep_until(lease.ends_at.into()) => Err(Error::LeaseRanOut),
            () = self.give_up.cancelled() => Err(Error::Stopping),
        };
        let disposition = self.retry.disposition(published.map(|()| Outcome::Published), attempts);
        let started = Instant::now();
        let closed = self.inbox.close(lease, closing(&disposition)).await;
        self.metrics.stage("close", started);
        match disposition {
            // Published, but somebody else has the key by now: an acknowledgement has to wait for
            // their completion.
            Disposition::Ack(_) if !closed => {
                self.retry.disposition(Err(Error::HeldElsewhere), attempts)
            }
            disposition => disposition,
        }
    }

    async fn claim(&self, received: &Received<'_>) -> Claim {
        let started = Instant::now();
        let mut claim = self.inbox.claim(&received.key, received.content).await;
        for pause in CLAIM_AGAIN_AFTER {
            if claim != Claim::Held {
                break;
            }
            tokio::time::sleep(pause).await;
            claim = self.inbox.claim(&received.key, received.content).await;
        }
        self.metrics.stage("claim", started);
        claim
    }

    async fn publish(&self, received: &Received<'_>, lease: &Lease) -> Result<(), Error> {
        let facts = self.look_up(received).await?;
        let Received { delivery, notification, tenant, key, .. } = received;
        let Some(event) = normalize(notification, key, &facts, &tenant.profile) else {
            return Ok(());
        };
        let routing_key = routing_key(&event, &facts);
        if lease.ends_at <= Instant::now() {
            return Err(Error::LeaseRanOut);
        }
        let started = Instant::now();
        let traceparent = delivery.traceparent.as_deref();
        let published = self.publisher.publish_event(&event, &routing_key, traceparent).await;
        self.metrics.stage("publish", started);
        Ok(published?)
    }

    /// The address's flags. What becomes of a notification without them is the tenant's choice; that
    /// an address is unassigned is told in any case.
    async fn look_up(&self, received: &Received<'_>) -> Result<AddressFacts, Error> {
        let started = Instant::now();
        let Received { delivery, notification, tenant, .. } = received;
        let tenant_id = tenant.profile.id.as_str();
        if notification.fact.changes_address()
            && let Some(address) = notification.place.address.id.as_deref()
        {
            self.addresses.expire(tenant_id, address).await;
        }
        let facts = self.addresses.facts(tenant_id, &notification.place).await;
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
            Prospect::Wait(_) => false,
        }
    }
}

/// How a lease ends, by what becomes of its delivery.
fn closing(disposition: &Disposition) -> Closing {
    match disposition {
        Disposition::Ack(_) => Closing::Complete,
        Disposition::Retry { .. } => Closing::Release,
        Disposition::DeadLetter { .. } => Closing::Abandon,
    }
}
