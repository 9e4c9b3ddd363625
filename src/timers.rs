//! What time brings: timers, where they are kept, and what becomes of one that fires.

mod postgres;
mod run;
mod story;

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use self::{postgres::PostgresTimers, run::run_until_stopped};
use crate::{
    effects::Purpose,
    inbox::Lease,
    notification::Visit,
    payment::{Basis, PaymentState},
};

/// A timer that is due, held by this process for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Its id.
    pub id: Uuid,
    /// A subject of its chain.
    pub chain: Uuid,
    /// Whose it is.
    pub tenant: String,
    /// The booking it is about.
    pub visit: Visit,
    /// When it had to fire.
    pub due_at: DateTime<Utc>,
    /// What it is for.
    pub purpose: Purpose,
    /// Which holding it is.
    pub holder: Uuid,
}

/// The store of timers. Its calls wait as long as the store is away.
pub trait TimerStore: Send + Sync {
    /// Timers that are due, oldest first and at most so many of each tenant, held until a lease runs out.
    fn due(&self, free: &[(String, usize)]) -> impl Future<Output = Vec<Timer>> + Send;

    /// Gives a timer back, to fire again after a while; `looked`: somebody has looked in vain.
    fn postpone(
        &self,
        timer: &Timer,
        by: Duration,
        looked: bool,
    ) -> impl Future<Output = ()> + Send;

    /// Writes a decision down, before it is published: whatever happens then, no other is taken. The decision
    /// that holds, which may be an earlier one; `None` if the lease has run out.
    fn decide(
        &self,
        timer: &Timer,
        lease: &Lease,
        decision: (PaymentState, Basis),
    ) -> impl Future<Output = Option<(PaymentState, Basis)>> + Send;

    /// Whether it was not canceled meanwhile. Holds as long as the lease in the inbox.
    fn is_set(&self, timer: &Timer) -> impl Future<Output = bool> + Send;

    /// Removes a timer that has nothing to do any more.
    fn remove(&self, timer: &Timer) -> impl Future<Output = ()> + Send;
}

/// What became of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its event is published, or dropped by a route.
    Published,
    /// There is nothing to publish.
    Pointless,
    /// It has to fire again.
    Postponed {
        /// How much later.
        by: Duration,
        /// Somebody has looked in vain.
        looked: bool,
    },
}

impl Fate {
    /// The word in metrics, logs and traces.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Fate::Published => "published",
            Fate::Pointless => "pointless",
            Fate::Postponed { .. } => "postponed",
        }
    }
}
