//! The bad days of an API: the faults in force.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::fault::{Effect, Fault};
use crate::simulator::random::Random;

/// A fault in force.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Standing {
    id: u64,
    #[serde(flatten)]
    fault: Fault,
    /// Requests struck so far.
    struck: u32,
}

/// What one request suffers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) delay: Duration,
    pub(super) effect: Option<Effect>,
}

/// The faults in force.
pub(super) struct Faults {
    standing: Mutex<List>,
    /// Changes when everything that hangs may go on.
    released: watch::Sender<u64>,
}

struct List {
    faults: Vec<Standing>,
    next_id: u64,
    random: Random,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        let list = List { faults: Vec::new(), next_id: 1, random: Random::new(seed, "faults") };
        Self { standing: Mutex::new(list), released: watch::Sender::new(0) }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, fault: Fault) -> u64 {
        let mut list = self.list();
        let id = list.next_id;
        list.next_id += 1;
        list.faults.push(Standing { id, fault, struck: 0 });
        id
    }

    pub(super) fn all(&self) -> Vec<Standing> {
        self.list().faults.clone()
    }

    pub(super) fn clear(&self) {
        self.list().faults.clear();
        self.release();
    }

    pub(super) fn release(&self) {
        self.released.send_modify(|generation| *generation += 1);
    }

    /// Take it before [`strike`](Self::strike): a release in between is not missed.
    pub(super) fn release_signal(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }

    /// Every matching latency, and the first other fault that matches.
    pub(super) fn strike(&self, method: &str, path: &str) -> Strike {
        let mut strike = Strike::default();
        let List { faults, random, .. } = &mut *self.list();
        for standing in faults.iter_mut().filter(|standing| standing.may_strike(method, path)) {
            let is_latency = matches!(standing.fault.effect, Effect::Latency { .. });
            if strike.effect.is_some() && !is_latency {
                continue;
            }
            if standing.fault.probability.is_some_and(|share| !random.chance(share)) {
                continue;
            }
            standing.struck += 1;
            match standing.fault.effect {
                Effect::Latency { ms } => strike.delay += Duration::from_millis(ms),
                ref effect => strike.effect = Some(effect.clone()),
            }
        }
        strike
    }
}

impl Standing {
    fn may_strike(&self, method: &str, path: &str) -> bool {
        self.fault.times.is_none_or(|times| self.struck < times)
            && self.fault.on.matches(method, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_it_says() {
        let faults = Faults::new(1);
        faults.add(Fault::status(503).on("/addresses/111").times(2));

        let strikes = (0..4).filter(|_| faults.strike("GET", "/addresses/111").effect.is_some());

        assert_eq!(strikes.count(), 2);
        assert_eq!(faults.strike("GET", "/addresses/112"), Strike::default());
    }

    #[test]
    fn latency_adds_to_the_first_other_fault() {
        let faults = Faults::new(1);
        faults.add(Fault::garbage());
        faults.add(Fault::latency(Duration::from_millis(20)));
        faults.add(Fault::reset().times(1));
        faults.add(Fault::latency(Duration::from_millis(30)));

        let strike = faults.strike("GET", "/");

        assert_eq!(strike.delay, Duration::from_millis(50));
        assert_eq!(strike.effect, Some(Effect::Garbage));
        assert_eq!(faults.all()[2].struck, 0, "a fault that did not happen is not used up");
    }

    #[test]
    fn a_probability_strikes_its_share_and_the_same_ones_each_time() {
        let struck = |seed| {
            let faults = Faults::new(seed);
            faults.add(Fault::reset().probability(0.25));
            (0..1000).filter(|_| faults.strike("GET", "/").effect.is_some()).collect::<Vec<u32>>()
        };

        assert!((200..300).contains(&struck(1).len()));
        assert_eq!(struck(1), struck(1));
        assert_ne!(struck(1), struck(2));
    }
}
