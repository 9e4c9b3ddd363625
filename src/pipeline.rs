//! The story of one delivery, on one screen:
//! decode → claim → look up → decide → route → publish → close → disposition.

mod error;
mod look_up;

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

pub use self::error::Error;
use crate::{
    broker::Publisher,
    clock::Clock,
    decision::{Decision, Known, decide},
    delivery::{Delivery, Disposition, Outcome, Processed},
    docplanner::{Addresses, Bookings},
    inbox::{Answer, Claim, Closing, Inbox, Lease, Pending, Request},
    mapping::Mappings,
    metrics::Metrics,
    notification::{Fact, Notification},
    retry::RetryPolicy,
    tenants::{Roster, Tenant},
    traces::stage,
};

/// How often, and how far apart, a claim is repeated while another delivery of the same fact, or of the same
/// chain, is being worked on. That takes milliseconds; who still waits after a second goes to a retry queue.
const CLAIM_AGAIN_AFTER: [Duration; 4] = [
    Duration::from_millis(30),
    Duration::from_millis(120),
    Duration::from_millis(350),
    Duration::from_millis(500),
];

/// Who comes back from a retry queue this soon is waited for here.
const SOON: Duration = Duration::from_millis(500);

/// Everything that a delivery needs on its way.
pub struct Pipeline<I, A, B, P> {
    /// Which facts were published before, and whose turn it is.
    pub inbox: I,
    /// What is known of addresses.
    pub addresses: A,
    /// What the API says of a booking now.
    pub bookings: B,
    /// The partner's own identifiers; in memory, so nothing is awaited.
    pub mappings: Arc<dyn Mappings>,
    /// Where events go.
    pub publisher: P,
    /// Whose notification it is.
    pub tenants: Arc<Roster>,
    /// When to try again.
    pub retry: RetryPolicy,
    /// A larger body is not read.
    pub max_body_bytes: usize,
    /// What time it is.
    pub clock: Clock,
    /// Where stages are timed.
    pub metrics: Arc<Metrics>,
    /// The time to finish is over: what is under way is given back.
    pub give_up: CancellationToken,
}

/// A delivery that was read, and has taken its place in its chain.
pub struct Received {
    /// What becomes of it unless it is to be published, and what is known of it.
    processed: Processed,
    told_at: Option<DateTime<Utc>>,
    /// In a box: it is handed on, and each step of the way would have room for a copy.
    claimed: Option<Box<Claimed>>,
}

impl Received {
    /// The key in the inbox, if it was claimed.
    #[must_use]
    pub fn key(&self) -> Option<Uuid> {
        self.processed.key
    }

    /// When it was told, by its sender or by the one who made it.
    #[must_use]
    pub fn told_at(&self) -> Option<DateTime<Utc>> {
        self.told_at
    }
}

/// A notification that is somebody's, and its claim on its way.
struct Claimed {
    delivery: Delivery,
    notification: Notification,
    tenant: Arc<Tenant>,
    request: Request,
    answer: Pending<Answer>,
}

impl<I: Inbox, A: Addresses, B: Bookings, P: Publisher> Pipeline<I, A, B, P> {
    /// Reads a delivery and takes its place in its chain. Does not wait, so that deliveries have the order in
    /// which they are handed to this function.
    pub fn receive(&self, delivery: Delivery) -> Received {
        let mut processed = Processed::new(Disposition::Ack(Outcome::Ignored));
        let (attempts, sent_at) = (delivery.attempts, delivery.sent_at);
        let claimed = self.claim(delivery, &mut processed).unwrap_or_else(|error| {
            processed.disposition = self.retry.disposition(Err(error), attempts);
            None
        });
        let created_at = claimed.as_ref().and_then(|claimed| claimed.notification.created_at);
        let told_at = sent_at.or(created_at.map(|at| at.to_utc()));
        Received { processed, told_at, claimed }
    }

    /// Takes a received delivery to a disposition; the consumer acts on it. Dropping the future gives
    /// up: whatever it had claimed ends with its lease.
    pub async fn process(&self, received: Received) -> Processed {
        let Received { mut processed, claimed, .. } = received;
        if let Some(claimed) = claimed {
            processed.disposition = self.publish_once(claimed).await;
        }
        processed
    }

    /// Decodes and claims; `None` is a question, which states no fact.
    fn claim(
        &self,
        delivery: Delivery,
        processed: &mut Processed,
    ) -> Result<Option<Box<Claimed>>, Error> {
        let started = Instant::now();
        let tenants = self.tenants.now();
        let presumed = tenants.presumed(delivery.tenant.as_deref());
        processed.tenant = presumed.map(|tenant| tenant.profile.id.clone());
        if delivery.body.len() > self.max_body_bytes {
            return Err(Error::TooLarge { bytes: delivery.body.len(), limit: self.max_body_bytes });
        }
        let notification = Notification::decode(&delivery.body)?;
        processed.kind = Some(notification.fact.kind());
        processed.booking_id = notification.fact.booking().map(|booking| booking.id.clone());
        if let Fact::Question(_) = notification.fact {
            return Ok(None);
        }
        let facility = notification.place.facility.id.as_deref();
        // It can be read, so nothing has to be presumed.
        processed.tenant = None;
        let was_begun = delivery.retried_at.is_some();
        let tenant = tenants.resolve(delivery.tenant.as_deref(), facility, was_begun)?;
        processed.tenant = Some(tenant.profile.id.clone());
        let key = notification.key(&tenant.profile.id);
        processed.key = Some(key.uuid());
        let request = Request {
            content: notification.content(),
            chain: notification.chain(&tenant.profile.id, &key),
            told_at: notification.created_at,
            retried_at: delivery.retried_at,
            tries: false,
            key,
        };
        self.metrics.stage("decode", started);
        let answer = self.inbox.claim(&request);
        Ok(Some(Box::new(Claimed { delivery, notification, tenant, request, answer })))
    }

