//! When to try again: the policy from an error to a disposition, and the delay curve.
//!
//! The curve is the `backoff` crate's, which is unmaintained (RUSTSEC-2025-0012): it is used here
//! only, behind [`Backoff`], so that replacing it touches this file.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff as _};

use crate::delivery::{Disposition, Outcome, Reason};

/// Whether the same delivery could work later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prospect {
    /// Never: a person has to look.
    Never(Reason),
    /// Perhaps; it counts as an attempt. Not before the hint, where there is one.
    Later(Reason, Option<Duration>),
    /// Surely, it only has to wait; that is not an attempt.
    Wait(Option<Duration>),
    /// Surely, once another delivery is done that comes back after this time; that is not an attempt.
    Behind(Duration),
}

/// The delays of the retry queues, shortest first.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    delays: Vec<Duration>,
}

/// Why the delays make no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryPolicyError {
    /// Waiting needs a queue to wait in.
    #[error("at least one delay is needed")]
    Empty,
    /// The queues are found by length.
    #[error("delays must grow from one to the next")]
    NotGrowing,
    /// RabbitMQ keeps a time to live in milliseconds.
    #[error("a delay must be between 1 ms and 24 h")]
    OutOfRange,
}

impl RetryPolicy {
    /// A policy from the delays of the retry queues.
    ///
    /// # Errors
    ///
    /// If there is none, one is shorter than the one before, or one is no time to live.
    pub fn new(delays: Vec<Duration>) -> Result<Self, RetryPolicyError> {
        if delays.is_empty() {
            return Err(RetryPolicyError::Empty);
        }
        let range = Duration::from_millis(1)..=Duration::from_hours(24);
        if !delays.iter().all(|delay| range.contains(delay)) {
            return Err(RetryPolicyError::OutOfRange);
        }
        if !delays.is_sorted_by(|a, b| a < b) {
            return Err(RetryPolicyError::NotGrowing);
        }
        Ok(Self { delays })
    }

    /// The delays, shortest first.
    #[must_use]
    pub fn delays(&self) -> &[Duration] {
        &self.delays
    }

    /// Whether a delivery that has failed `attempts` times before gets no further try.
    #[must_use]
    pub fn is_last_attempt(&self, attempts: u32) -> bool {
        attempts as usize >= self.delays.len()
    }

    /// What becomes of a delivery that has failed `attempts` times before.
    #[must_use]
    pub fn disposition<E>(&self, result: Result<Outcome, E>, attempts: u32) -> Disposition
    where
        E: std::error::Error,
        for<'e> &'e E: Into<Prospect>,
    {
        let error = match result {
            Ok(outcome) => return Disposition::Ack(outcome),
            Err(error) => error,
        };
        let cause = chain(&error);
        match (&error).into() {
            Prospect::Never(reason) => {
                Disposition::DeadLetter { reason, error: cause, attempts: attempts + 1 }
            }
            Prospect::Later(reason, _) if self.is_last_attempt(attempts) => {
                Disposition::DeadLetter { reason, error: cause, attempts: attempts + 1 }
            }
            Prospect::Later(_, hint) => Disposition::Retry {
                delay: self.at_least(hint.unwrap_or_default().max(self.delays[attempts as usize])),
                attempts: attempts + 1,
                cause,
            },
            Prospect::Wait(hint) => Disposition::Retry {
                delay: self.at_least(hint.unwrap_or_default()),
                attempts,
                cause,
            },
            Prospect::Behind(back_in) => {
                Disposition::Retry { delay: self.at_most(back_in), attempts, cause }
            }
        }
    }

    /// The shortest configured delay that is not shorter than `wanted`, else the longest one.
    fn at_least(&self, wanted: Duration) -> Duration {
        let found = self.delays.iter().find(|delay| **delay >= wanted).or(self.delays.last());
        found.copied().unwrap_or(wanted)
    }

    /// The longest configured delay that is not longer than `wanted`, else the shortest one. Who has to wait
    /// for another delivery comes back a little early several times rather than very late.
    fn at_most(&self, wanted: Duration) -> Duration {
        let found = self.delays.iter().rfind(|delay| **delay <= wanted).or(self.delays.first());
        found.copied().unwrap_or(wanted)
    }

