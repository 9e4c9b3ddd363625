//! How far it is, on stderr.

use std::time::{Duration, Instant};

/// Between two lines. What takes less tells nothing but its result.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Tells a person now and then.
pub(super) struct Progress {
    done: &'static str,
    last: Instant,
}

impl Progress {
    pub(super) fn new(done: &'static str) -> Self {
        Self { done, last: Instant::now() }
    }

    pub(super) fn advanced(&mut self, letters: u64) {
        if self.last.elapsed() >= LINE_EVERY {
            self.last = Instant::now();
            eprintln!("{} {} so far", super::letters(letters), self.done);
        }
    }
}