    /// Waits for its turn, publishes its event, and closes the claim by how that went.
    async fn publish_once(&self, mut claimed: Box<Claimed>) -> Disposition {
        let attempts = claimed.delivery.attempts;
        let lease = match self.turn(&mut claimed).instrument(stage!("claim")).await {
            Ok(Some(lease)) => lease,
            Ok(None) => return Disposition::Ack(Outcome::Duplicate),
            Err(error) => return self.retry.disposition(Err(error), attempts),
        };
        // In a box, which is there while there is something to publish, and not while others are waited for.
        let publishing = Box::pin(AssertUnwindSafe(self.publish(&claimed, &lease)).catch_unwind());
        let published = tokio::select! {
            // What panicked is set aside; those behind it go on.
            published = publishing => published.unwrap_or(Err(Error::Panicked)),
            () = tokio::time::sleep_until(lease.ends_at.into()) => Err(Error::LeaseRanOut),
            () = self.give_up.cancelled() => Err(Error::Stopping),
        };
        let (published, complete) = match published {
            Ok((outcome, complete)) => (Ok(outcome), complete),
            Err(error) => (Err(error), Closing::Abandon),
        };
        let disposition = self.retry.disposition(published, attempts);
        if let Disposition::DeadLetter { .. } = disposition {
            self.metrics.sequence_gap(Some(&claimed.tenant.profile.id));
        }
        let started = Instant::now();
        let closing = match &disposition {
            Disposition::Ack(_) => complete,
            Disposition::Retry { delay, .. } => Closing::Release { back_in: *delay },
            Disposition::DeadLetter { .. } => Closing::Abandon,
        };
        let closed = self.inbox.close(lease, closing).instrument(stage!("close")).await;
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

    /// The lease, once it is the notification's turn; `None` if it was published before.
    async fn turn(&self, claimed: &mut Claimed) -> Result<Option<Lease>, Error> {
        let started = Instant::now();
        let mut pauses = CLAIM_AGAIN_AFTER.into_iter();
        let claim = loop {
            let Some(answer) = (&mut claimed.answer).await else { return Err(Error::Stopping) };
            self.metrics.order(&claimed.tenant.profile.id, &answer);
            let changes_soon = match &answer.claim {
                Claim::Held => true,
                Claim::Behind { back_in } => back_in.is_none_or(|back_in| back_in <= SOON),
                Claim::Acquired(_) | Claim::Done | Claim::Conflict | Claim::Refused => false,
            };
            match pauses.next().filter(|_| changes_soon) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => break answer.claim,
            }
            claimed.answer = self.inbox.claim(&claimed.request);
        };
        self.metrics.stage("claim", started);
        match claim {
            Claim::Acquired(lease) => Ok(Some(lease)),
            Claim::Done => Ok(None),
            Claim::Held => Err(Error::HeldElsewhere),
            Claim::Behind { back_in } => Err(Error::Behind { back_in }),
            Claim::Conflict => Err(Error::Conflict),
            Claim::Refused => Err(Error::CannotBeKept),
        }
    }

    /// Looks up, decides and publishes; what came of it, and how the claim is to be completed.
    async fn publish(&self, claimed: &Claimed, lease: &Lease) -> Result<(Outcome, Closing), Error> {
        let facts = self.look_up(claimed).instrument(stage!("look up")).await?;
        let Claimed { delivery, notification, tenant, request, .. } = claimed;
        let profile = &tenant.profile;
        let known = Known {
            partner: self.mappings.partner_ids(&profile.id, notification),
            payment: lease.payment.clone(),
            last_sequence: lease.last_sequence,
            call: self.call(claimed, &facts).instrument(stage!("look up call")).await,
            facts,
        };
        let now = (self.clock)();
        let decision = decide(notification, &request.key, &lease.position, &known, profile, now);
        let Decision { events, effects } = decision.unwrap_or_default();
        let mut dropped = 0;
        for event in &events {
            let route = tenant.route(event, &known.facts);
            if let Some(unmapped) = tenant.holds(&notification.fact, event, &route) {
                return Err(Error::Unmapped(unmapped));
            }
            if lease.ends_at <= Instant::now() {
                return Err(Error::LeaseRanOut);
            }
            let started = Instant::now();
            let traceparent = delivery.traceparent.as_deref();
            let published = self.publisher.publish_event(event, &route, traceparent).await;
            self.metrics.stage("publish", started);
            published?;
            dropped += usize::from(route.is_drop());
        }
        let outcome = if !events.is_empty() && dropped == events.len() {
            Outcome::Dropped
        } else {
            Outcome::Published
        };
        Ok((outcome, Closing::Complete { events: events.len(), effects }))
    }
}
