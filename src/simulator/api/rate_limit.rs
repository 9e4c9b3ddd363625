//! The limit on requests, per client.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// How many requests a client may send in a window of time. Docplanner documents 8000 `GET`s per
/// hour; without a limit its answers have no `X-RateLimit-*` headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per window.
    pub limit: u32,
    /// The window, from a client's first request.
    pub window: Duration,
    /// Whether 429 has `Retry-After`, which the specification documents for another endpoint only.
    pub retry_after: bool,
}

impl RateLimit {
    /// A limit as documented: no `Retry-After`.
    #[must_use]
    pub fn new(limit: u32, window: Duration) -> Self {
        Self { limit, window, retry_after: false }
    }

    /// The same with `Retry-After`.
    #[must_use]
    pub fn with_retry_after(mut self) -> Self {
        self.retry_after = true;
        self
    }
}

/// What is left to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) limit: u32,
    pub(super) used: u32,
    pub(super) reset: DateTime<Utc>,
    pub(super) is_exceeded: bool,
}

impl Quota {
    /// Nothing left until then.
    pub(super) fn used_up(limit: u32, reset: DateTime<Utc>) -> Self {
        Self { limit, used: limit, reset, is_exceeded: true }
    }

    /// `X-RateLimit-Reset` is an ISO 8601 date, not a number of seconds.
    pub(super) fn write_to(&self, headers: &mut HeaderMap) {
        headers.insert("x-ratelimit-limit", self.limit.into());
        headers.insert("x-ratelimit-used", self.used.into());
        headers.insert("x-ratelimit-remaining", (self.limit - self.used).into());
        let reset = self.reset.to_rfc3339_opts(SecondsFormat::Secs, false);
        if let Ok(value) = HeaderValue::try_from(reset) {
            headers.insert("x-ratelimit-reset", value);
        }
    }

    /// In whole seconds, rounded up: a client that waits this long finds the window open.
    pub(super) fn write_retry_after_to(&self, headers: &mut HeaderMap, now: DateTime<Utc>) {
        let millis = (self.reset - now).num_milliseconds().max(0);
        headers.insert(header::RETRY_AFTER, ((millis + 999) / 1000).into());
    }
}

/// Counts the requests of each client.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    rule: Option<RateLimit>,
    windows: HashMap<String, (DateTime<Utc>, u32)>,
}

impl Limiter {
    pub(super) fn new(rule: Option<RateLimit>) -> Self {
        Self { rule, windows: HashMap::new() }
    }

    pub(super) fn has_retry_after(&self) -> bool {
        self.rule.as_ref().is_some_and(|rule| rule.retry_after)
    }

    /// Counts a request. `None`: there is no limit.
    pub(super) fn take(&mut self, client: &str, now: DateTime<Utc>) -> Option<Quota> {
        let rule = self.rule.as_ref()?;
        let length = TimeDelta::from_std(rule.window).unwrap_or(TimeDelta::MAX);
        let (reset, used) =
            self.windows.entry(client.to_owned()).or_insert_with(|| (now + length, 0));
        if *reset <= now {
            (*reset, *used) = (now + length, 0);
        }
        let is_exceeded = *used >= rule.limit;
        *used += u32::from(!is_exceeded);
        Some(Quota { limit: rule.limit, used: *used, reset: *reset, is_exceeded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_window() {
        let mut limiter = Limiter::new(Some(RateLimit::new(2, Duration::from_mins(1))));
        let start = DateTime::UNIX_EPOCH;
        let mut exceeded = |client, seconds| {
            limiter.take(client, start + TimeDelta::seconds(seconds)).unwrap().is_exceeded
        };

        assert!(!exceeded("a", 0));
        assert!(!exceeded("a", 1));
        assert!(exceeded("a", 59));
        assert!(!exceeded("b", 59));
        assert!(!exceeded("a", 60), "a new window");
        assert_eq!(Limiter::new(None).take("a", start), None);
    }
}