    /// The longest delay: a message comes back from a retry queue after this.
    #[must_use]
    pub fn longest_delay(&self) -> Duration {
        self.delays.last().copied().unwrap_or_default()
    }
}

/// An error and its sources in one line. Some libraries repeat the source in their own text; it is
/// told once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}

/// Growing delays with jitter, without end: the caller decides when to give up.
#[derive(Debug)]
pub struct Backoff(ExponentialBackoff);

impl Backoff {
    /// Delays that start at `initial` and double up to `longest`, each spread by a quarter so that
    /// many waiters do not return at once.
    #[must_use]
    pub fn new(initial: Duration, longest: Duration) -> Self {
        Self(
            ExponentialBackoffBuilder::new()
                .with_initial_interval(initial)
                .with_max_interval(longest)
                .with_multiplier(2.0)
                .with_randomization_factor(0.25)
                .with_max_elapsed_time(None)
                .build(),
        )
    }

    /// For a server that is away: from 100 ms to 5 s. Longer would leave a recovered server idle,
    /// shorter would hammer one that is starting.
    #[must_use]
    pub fn reconnect() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(self.0.max_interval)
    }

    /// Starts over: call it after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it failed")]
    struct Failed(Prospect);

    impl From<&Failed> for Prospect {
        fn from(failed: &Failed) -> Self {
            failed.0
        }
    }

    fn check(prospect: Prospect, attempts: u32, expected: &str) {
        let secs = Duration::from_secs;
        let policy = RetryPolicy::new(vec![secs(5), secs(30), secs(120)]).unwrap();
        let told = match policy.disposition(Err(Failed(prospect)), attempts) {
            Disposition::Ack(_) => "ack".to_owned(),
            Disposition::Retry { delay, attempts, .. } => {
                format!("retry in {delay:?}, {attempts} failed")
            }
            Disposition::DeadLetter { reason, attempts, .. } => {
                format!("dead letter {}, {attempts} failed", reason.as_str())
            }
        };
        assert_eq!(told, expected, "{prospect:?} after {attempts}");
    }

    #[test]
    fn policy_by_prospect_and_attempt() {
        let secs = |s| Some(Duration::from_secs(s));
        let later = |hint| Prospect::Later(Reason::EnrichmentFailed, hint);
        check(Prospect::Never(Reason::Invalid), 0, "dead letter invalid, 1 failed");
        check(later(None), 0, "retry in 5s, 1 failed");
        check(later(None), 2, "retry in 120s, 3 failed");
        check(later(None), 3, "dead letter enrichment-failed, 4 failed");
        check(later(None), 9, "dead letter enrichment-failed, 10 failed");
        check(later(secs(20)), 0, "retry in 30s, 1 failed");
        check(later(secs(999)), 0, "retry in 120s, 1 failed");
        check(Prospect::Wait(None), 0, "retry in 5s, 0 failed");
        check(Prospect::Wait(None), 9, "retry in 5s, 9 failed");
        check(Prospect::Wait(secs(6)), 1, "retry in 30s, 1 failed");
        let behind = |s| Prospect::Behind(Duration::from_secs(s));
        check(behind(0), 9, "retry in 5s, 9 failed");
        check(behind(29), 0, "retry in 5s, 0 failed");
        check(behind(119), 0, "retry in 30s, 0 failed");
        check(behind(999), 0, "retry in 120s, 0 failed");
    }

    #[test]
    fn a_policy_refuses_delays_it_cannot_keep() {
        let secs = Duration::from_secs;
        assert_eq!(RetryPolicy::new(vec![]).unwrap_err(), RetryPolicyError::Empty);
        assert_eq!(
            RetryPolicy::new(vec![secs(5), secs(5)]).unwrap_err(),
            RetryPolicyError::NotGrowing
        );
        assert_eq!(RetryPolicy::new(vec![secs(0)]).unwrap_err(), RetryPolicyError::OutOfRange);
    }

    #[test]
    fn delays_grow_to_the_longest_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let delays: Vec<_> = (0..20).map(|_| backoff.next_delay()).collect();
        assert!(delays[0] <= Duration::from_millis(125), "{delays:?}");
        assert!(delays[19] >= Duration::from_millis(750), "{delays:?}");
        assert!(delays.iter().all(|delay| *delay <= Duration::from_millis(1250)), "{delays:?}");
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(125));
    }
}
