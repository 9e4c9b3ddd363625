use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::{ledger::Taken, *};
use crate::docplanner::quota::{Grant, Window};

const LIMIT: u64 = 60;
const WINDOW: Duration = Duration::from_mins(1);
const RESERVE: f64 = 0.1;
const RESERVED: u64 = 6;

/// Some pods, the ledger they share, and the API that counts.
struct World {
    begin: Instant,
    elapsed: Duration,
    pods: Vec<Pocket>,
    ledger: Option<Window>,
    /// The ledger answers.
    has_ledger: bool,
    window_ends: Duration,
    counted: [u64; 2],
}

impl World {
    fn new(pods: usize) -> Self {
        Self {
            begin: Instant::now(),
            elapsed: Duration::ZERO,
            pods: (0..pods).map(|_| Pocket::default()).collect(),
            ledger: None,
            has_ledger: true,
            window_ends: WINDOW,
            counted: [0, 0],
        }
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + self.elapsed
    }

    fn instant(&self) -> Instant {
        self.begin + self.elapsed
    }

    fn pass(&mut self, time: Duration) {
        self.elapsed += time;
        while self.window_ends <= self.elapsed {
            self.window_ends += WINDOW;
            self.counted = [0, 0];
        }
    }

    /// What the governor does without waiting; whether the request was sent.
    fn ask(&mut self, pod: usize, urgency: Urgency) -> bool {
        let now = self.instant();
        let mut step = self.pods[pod].step(urgency, now);
        if step == Step::Take {
            let wanted = if urgency == Urgency::Due { 1 } else { 8 };
            step = self.take(pod, wanted, urgency);
        }
        let is_sent = step == Step::Go;
        if is_sent {
            self.counted[usize::from(urgency == Urgency::Due)] += 1;
            let told = Quota {
                limit: LIMIT,
                remaining: LIMIT.saturating_sub(self.sent()),
                resets_at: now,
                ends_at: DateTime::UNIX_EPOCH + self.window_ends,
            };
            if self.pods[pod].hear(Some(told), now) {
                self.take(pod, 0, Urgency::Usual);
            }
            self.pods[pod].scout_is_back();
        }
        is_sent
    }

    fn take(&mut self, pod: usize, wanted: u64, urgency: Urgency) -> Step {
        let (told, unused) = self.pods[pod].hand_in();
        let lease = Lease { tenant: "acme", told, unused, wanted, urgency, reserve: RESERVE };
        let known = if self.has_ledger { self.ledger.clone() } else { self.pods[pod].window() };
        let taken = lease.from(known, self.now());
        if self.has_ledger && taken.window.is_some() {
            self.ledger.clone_from(&taken.window);
        }
        let now = self.instant();
        self.pods[pod].put(taken, urgency, now)
    }

    fn sent(&self) -> u64 {
        self.counted.iter().sum()
    }
}

proptest! {
    #[test]
    fn pods_together_spend_no_more_than_the_quota_and_leave_the_reserve(
        asks in prop::collection::vec((0..3_usize, 0..20_u32, 0..900_u64), 1..600)
    ) {
        let mut world = World::new(3);
        for (pod, nth, pause) in asks {
            let urgency = if nth == 0 { Urgency::Due } else { Urgency::Usual };
            for _ in 0..nth.max(1) {
                world.ask(pod, urgency);
            }
            prop_assert!(world.sent() <= LIMIT, "{:?}", world.counted);
            prop_assert!(world.counted[0] <= LIMIT - RESERVED, "{:?}", world.counted);
            world.pass(Duration::from_millis(pause));
        }
    }
}

#[test]
fn a_due_request_is_sent_when_the_usual_ones_are_spent() {
    let mut world = World::new(3);
    for nth in 0..2000 {
        world.ask(nth % 3, Urgency::Usual);
        world.pass(Duration::from_millis(25));
    }
    let usual = world.sent();
    assert!((LIMIT - RESERVED - 16..=LIMIT - RESERVED).contains(&usual), "{usual}");
    for nth in 0..RESERVED {
        let pod = usize::try_from(nth).unwrap() % 3;
        assert!(world.ask(pod, Urgency::Due), "{nth}");
    }
}

#[test]
fn without_a_ledger_a_pod_goes_on_with_what_the_api_tells() {
    let mut world = World::new(1);
    world.ask(0, Urgency::Usual);
    world.has_ledger = false;
    for _ in 0..2000 {
        world.ask(0, Urgency::Usual);
        world.pass(Duration::from_millis(25));
    }
    assert!(world.sent() <= LIMIT - RESERVED, "{}", world.sent());
    assert!(world.sent() >= 30, "{}", world.sent());
}

#[test]
fn an_api_that_tells_no_limit_has_none() {
    let (mut pocket, now) = (Pocket::default(), Instant::now());
    assert_eq!(pocket.step(Urgency::Usual, now), Step::Take, "perhaps another pod knows");
    let nothing = Taken { window: None, grant: Grant::NONE, at: DateTime::UNIX_EPOCH };
    assert_eq!(pocket.put(nothing, Urgency::Usual, now), Step::Go, "one finds out");
    assert_eq!(pocket.step(Urgency::Usual, now), Step::Listen, "the others wait for it");
    assert_eq!(pocket.step(Urgency::Due, now + SCOUT_TAKES), Step::Go, "but not for long");
    assert!(!pocket.hear(None, now));
    for _ in 0..1000 {
        assert_eq!(pocket.step(Urgency::Usual, now), Step::Go);
    }
}

#[test]
fn who_is_turned_away_comes_back_in_turn() {
    let mut world = World::new(1);
    while world.ask(0, Urgency::Usual) {}
    let now = world.instant();
    let mut wait = || match world.pods[0].step(Urgency::Usual, now) {
        Step::Wait(wait) => wait,
        step => panic!("{step:?}"),
    };
    let waits: Vec<_> = (0..200).map(|_| wait()).collect();
    assert!(waits.is_sorted() && waits[0] < waits[9], "{waits:?}");
    assert_eq!(waits[199], WINDOW, "nobody waits for longer than the window");
}
