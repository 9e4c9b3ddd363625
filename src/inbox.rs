//! "May I process this notification?" The inbox remembers every idempotency key that was
//! published, for all pods.

mod cleaner;
mod postgres;
mod schema;

use std::time::Instant;

use uuid::Uuid;

pub use self::{
    cleaner::clean_until_stopped,
    postgres::PostgresInbox,
    schema::{MigrationError, SchemaError, check_schema, migrate},
};
use crate::notification::{Content, IdempotencyKey};

/// The store of idempotency keys.
///
/// Both calls wait as long as the store is away: a delivery that waits here holds its place in the
/// prefetch window, so consuming pauses by itself. Dropping the future gives up waiting; a claim
/// that was granted meanwhile ends with its lease.
pub trait Inbox: Send + Sync {
    /// Asks for permission to process a key.
    fn claim(&self, key: &IdempotencyKey, content: Content) -> impl Future<Output = Claim> + Send;

    /// Gives a lease back. `false`: it had run out and somebody else holds the key, or has
    /// completed it.
    fn close(&self, lease: Lease, closing: Closing) -> impl Future<Output = bool> + Send;
}

/// The answer to a claim.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// Yes, until the lease runs out.
    Acquired(Lease),
    /// Not now: somebody else holds a live lease.
    Held,
    /// No need: it was published before.
    Done,
    /// No: the key was claimed before, with other content.
    Conflict,
}

/// Permission to process one key, for a time.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    /// The key, as stored.
    pub key: Uuid,
    /// The fencing number: a later holder has a higher one, and only the latest can close.
    pub number: i32,
    /// Nothing may be published from here on. Earlier than the database's own deadline, because it counts
    /// from before the claim was sent.
    pub ends_at: Instant,
}

/// How a lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Published: every later claim is answered [`Claim::Done`].
    Complete,
    /// Not published, to be tried again: the next claim of the same content is granted.
    Release,
    /// Never published by this delivery: the key is as good as new.
    Abandon,
}
