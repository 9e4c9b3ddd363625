//! When a walk may send its next request.

use std::time::Duration;

use tokio::time::Instant;

use super::WhyWait;
use crate::docplanner::Quota;

/// So many requests are sent without waiting: a small clinic is walked at once.
///
/// Docplanner's firewall blocks an address that sends more than 500 requests within five minutes,
/// and the workers may be behind the same one. This many and one a second are 400.
const BURST: u32 = 100;

/// The share of a rate limit that is left to the running workers: one part in this many. They ask
/// once for an address in a flags' time to live; of the usual 8,000 requests an hour, a quarter is
/// enough for 330 addresses that are booked at all the time.
const RESERVE: u64 = 4;

/// Ends of pauses that are no further apart are the same.
const SAME_PAUSE: Duration = Duration::from_secs(5);

/// Turns come at once up to [`BURST`], then at a steady rate, and not at all during a pause.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    /// The next turn if there was no burst; it lags behind by what is saved up.
    next: Instant,
    pause: Option<Instant>,
}

impl Pace {
    pub(super) fn new(per_minute: u32, now: Instant) -> Self {
        let between = Duration::from_mins(1) / per_minute.max(1);
        Self { between, next: now, pause: None }.saved_up(now)
    }

    /// The most that may be saved up.
    fn saved_up(mut self, now: Instant) -> Self {
        self.next = now.checked_sub(self.between * (BURST - 1)).unwrap_or(now);
        self
    }

    /// When the next request may be sent; now, or later.
    pub(super) fn turn(&self, now: Instant) -> Instant {
        self.next.max(now).max(self.pause.unwrap_or(now))
    }

    /// A request is sent.
    pub(super) fn take(&mut self, now: Instant) {
        let earliest = now.checked_sub(self.between * (BURST - 1)).unwrap_or(now);
        self.next = self.next.max(earliest) + self.between;
    }

    /// Nothing is sent before then. Whether that is news: the requests that were under way together
    /// begin the same pause a little later each.
    pub(super) fn pause(&mut self, until: Instant, now: Instant) -> bool {
        let known = self.pause.filter(|known| now < *known);
        self.pause = self.pause.max(Some(until));
        known.is_none_or(|known| known + SAME_PAUSE < until)
    }

    pub(super) fn is_paused(&self, now: Instant) -> bool {
        self.pause.is_some_and(|until| now < until)
    }
}

/// Until when to leave the rest of the quota to the workers.
pub(super) fn reserved(quota: &Quota) -> Option<(Instant, WhyWait)> {
    let Quota { limit, remaining, resets_at, .. } = *quota;
    let why = WhyWait::Reserve { remaining, limit };
    (remaining <= limit / RESERVE).then(|| (Instant::from_std(resets_at), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many requests are sent within this time.
    fn sent_within(pace: &mut Pace, from: Instant, time: Duration) -> u32 {
        let (mut now, mut sent) = (from, 0);
        loop {
            now = pace.turn(now);
            if now >= from + time {
                return sent;
            }
            pace.take(now);
            sent += 1;
        }
    }

    #[test]
    fn a_burst_then_one_a_second() {
        let start = Instant::now() + 1000 * SECOND;
        let mut pace = Pace::new(60, start);
        assert_eq!(sent_within(&mut pace, start, 300 * SECOND), 400 - 1);
        let mut idle = Pace::new(60, start);
        idle.take(start);
        assert_eq!(sent_within(&mut idle, start + 900 * SECOND, SECOND / 2), BURST);
    }

    #[test]
    fn nothing_is_sent_during_a_pause() {
        let start = Instant::now();
        let mut pace = Pace::new(60, start);
        assert!(pace.pause(start + 10 * SECOND, start));
        assert!(!pace.pause(start + 5 * SECOND, start), "known already");
        assert_eq!(pace.turn(start), start + 10 * SECOND);
        assert!(!pace.is_paused(start + 10 * SECOND));
        assert!(pace.pause(start + 20 * SECOND, start + 10 * SECOND));
        assert!(!pace.pause(start + 21 * SECOND, start + 10 * SECOND), "about the same");
        assert!(pace.pause(start + 90 * SECOND, start + 10 * SECOND), "much longer");
    }

    #[test]
    fn a_quarter_of_the_quota_is_the_workers() {
        let quota = |limit, remaining| Quota {
            limit,
            remaining,
            resets_at: std::time::Instant::now(),
            ends_at: chrono::DateTime::UNIX_EPOCH,
        };
        for (limit, remaining, waits) in
            [(8000, 2001, false), (8000, 2000, true), (8000, 0, true), (3, 1, false), (3, 0, true)]
        {
            assert_eq!(reserved(&quota(limit, remaining)).is_some(), waits, "{remaining}");
        }
    }
}
