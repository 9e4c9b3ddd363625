//! How many deliveries may wait for one tenant's API at once. That changes with the number of tenants, while some wait.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The places of one tenant.
pub(super) struct Places {
    taken: AtomicUsize,
    most: AtomicUsize,
}

/// One of them, until it is dropped.
pub(in crate::docplanner) struct Place<'p>(&'p Places);

impl Places {
    pub(super) fn without_bound() -> Self {
        Self { taken: AtomicUsize::new(0), most: AtomicUsize::new(usize::MAX) }
    }

    /// From now on so many. Who has one keeps it.
    pub(super) fn allow(&self, most: usize) {
        self.most.store(most, Relaxed);
    }

    /// A place, if one is free.
    pub(super) fn take(&self) -> Option<Place<'_>> {
        let most = self.most.load(Relaxed);
        let more = |taken| (taken < most).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_places_leave_those_that_are_taken() {
        let places = Places::without_bound();
        let taken = [places.take().unwrap(), places.take().unwrap()];
        places.allow(2);
        assert!(places.take().is_none());
        places.allow(1);
        let [first, second] = taken;
        drop(first);
        assert!(places.take().is_none(), "the other one has the only place");
        drop(second);
        assert!(places.take().is_some());
    }
}
