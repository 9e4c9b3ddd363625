//! Files that are replaced while the worker runs: secrets, certificates, keys.
//!
//! They are read by their path whenever they are needed, and not watched: Kubernetes swaps a link
//! above them. A file that cannot be used at that moment, because it is missing or half-written,
//! counts as not changed yet.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use tracing::{info, warn};

/// What files held when they could last be used.
#[derive(Debug)]
pub struct LastGood<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    last: Option<T>,
    /// The last reading failed: logged once, not at each reading.
    failing: bool,
}

impl<T> Default for LastGood<T> {
    fn default() -> Self {
        Self(Mutex::new(State { last: None, failing: false }))
    }
}

impl<T: Clone + PartialEq> LastGood<T> {
    /// What `read` makes of the files now, else what it made of them last. `read` is given that, to
    /// spare itself work; its error must not quote a secret. `setting` names the files in the log.
    ///
    /// # Errors
    ///
    /// If the files cannot be used and never could.
    pub fn or_last<E: fmt::Display>(
        &self,
        setting: &str,
        read: impl FnOnce(Option<&T>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (read(state.last.as_ref()), state.last.clone()) {
            (Ok(value), last) => {
                if last.is_some_and(|last| last != value) {
                    info!(setting, "{setting} has changed; using it from now on");
                }
                *state = State { last: Some(value.clone()), failing: false };
                Ok(value)
            }
            (Err(error), Some(last)) => {
                if !state.failing {
                    let going_on = "cannot be used now; going on with what it held before";
                    warn!(setting, %error, "{setting} {going_on}");
                    state.failing = true;
                }
                Ok(last)
            }
            (Err(error), None) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_as_it_was() {
        let kept = LastGood::default();
        let read = |now: Result<u32, &'static str>| kept.or_last("x_file", |_| now);
        assert_eq!(read(Err("missing")), Err("missing"), "there is nothing to go on with");
        assert_eq!(read(Ok(1)), Ok(1));
        assert_eq!(read(Err("missing")), Ok(1));
        assert_eq!(read(Ok(2)), Ok(2));
        assert_eq!(read(Err("half-written")), Ok(2), "the last one, not the first one");
    }
}
