//! How the requests that the API allows within a window of time are spent: evenly, and with a reserve for payments that
//! are due. Pure: the time comes in as a parameter.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::answer::Quota;

/// The share of a window's requests that may be sent at once; what is not used is saved up to this. A pod that starts
/// asks more than one that runs.
const BURST: u64 = 20;

/// Of a small limit, a twentieth would be nothing.
const SMALLEST_BURST: u64 = 10;

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A delivery's: it comes again.
    Usual,
    /// For what is due now, such as a payment: the reserve is for this.
    Due,
}

/// What is left of a window, of requests that nobody was given yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    pub(super) limit: u64,
    pub(super) left: u64,
    pub(super) ends_at: DateTime<Utc>,
    /// What may be given at once.
    pub(super) saved: f64,
    pub(super) saved_at: DateTime<Utc>,
}

/// What somebody gets who wants to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// So many requests, at least one.
    Permits(u64),
    /// None before then, and the next one so much later.
    NotBefore {
        /// How long from now.
        first: Duration,
        /// Between that one and the next.
        each: Duration,
    },
}

impl Grant {
    /// Nothing was wanted.
    pub(super) const NONE: Self = Self::NotBefore { first: Duration::ZERO, each: Duration::ZERO };
}

impl Window {
    /// A window of which nothing was known before.
    pub(super) fn begun(told: &Quota, now: DateTime<Utc>) -> Self {
        let Quota { limit, remaining, ends_at, .. } = *told;
        Self { limit, left: remaining, ends_at, saved: burst(limit), saved_at: now }
    }

    pub(super) fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.ends_at <= now
    }

    /// The API tells what is left: that is the truth, unless more was given already. What it tells of a window that is
    /// over is old.
    pub(super) fn hear(&mut self, told: &Quota, now: DateTime<Utc>) {
        if told.ends_at < self.ends_at {
            return;
        }
        if self.is_over(now) {
            *self = Self::begun(told, now);
        } else if told.ends_at == self.ends_at {
            self.left = self.left.min(told.remaining);
        } else {
            // It moves along while it is open. What was saved is not saved anew.
            (self.ends_at, self.left) = (told.ends_at, told.remaining);
        }
        self.limit = told.limit;
    }

    /// Takes back what was given and not used.
    pub(super) fn give_back(&mut self, unused: u64) {
        self.left = (self.left + unused).min(self.limit);
        self.saved = (self.saved + to_float(unused)).min(burst(self.limit));
    }

    /// Gives at most `wanted`. `reserve`: the share of the limit that is for what is due.
    pub(super) fn take(
        &mut self,
        wanted: u64,
        urgency: Urgency,
        reserve: f64,
        now: DateTime<Utc>,
    ) -> Grant {
        let usual = self.left.saturating_sub(to_count(to_float(self.limit) * reserve));
        let time_left = (self.ends_at - now).as_seconds_f64().max(1.0);
        let rate = to_float(usual) / time_left;
        let since = (now - self.saved_at).as_seconds_f64().max(0.0);
        self.saved = (self.saved + rate * since).min(burst(self.limit));
        self.saved_at = now;
        let granted = match urgency {
            Urgency::Due => wanted.min(self.left),
            Urgency::Usual => wanted.min(usual).min(to_count(self.saved)),
        };
        if granted > 0 {
            self.left -= granted;
            self.saved = (self.saved - to_float(granted)).max(0.0);
            return Grant::Permits(granted);
        }
        let nothing_is_left = usual == 0 || urgency == Urgency::Due;
        let (first, each) = if nothing_is_left {
            (time_left, 0.0)
        } else {
            (((1.0 - self.saved) / rate).min(time_left), 1.0 / rate)
        };
        let seconds = |time| Duration::try_from_secs_f64(time).unwrap_or_default();
        Grant::NotBefore { first: seconds(first), each: seconds(each) }
    }
}

fn burst(limit: u64) -> f64 {
    to_float((limit / BURST).max(SMALLEST_BURST))
}

#[expect(clippy::cast_precision_loss, reason = "requests within an hour are far fewer than 2^52")]
fn to_float(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded down, and negative is none"
)]
fn to_count(amount: f64) -> u64 {
    amount as u64
}

#[cfg(test)]
mod tests;
