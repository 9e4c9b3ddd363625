//! Whether the process consumes: what `/readyz` tells, and the one log line per change.

use std::sync::{Mutex, OnceLock};

use tokio::sync::watch;
use tracing::{error, info, warn};

/// The state of the three things a worker needs. Each is told by whoever uses it.
#[derive(Debug)]
pub struct Health {
    parts: watch::Sender<Parts>,
    /// The last failure told, so that a server that stays away is logged once, not at each attempt.
    database_failure: Mutex<Option<String>>,
    /// An essential task that is gone: nothing but a new process brings it back.
    ended: OnceLock<&'static str>,
}

/// What works at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent conditions, each a gauge")]
pub struct Parts {
    /// Deliveries are arriving, or would if there were any.
    pub consuming: bool,
    /// The publishing connection is open.
    pub publishing: bool,
    /// The broker asked us to publish nothing for now (memory or disk alarm).
    pub blocked: bool,
    /// The last statement was answered.
    pub database: bool,
}

impl Parts {
    /// Whether notifications flow.
    #[must_use]
    pub fn ready(self) -> bool {
        self.consuming && self.publishing && self.database && !self.blocked
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            parts: watch::Sender::new(Parts::default()),
            database_failure: Mutex::default(),
            ended: OnceLock::new(),
        }
    }
}

impl Health {
    /// What works at the moment.
    #[must_use]
    pub fn parts(&self) -> Parts {
        *self.parts.borrow()
    }

    /// Follows the changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Parts> {
        self.parts.subscribe()
    }

    /// The consumer is subscribed, or no longer.
    pub fn consuming(&self, yes: bool) {
        self.change(|parts| parts.consuming = yes);
    }

    /// The publishing connection is open, or no longer.
    pub fn publishing(&self, yes: bool) {
        self.change(|parts| {
            parts.publishing = yes;
            parts.blocked = false;
        });
    }

    /// The broker blocks publishing, or no longer.
    pub fn blocked(&self, yes: bool) {
        self.change(|parts| parts.blocked = yes);
    }

    /// The database answered.
    pub fn database_answered(&self) {
        if self.parts().database {
            return;
        }
        if let Ok(mut failure) = self.database_failure.lock() {
            *failure = None;
        }
        self.change(|parts| parts.database = true);
        info!("the database answers");
    }

    /// The database did not answer, or refused.
    pub fn database_failed(&self, error: &str) {
        self.change(|parts| parts.database = false);
        let Ok(mut told) = self.database_failure.lock() else { return };
        if told.as_deref() != Some(error) {
            warn!(error, "the database does not answer; waiting for it");
            *told = Some(error.to_owned());
        }
    }

    /// A task that the process is of no use without has ended before its time.
    pub fn ended(&self, task: &'static str) {
        error!(task, "the task {task} has ended; the process has to be started again");
        // The first one is told; one is enough.
        let _ = self.ended.set(task);
    }

    /// The essential task that is gone, if one is: the process is to be replaced.
    #[must_use]
    pub fn missing_task(&self) -> Option<&'static str> {
        self.ended.get().copied()
    }

    fn change(&self, apply: impl FnOnce(&mut Parts)) {
        self.parts.send_if_modified(|parts| {
            let before = *parts;
            apply(parts);
            *parts != before
        });
    }
}
