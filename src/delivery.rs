//! What the broker hands us, and what becomes of it.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::notification::Kind;

/// One message as delivered. The same message may be delivered many times.
#[derive(Clone)]
pub struct Delivery {
    /// The notification as it came.
    pub body: Bytes,
    /// Header `x-docplanner-tenant`.
    pub tenant: Option<String>,
    /// How often it has failed so far, from header `x-attempts`.
    pub attempts: u32,
    /// How often it was delivered before without an answer, from `x-delivery-count`: a quorum queue
    /// counts each consumer that died with it. What it only waited for does not end the count.
    pub delivery_count: u64,
    /// When it was last put into a retry queue, from header `x-retried-at`.
    pub retried_at: Option<DateTime<Utc>>,
    /// When its sender put it into the queue, from the property `timestamp`.
    pub sent_at: Option<DateTime<Utc>>,
    /// The property `message_id`.
    pub message_id: Option<String>,
    /// Header `traceparent` (W3C Trace Context), handed on to the event.
    pub traceparent: Option<String>,
}

/// The fate of a delivery. Only the consumer acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// There is nothing left to do.
    Ack(Outcome),
    /// Again, after a delay, from a retry queue.
    Retry {
        /// At least this long; one of the configured delays.
        delay: Duration,
        /// How often it has failed then; waiting does not count.
        attempts: u32,
        /// Why, without personal data.
        cause: String,
    },
    /// Set aside for a person.
    DeadLetter {
        /// What kind of problem.
        reason: Reason,
        /// The problem, without personal data.
        error: String,
        /// How often it has failed, this time included.
        attempts: u32,
    },
}

/// Why there is nothing left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its event is confirmed and its inbox row is complete.
    Published,
    /// It was published before.
    Duplicate,
    /// A question, not a fact.
    Ignored,
    /// A route of its tenant's says that nobody gets its events. Its inbox row is complete.
    Dropped,
}

/// Why a delivery was dead-lettered: header `x-reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not a notification.
    Malformed,
    /// Larger than `broker.max_body_bytes`.
    TooLarge,
    /// A known kind without what it needs.
    Invalid,
    /// No configured tenant owns it.
    UnknownTenant,
    /// The address's flags could not be had.
    EnrichmentFailed,
    /// It names something that has no identifier of the partner's, and the tenant wants none such.
    Unmapped,
    /// The broker did not take the event.
    PublishFailed,
    /// The same fact was published before with other content.
    Conflict,
    /// It kills or panics the process that handles it.
    Poison,
}

/// A processed delivery: its fate, and what it was about, for metrics, logs and headers.
#[derive(Debug, Clone)]
pub struct Processed {
    /// What becomes of it.
    pub disposition: Disposition,
    /// The tenant, once told.
    pub tenant: Option<String>,
    /// The kind, once decoded.
    pub kind: Option<Kind>,
    /// The fact's key in the inbox, once claimed.
    pub key: Option<Uuid>,
    /// The booking that it is about, if it is about one.
    pub booking_id: Option<String>,
}

impl Processed {
    /// Of a delivery that nothing else is known of yet.
    #[must_use]
    pub fn new(disposition: Disposition) -> Self {
        Self { disposition, tenant: None, kind: None, key: None, booking_id: None }
    }
}

impl Disposition {
    /// Whether the delivery only has to wait: it has not been tried, so nothing is known of it.
    #[must_use]
    pub fn is_wait(&self, delivery: &Delivery) -> bool {
        matches!(self, Disposition::Retry { attempts, .. } if *attempts == delivery.attempts)
    }

    /// The word in metrics and logs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Disposition::Ack(outcome) => outcome.label(),
            Disposition::Retry { .. } => "retry",
            Disposition::DeadLetter { .. } => "dead_letter",
        }
    }
}

impl Outcome {
    /// The word in metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Published => "published",
            Outcome::Duplicate => "duplicate",
            Outcome::Ignored => "ignored",
            Outcome::Dropped => "dropped",
        }
    }
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 9] = [
        Reason::Malformed,
        Reason::TooLarge,
        Reason::Invalid,
        Reason::UnknownTenant,
        Reason::EnrichmentFailed,
        Reason::Unmapped,
        Reason::PublishFailed,
        Reason::Conflict,
        Reason::Poison,
    ];

    /// The word in header `x-reason`, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::TooLarge => "too-large",
            Reason::Invalid => "invalid",
            Reason::UnknownTenant => "unknown-tenant",
            Reason::EnrichmentFailed => "enrichment-failed",
            Reason::Unmapped => "unmapped",
            Reason::PublishFailed => "publish-failed",
            Reason::Conflict => "conflict",
            Reason::Poison => "poison",
        }
    }
}
