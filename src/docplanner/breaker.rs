//! Leaves an API alone that does not answer, and tries it with one request now and then. A state machine: the time
//! comes in as a parameter.

use std::time::{Duration, Instant};

use crate::retry::Backoff;

/// An API that fails this often in a row, [`FAILING_FOR`] so long, is down. One of the two alone is not enough: sixteen
/// requests that are under way together fail together when a server restarts.
const FAILURES: u32 = 5;

/// From the first failed request's beginning. Shorter than the time after which a request is given up, so that one round
/// of requests without an answer is enough.
const FAILING_FOR: Duration = Duration::from_millis(3500);

/// So many in a row are enough whatever the time: an API that fails at once would be asked thousands of times meanwhile.
const MANY_FAILURES: u32 = 50;

/// Between two probes. Spread by a quarter, the longest is half a minute: who waits for it fits a short retry queue,
/// and an API that is back is noticed soon.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(24);

/// While a probe is under way, which takes a second or two.
const PROBE_TAKES: Duration = Duration::from_secs(1);

/// Whether the API may be asked.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    pauses: Backoff,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32, since: Option<Instant> },
    Open { until: Instant },
    HalfOpen,
}

/// Permission to send one request. Its end has to be told, whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    began: Instant,
    is_probe: bool,
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The API has said something, be it that it refuses.
    Answered,
    /// It has not: no connection, no answer in time, 5xx, or somebody else answered.
    Failed,
    /// Nobody waited for the answer.
    Unknown,
}

/// What is worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// From now on there are probes only.
    Opened,
    /// Everybody may ask again.
    Closed,
}

/// The state, as metrics tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// 0: everybody may ask.
    Closed,
    /// 1: one request tries.
    HalfOpen,
    /// 2: nobody asks.
    Open,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed { failures: 0, since: None },
            pauses: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }
}

impl Breaker {
    /// Permission for one request, or how long to wait.
    pub(super) fn pass(&mut self, now: Instant) -> Result<Pass, Duration> {
        match self.state {
            State::Closed { .. } => Ok(Pass { began: now, is_probe: false }),
            State::Open { until } if until <= now => {
                self.state = State::HalfOpen;
                Ok(Pass { began: now, is_probe: true })
            }
            State::Open { until } => Err(until - now),
            State::HalfOpen => Err(PROBE_TAKES),
        }
    }

    /// A request has ended.
    pub(super) fn ended(&mut self, pass: Pass, ending: Ending, now: Instant) -> Option<Change> {
        match (&mut self.state, ending) {
            (State::Closed { failures, since }, Ending::Failed) => {
                *failures += 1;
                let failing_for = now.saturating_duration_since(*since.get_or_insert(pass.began));
                let is_down = *failures >= FAILURES && failing_for >= FAILING_FOR;
                (is_down || *failures >= MANY_FAILURES).then(|| {
                    self.open(now);
                    Change::Opened
                })
            }
            (State::Closed { failures, since }, Ending::Answered) => {
                (*failures, *since) = (0, None);
                None
            }
            (State::HalfOpen, Ending::Failed) if pass.is_probe => {
                self.open(now);
                None
            }
            // The next one tries.
            (State::HalfOpen, Ending::Unknown) if pass.is_probe => {
                self.state = State::Open { until: now };
                None
            }
            // An answer is an answer, also to a request from before.
            (State::Open { .. } | State::HalfOpen, Ending::Answered) => {
                *self = Self::default();
                Some(Change::Closed)
            }
            (_, Ending::Failed | Ending::Unknown) => None,
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::HalfOpen => BreakerState::HalfOpen,
            State::Open { .. } => BreakerState::Open,
        }
    }

