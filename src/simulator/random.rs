//! Seeded randomness.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// A generator whose algorithm is named, so that a seed keeps its meaning over updates of `rand`.
#[derive(Debug, Clone)]
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    /// `stream` separates uses of one seed: a change in one does not shift the others.
    pub(crate) fn new(seed: u64, stream: &str) -> Self {
        let salted = stream.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(7)
        });
        Self(Xoshiro256PlusPlus::seed_from_u64(salted))
    }

    /// A number of `from..=to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        self.0.random_range(from..=to)
    }

    /// As [`between`](Self::between), for durations.
    pub(crate) fn signed_between(&mut self, from: i64, to: i64) -> i64 {
        self.0.random_range(from..=to)
    }

    /// True in this share of cases; a share outside `0..=1` means never or always.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.0.random::<f64>() < share
    }

    /// An index below `len`, which is not zero.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.0.random_range(0..len)
    }

    /// One of a list that is not empty.
    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.index(list.len())]
    }

    /// The index of a weight, chosen in proportion; `None` if all weights are zero.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> Option<usize> {
        let total: f64 = weights.clone().sum();
        let mut left = self.0.random::<f64>() * total;
        let mut last = None;
        for (index, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
            last = Some(index);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// Decimal digits; the first is not zero.
    pub(crate) fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|position| self.between(u64::from(position == 0), 9))
            .map(|digit| digit.to_string())
            .collect()
    }

    /// Lower-case hexadecimal digits.
    pub(crate) fn hex(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(*self.pick(b"0123456789abcdef"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn one_seed_gives_one_sequence_per_stream() {
        let draw = |seed, stream| Random::new(seed, stream).hex(32);

        assert_eq!(draw(1, "world"), draw(1, "world"));
        assert_ne!(draw(1, "world"), draw(2, "world"));
        assert_ne!(draw(1, "world"), draw(1, "tokens"));
    }

    #[test]
    fn weights_of_zero_are_never_chosen() {
        let mut random = Random::new(1, "weights");

        for _ in 0..200 {
            assert_eq!(random.weighted([0.0, 2.0, 0.0].into_iter()), Some(1));
        }
        assert_eq!(random.weighted([0.0, 0.0].into_iter()), None);
    }
}
