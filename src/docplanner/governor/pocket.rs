//! What this pod has taken and knows of the limit. No I/O: the time comes in as a parameter.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::{SCOUT_TAKES, ledger::Taken};
use crate::docplanner::{
    answer::Quota,
    quota::{Grant, Urgency, Window},
};

/// What was taken and is not used after this is given back with the next taking: what others could use does not lie
/// about in a pod that has fallen silent and comes back.
const USE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Pocket {
    limit: Limit,
    /// What the API has told of its latest window: the least.
    told: Option<Quota>,
    permits: u64,
    /// Until when to use them.
    use_until: Option<Instant>,
    /// No usual request before then, and the next one so much later.
    closed: Option<(Instant, Duration)>,
    /// How many were told so since.
    turned_away: u32,
    /// The first request of a window is under way, until then at most.
    scout_until: Option<Instant>,
}

#[derive(Debug, Default)]
enum Limit {
    /// The ledger has not been asked about the window of now.
    #[default]
    Unasked,
    /// Nor does the ledger know anything of it.
    Untold,
    /// The API answers without telling a limit.
    None,
    /// As it was seen last, and until when.
    Window(Window, Instant),
}

/// What who wants to ask the API does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Go,
    /// Come again after this.
    Wait(Duration),
    /// Somebody is about to be told the limit.
    Listen,
    /// Ask the ledger.
    Take,
}

/// Permits of this window that were not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unused {
    pub(super) permits: u64,
    pub(super) ends_at: DateTime<Utc>,
}

impl Pocket {
    pub(super) fn step(&mut self, urgency: Urgency, now: Instant) -> Step {
        let over_at = match &self.limit {
            Limit::None => return Step::Go,
            Limit::Unasked => return Step::Take,
            Limit::Untold => return self.scout(now),
            Limit::Window(_, over_at) => *over_at,
        };
        if over_at <= now {
            // Another pod may know of the next one.
            *self = Self { scout_until: self.scout_until, ..Self::default() };
            return Step::Take;
        }
        if self.permits > 0 && self.use_until.is_some_and(|until| now < until) {
            self.permits -= 1;
            return Step::Go;
        }
        match self.closed {
            Some((until, each)) if urgency == Urgency::Usual && now < until => {
                let wait = (until - now) + each * self.turned_away;
                self.turned_away += 1;
                Step::Wait(wait.min(over_at - now))
            }
            _ => Step::Take,
        }
    }

    fn scout(&mut self, now: Instant) -> Step {
        if self.scout_until.is_some_and(|until| now < until) {
            return Step::Listen;
        }
        self.scout_until = Some(now + SCOUT_TAKES);
        Step::Go
    }

    /// Whether somebody may be listening.
    pub(super) fn scout_is_back(&mut self) -> bool {
        self.scout_until.take().is_some()
    }

    /// Takes what a good answer told; whether it is of another window than the one that is known.
    pub(super) fn hear(&mut self, told: Option<Quota>, now: Instant) -> bool {
        let Some(told) = told else {
            self.limit = Limit::None;
            return false;
        };
        self.told = Some(match self.told {
            Some(before) if told.ends_at < before.ends_at => before,
            Some(before) if told.ends_at == before.ends_at => {
                Quota { remaining: told.remaining.min(before.remaining), ..told }
            }
            _ => told,
        });
        match &self.limit {
            Limit::Window(window, over_at) if now < *over_at => {
                if window.ends_at == told.ends_at {
                    self.permits = self.permits.min(told.remaining);
                }
                false
            }
            _ => true,
        }
    }

    /// What goes to the ledger with the next question.
    pub(super) fn hand_in(&mut self) -> (Option<Quota>, Option<Unused>) {
        let permits = std::mem::take(&mut self.permits);
        let unused = match &self.limit {
            Limit::Window(window, _) if permits > 0 => {
                Some(Unused { permits, ends_at: window.ends_at })
            }
            _ => None,
        };
        (self.told, unused)
    }

    /// The window as it was seen last.
    pub(super) fn window(&self) -> Option<Window> {
        match &self.limit {
            Limit::Window(window, _) => Some(window.clone()),
            _ => None,
        }
    }

    /// Puts in what the ledger gave; what that means for who asked.
    pub(super) fn put(&mut self, taken: Taken, urgency: Urgency, now: Instant) -> Step {
        let Taken { window, grant, at } = taken;
        let Some(window) = window else {
            self.limit = Limit::Untold;
            return self.scout(now);
        };
        let over_at = now + (window.ends_at - at).to_std().unwrap_or_default();
        self.limit = Limit::Window(window, over_at);
        match grant {
            Grant::Permits(granted) => {
                self.permits = granted.saturating_sub(1);
                self.use_until = Some(now + USE_WITHIN);
                self.closed = None;
                self.turned_away = 0;
                Step::Go
            }
            Grant::NotBefore { first, each } => {
                if urgency == Urgency::Usual {
                    self.closed = Some((now + first, each));
                    self.turned_away = 1;
                }
                Step::Wait(first)
            }
        }
    }
}