    fn open(&mut self, now: Instant) {
        self.state = State::Open { until: now + self.pauses.next_delay() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    struct Story {
        breaker: Breaker,
        now: Instant,
    }

    impl Story {
        fn begin() -> Self {
            Self { breaker: Breaker::default(), now: Instant::now() }
        }

        /// A request that takes this long.
        fn ask(&mut self, took: Duration, ending: Ending) -> Option<Change> {
            let pass = self.breaker.pass(self.now).unwrap();
            self.now += took;
            self.breaker.ended(pass, ending, self.now)
        }

        fn opened() -> Self {
            let mut story = Self::begin();
            for _ in 1..FAILURES {
                assert_eq!(story.ask(SECOND, Ending::Failed), None);
            }
            assert_eq!(story.ask(SECOND, Ending::Failed), Some(Change::Opened));
            story
        }

        fn wait_for_probe(&mut self) -> Pass {
            self.now += self.breaker.pass(self.now).unwrap_err();
            self.breaker.pass(self.now).unwrap()
        }
    }

    #[test]
    fn what_opens_it() {
        use Ending::{Answered, Failed, Unknown};
        for (requests, opens) in [
            (vec![(Failed, SECOND); 4], false),
            (vec![(Failed, SECOND); 5], true),
            (vec![(Failed, MS); 49], false),
            (vec![(Failed, MS); 50], true),
            (
                [vec![(Failed, SECOND); 4], vec![(Answered, MS)], vec![(Failed, SECOND); 4]]
                    .concat(),
                false,
            ),
            (
                [vec![(Failed, SECOND); 4], vec![(Unknown, MS)], vec![(Failed, SECOND)]].concat(),
                true,
            ),
            (vec![(Unknown, SECOND); 90], false),
        ] {
            let mut story = Story::begin();
            let changes = requests.iter().map(|(ending, took)| story.ask(*took, *ending));
            assert_eq!(changes.last().unwrap().is_some(), opens, "{requests:?}");
        }
    }

    #[test]
    fn one_round_without_an_answer_in_time_is_enough() {
        let (mut breaker, begin) = (Breaker::default(), Instant::now());
        let passes: Vec<_> = (0..16).map(|_| breaker.pass(begin).unwrap()).collect();
        let end = begin + 4 * SECOND;
        let changes: Vec<_> =
            passes.iter().filter_map(|pass| breaker.ended(*pass, Ending::Failed, end)).collect();
        assert_eq!(changes, [Change::Opened], "told once");
    }

    #[test]
    fn one_probe_at_a_time_after_a_growing_pause() {
        let mut story = Story::opened();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            pauses.push(story.breaker.pass(story.now).unwrap_err());
            let probe = story.wait_for_probe();
            assert_eq!(story.breaker.state(), BreakerState::HalfOpen);
            assert_eq!(story.breaker.pass(story.now), Err(PROBE_TAKES), "only one");
            assert_eq!(story.breaker.ended(probe, Ending::Failed, story.now), None);
            assert_eq!(story.breaker.state(), BreakerState::Open);
        }
        assert!(pauses[0] <= FIRST_PAUSE * 5 / 4, "{pauses:?}");
        assert!(pauses[11] >= LONGEST_PAUSE * 3 / 4, "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(30)), "{pauses:?}");
    }

    #[test]
    fn an_answer_closes_it_and_the_pauses_start_over() {
        let mut story = Story::opened();
        for _ in 0..6 {
            let probe = story.wait_for_probe();
            story.breaker.ended(probe, Ending::Failed, story.now);
        }
        let probe = story.wait_for_probe();
        assert_eq!(story.breaker.ended(probe, Ending::Answered, story.now), Some(Change::Closed));
        for _ in 1..FAILURES {
            assert_eq!(story.ask(SECOND, Ending::Failed), None);
        }
        assert_eq!(story.ask(SECOND, Ending::Failed), Some(Change::Opened));
        assert!(story.breaker.pass(story.now).unwrap_err() <= FIRST_PAUSE * 5 / 4);
    }

    #[test]
    fn a_probe_that_nobody_waited_for_is_followed_by_another_one() {
        let mut story = Story::opened();
        let probe = story.wait_for_probe();
        assert_eq!(story.breaker.ended(probe, Ending::Unknown, story.now), None);
        assert!(story.breaker.pass(story.now).unwrap().is_probe);
    }

    #[test]
    fn requests_from_before_it_opened_count_only_if_they_are_answered() {
        let mut story = Story::begin();
        let (slow, slower) = (story.breaker.pass(story.now), story.breaker.pass(story.now));
        let mut opened = Story::opened();
        let left = opened.breaker.pass(opened.now).unwrap_err();
        opened.breaker.ended(slow.unwrap(), Ending::Failed, opened.now);
        assert_eq!(opened.breaker.pass(opened.now), Err(left), "no longer pause");
        let ended = opened.breaker.ended(slower.unwrap(), Ending::Answered, opened.now);
        assert_eq!(ended, Some(Change::Closed));
    }
}
