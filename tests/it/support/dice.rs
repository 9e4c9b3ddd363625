//! Randomness that can be repeated.

use std::env;

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

/// Seeded randomness. A test prints its seed, and repeats the one that it is asked for.
pub struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.0.random::<f64>() < share
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

/// The seeds to try: `count` from `first` on, or the one in this variable.
pub fn seeds(variable: &str, first: u64, count: u64) -> Vec<u64> {
    match asked(variable) {
        Some(seed) => vec![seed],
        None => (first..first + count).collect(),
    }
}

/// What the person who runs the tests asks for: a seed to repeat, minutes to go on.
#[expect(clippy::disallowed_methods, reason = "not a setting of the worker")]
pub fn asked(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}
