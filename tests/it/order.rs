//! Order: what concerns one booking is published one after another, as it was delivered.

mod decisions;
mod ledger;
mod pods;
mod stories;

use std::env;

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

/// Seeded randomness for the two models. A failure prints the seed; `ORDER_SEED` repeats it.
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

#[expect(clippy::disallowed_methods, reason = "not a setting: which seed to repeat")]
/// The seeds to try: `count` from `first` on, or the one in `ORDER_SEED`.
fn seeds(first: u64, count: u64) -> Vec<u64> {
    match env::var("ORDER_SEED") {
        Ok(seed) => vec![seed.parse().expect("ORDER_SEED is a number")],
        Err(_) => (first..first + count).collect(),
    }
}
