//! One flight for each address that somebody is asking for at the moment.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::memory::Key;
use crate::docplanner::{ApiError, single_flight::SingleFlight};

pub(super) type Flight = SingleFlight<(), ApiError>;

/// Flights that nobody is in are gone; their places are cleared when there are many of them.
const CLEAR_ABOVE: usize = 1_000;

#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Key, Weak<Flight>>>);

impl Flights {
    /// The flight of an address, the same for all who are in it.
    pub(super) fn join(&self, key: &Key) -> Arc<Flight> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key).and_then(Weak::upgrade) {
            return flight;
        }
        if flights.len() >= CLEAR_ABOVE {
            flights.retain(|_, flight| flight.strong_count() > 0);
        }
        let flight = Arc::default();
        flights.insert(key.clone(), Arc::downgrade(&flight));
        flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flights_are_shared_while_somebody_is_in_them_and_then_forgotten() {
        let flights = Flights::default();
        let held = flights.join(&Key::new("acme", "held"));
        for nth in 0..3 * CLEAR_ABOVE {
            flights.join(&Key::new("acme", &nth.to_string()));
        }
        assert!(Arc::ptr_eq(&held, &flights.join(&Key::new("acme", "held"))));
        assert!(flights.0.lock().unwrap().len() <= CLEAR_ABOVE);
    }
}
