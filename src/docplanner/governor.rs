//! This pod's part of what the API allows: taken from the ledger that all pods share, a few requests at a time.

mod ledger;
mod pocket;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use self::{
    ledger::Lease,
    pocket::{Pocket, Step},
};
use super::{ApiError, answer::Quota, quota::Urgency};
use crate::{clock::Clock, database::Database, metrics::Metrics};

/// The first request of a window goes alone: what it is told holds for the others. An API takes a tenth of a second to
/// answer; who has waited for longer than this goes along.
const SCOUT_TAKES: Duration = Duration::from_millis(250);

/// Who may ask, and who has to wait. An API that tells no limit has none.
pub(super) struct Governor {
    tenant: String,
    /// The share of the limit that is for what is due.
    reserve: f64,
    /// How many requests are taken at once.
    batch: u64,
    /// Without one this pod governs itself alone.
    database: Option<Database>,
    pocket: Mutex<Pocket>,
    /// One statement at a time: who comes meanwhile finds what it brought.
    taking: tokio::sync::Mutex<()>,
    /// Rung when the first request of a window has ended.
    scouted: Notify,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Governor {
    pub(super) fn new(
        tenant: &str,
        reserve: f64,
        batch: usize,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            tenant: tenant.to_owned(),
            reserve,
            batch: batch as u64,
            database: None,
            pocket: Mutex::default(),
            taking: tokio::sync::Mutex::default(),
            scouted: Notify::new(),
            clock,
            metrics,
        }
    }

    /// The same, sharing with other pods.
    pub(super) fn sharing(self, database: Database) -> Self {
        Self { database: Some(database), ..self }
    }

    /// Permission for one request. Takes a statement, and the time of one short request, at most.
    pub(super) async fn permit(&self, urgency: Urgency) -> Result<(), ApiError> {
        let mut has_listened = false;
        loop {
            let scouted = self.scouted.notified();
            match self.next_step(urgency).await {
                // Nothing that is taken ends in another taking.
                Step::Go | Step::Take => return Ok(()),
                Step::Wait(wait) => {
                    self.metrics.quota_wait(&self.tenant);
                    return Err(ApiError::OutOfQuota { wait });
                }
                Step::Listen if has_listened => return Ok(()),
                Step::Listen => {
                    has_listened = true;
                    let _ = tokio::time::timeout(SCOUT_TAKES, scouted).await;
                }
            }
        }
    }

    async fn next_step(&self, urgency: Urgency) -> Step {
        let step = self.pocket().step(urgency, Instant::now());
        let Step::Take = step else { return step };
        let _taking = self.taking.lock().await;
        // Somebody may have brought something meanwhile.
        let step = self.pocket().step(urgency, Instant::now());
        let Step::Take = step else { return step };
        match urgency {
            Urgency::Usual => self.take(self.batch, urgency).await,
            // Whatever more it took from the reserve, a usual request could use.
            Urgency::Due => self.take(1, urgency).await,
        }
    }

    /// A request has been answered well: what that told of the limit.
    pub(super) async fn hear(&self, told: Option<Quota>) {
        if let Some(told) = told {
            self.metrics.quota_remaining(&self.tenant, told.remaining);
        }
        let is_another_window = self.pocket().hear(told, Instant::now());
        if is_another_window {
            // At once, so that the other pods need not find out by themselves.
            let _taking = self.taking.lock().await;
            self.take(0, Urgency::Usual).await;
        }
    }

    /// A request has ended, whatever it told.
    pub(super) fn ended(&self) {
        if self.pocket().scout_is_back() {
            self.scouted.notify_waiters();
        }
    }

    fn pocket(&self) -> MutexGuard<'_, Pocket> {
        self.pocket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes from the ledger. A database that is away is done without: with what was seen of the window and what the API
    /// tells of it, this pod goes on as if it were alone.
    async fn take(&self, wanted: u64, urgency: Urgency) -> Step {
        let (told, unused) = self.pocket().hand_in();
        let lease =
            Lease { tenant: &self.tenant, told, unused, wanted, urgency, reserve: self.reserve };
        let taken = match &self.database {
            Some(database) => database.if_available(&lease).await.flatten(),
            None => None,
        };
        let mut pocket = self.pocket();
        let taken = taken.unwrap_or_else(|| {
            let known = pocket.window();
            lease.from(known, (self.clock)())
        });
        pocket.put(taken, urgency, Instant::now())
    }
}

#[cfg(test)]
mod tests;
