//! "May I process this notification, and is it its turn?" The inbox remembers every idempotency key that was
//! published, and the order within each chain, for all pods.

mod claims;
mod cleaner;
mod closings;
mod firsts;
mod postgres;
mod preview;
mod schema;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use self::{
    cleaner::clean_until_stopped,
    postgres::{InboxSettings, PostgresInbox},
    preview::{Preview, Seen, preview},
    schema::{MigrationError, SchemaError, SchemaVersion, check_schema, migrate, schema_version},
};
pub use crate::database::Pending;
use crate::{
    effects::Effects,
    notification::{Chain, Content, IdempotencyKey, Moment, Position},
    payment::Payment,
};

/// The store of idempotency keys.
///
/// Both calls wait as long as the store is away: a delivery that waits here holds its place in the
/// prefetch window, so consuming pauses by itself. Dropping the answer gives up waiting; a claim
/// that was granted meanwhile ends with its lease.
pub trait Inbox: Send + Sync {
    /// Asks for permission to process a key. The call itself takes the place in the chain: whoever calls
    /// first is first, however late the answer is awaited.
    fn claim(&self, request: &Request) -> Pending<Answer>;

    /// Gives a lease back. `false`: it had run out and somebody else holds the key, or has
    /// completed it.
    fn close(&self, lease: Lease, closing: Closing) -> impl Future<Output = bool> + Send;
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which fact.
    pub key: IdempotencyKey,
    /// What is said of it.
    pub content: Content,
    /// What it has to be in order with.
    pub chain: Chain,
    /// When Docplanner says that it created the notification.
    pub told_at: Option<Moment>,
    /// When the message was last put into a retry queue.
    pub retried_at: Option<DateTime<Utc>>,
    /// Takes no place in the chain unless it gets the lease at once: for who asks again by itself.
    pub tries: bool,
}

/// The answer to a claim, and what was noticed on the way.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the key may be processed.
    pub claim: Claim,
    /// The key is new, and something that was created after it came before it.
    pub late: bool,
    /// Somebody before it in its chain was given up for lost.
    pub gap: bool,
}

/// May the key be processed?
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// Yes, until the lease runs out.
    Acquired(Lease),
    /// Not now: somebody else holds a live lease.
    Held,
    /// Not yet: others of its chain come first.
    Behind {
        /// The first of them is in a retry queue for as long; `None` if it is being worked on.
        back_in: Option<Duration>,
    },
    /// No need: it was published before.
    Done,
    /// No: the key was claimed before, with other content.
    Conflict,
    /// No: the store cannot hold what identifies it.
    Refused,
}

/// Permission to process one key, for a time.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    /// The key, as stored.
    pub key: Uuid,
    /// The fencing number: a later holder has a higher one, and only the latest can close.
    pub number: i32,
    /// The place in its chain, the same for every lease of the key.
    pub position: Position,
    /// The last sequence that was given in the chain. Nobody else is given one while the lease lasts.
    pub last_sequence: u32,
    /// How the chain's payment stands.
    pub payment: Option<Payment>,
    /// Nothing may be published from here on. Earlier than the database's own deadline, because it counts
    /// from before the claim was sent.
    pub ends_at: Instant,
}

/// How a lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// Published: every later claim is answered [`Claim::Done`].
    Complete {
        /// How many events were published: the first has the sequence of the lease, the others the next ones.
        /// None: the sequence is given back.
        events: usize,
        /// To be remembered, in the same transaction.
        effects: Effects,
    },
    /// Not published, to be tried again: the next claim of the same content is granted, and others of its
    /// chain wait.
    Release {
        /// When its message comes back to the queue.
        back_in: Duration,
    },
    /// Never published by this delivery: others of its chain do not wait. A later claim is granted, and
    /// has the same place in the chain.
    Abandon,
}
