//! What this pod knows of addresses: bounded, and believed only while other pods can be heard.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::debug;

use super::known::{Failure, Known};
use crate::{database::Listener, docplanner::ApiError, normalize::AddressFacts};

/// The addresses of all tenants together, at most: some 400 bytes each, so 40 MB. What falls out is in the
/// database.
pub(super) const CAPACITY: usize = 100_000;

/// One address of one tenant, as it is written in a notice to other pods.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key(String);

impl Key {
    /// A tenant's id has no slash.
    pub(super) fn new(tenant: &str, address: &str) -> Self {
        Self(format!("{tenant}/{address}"))
    }
}

/// What can be used without asking anybody.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Usable {
    Fresh(AddressFacts),
    /// The API was just asked in vain.
    Old(AddressFacts),
}

/// Where the memory stood when a question was asked. What was heard since may say more than its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    session: Option<u64>,
    notices: u64,
    unplaced: u64,
}

/// Addresses in two generations. Whatever is used moves to the younger one; when that is full, it becomes
/// the older one, and what nobody has used since the last time is forgotten.
pub(super) struct Memory {
    state: Mutex<State>,
}

struct State {
    young: HashMap<Key, Entry>,
    old: HashMap<Key, Entry>,
    generation: usize,
    /// Counts the times that we began to listen.
    sessions: u64,
    /// The one of now.
    session: Option<u64>,
    /// Counts the notices heard.
    notices: u64,
    /// Notices about addresses that are not here: how many, and the latest moment they told.
    unplaced: (u64, i64),
}

struct Entry {
    known: Known,
    /// The session in which the database last agreed.
    session: Option<u64>,
    /// The latest moment at which a change was told.
    dropped: i64,
    failure: Option<Failure>,
    /// It was too old when it came, and nothing has changed but its age.
    only_old: bool,
    /// When it was last taken for fresh.
    confirmed: Instant,
}

impl Memory {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State {
            young: HashMap::new(),
            old: HashMap::new(),
            generation: capacity.div_ceil(2),
            sessions: 0,
            session: None,
            notices: 0,
            unplaced: (0, 0),
        };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mark(&self) -> Mark {
        let state = self.state();
        Mark { session: state.session, notices: state.notices, unplaced: state.unplaced.0 }
    }

    /// What needs no question: fresh facts if no change can have been missed, old ones right after a failure.
    pub(super) fn usable(&self, key: &Key, ttl: Duration, now: Instant) -> Option<Usable> {
        let mut state = self.state();
        let session = state.session;
        let entry = state.entry(key)?;
        let trusted = session.is_some() && entry.session == session;
        if trusted && entry.known.is_fresh(ttl, now) {
            return Some(Usable::Fresh(entry.known.facts.clone()));
        }
        let (failure, known) = (entry.failure?, entry.known());
        known.serves_after(failure, now).then_some(Usable::Old(known.facts))
    }

    /// Whether the facts are good for whoever has been waiting since `since`: they came meanwhile, and
    /// nothing has changed.
    pub(super) fn is_new_since(&self, key: &Key, since: Instant) -> bool {
        let mut state = self.state();
        state.entry(key).is_some_and(|entry| entry.known.unchanged && entry.confirmed >= since)
    }

    /// What is known, whatever it is good for.
    pub(super) fn known(&self, key: &Key) -> Option<Known> {
        self.state().entry(key).map(|entry| entry.known())
    }

    /// Takes an answer of the API or of the database, asked for when the memory stood at `mark`. It replaces
    /// what was known, unless it is old and that is younger.
    pub(super) fn learn(&self, key: Key, told: Known, mark: Mark, now: Instant) {
        self.take_in(key, told, true, mark, now);
    }

    /// The same with an answer that is too old to be used while the API can be asked.
    pub(super) fn learn_old(&self, key: Key, told: Known, mark: Mark, now: Instant) {
        self.take_in(key, told, false, mark, now);
    }

    fn take_in(&self, key: Key, mut told: Known, is_fresh: bool, mark: Mark, now: Instant) {
        let mut state = self.state();
        let dropped = state.dropped(&key, mark);
        told.unchanged &= match told.moment {
            Some(moment) => dropped < moment,
            // The database gave it no moment: any notice since could have been about it.
            None => state.notices == mark.notices,
        };
        let only_old = told.unchanged && !is_fresh;
        told.unchanged &= is_fresh;
        let session = mark.session;
        let mut entry =
            Entry { known: told, session, dropped, failure: None, only_old, confirmed: now };
        let before = state.take(&key);
        if let Some(before) = before.filter(|_| !entry.known.unchanged) {
            entry.confirmed = before.confirmed;
            entry.failure = before.failure;
            if before.known.age.at(now) < entry.known.age.at(now) {
                entry.known = Known { unchanged: false, ..before.known };
                entry.only_old = false;
            }
        }
        state.put(key, entry);
    }

    /// The API was asked in vain.
    pub(super) fn failed(&self, key: &Key, error: &ApiError, now: Instant) {
        if let Some(entry) = self.state().entry(key) {
            entry.failure = Some(Failure::of(error, now));
        }
    }

    /// A change is about to be told to everybody: this pod does not wait for the database to ask again.
    pub(super) fn expire(&self, key: &Key) {
        if let Some(entry) = self.state().entry(key) {
            entry.changed();
        }
    }

    /// A change was told at `moment`: answers that were asked for before are not fresh.
    pub(super) fn dropped(&self, key: &Key, moment: i64) {
        let mut state = self.state();
        state.notices += 1;
        if let Some(entry) = state.entry(key) {
            entry.dropped = entry.dropped.max(moment);
            if entry.known.moment.is_none_or(|asked| asked < moment) {
                entry.changed();
            }
        } else {
            state.unplaced = (state.unplaced.0 + 1, state.unplaced.1.max(moment));
        }
    }
}

impl Listener for std::sync::Arc<Memory> {
    fn begins(&self) {
        let mut state = self.state();
        state.sessions += 1;
        state.session = Some(state.sessions);
    }

    fn hears(&self, payload: &str) {
        let Some((moment, key)) = payload.split_once(' ') else { return };
        let Ok(moment) = moment.parse() else { return };
        self.dropped(&Key(key.to_owned()), moment);
        let (tenant, address_id) = key.split_once('/').unwrap_or(("", key));
        debug!(tenant, address_id, "flags dropped: a change has passed");
    }

    fn ends(&self) {
        self.state().session = None;
    }
}

impl Entry {
    /// What it is good for while the API is not asked.
    fn known(&self) -> Known {
        Known { unchanged: self.known.unchanged || self.only_old, ..self.known.clone() }
    }

    fn changed(&mut self) {
        (self.known.unchanged, self.only_old, self.failure) = (false, false, None);
    }
}

impl State {
    fn entry(&mut self, key: &Key) -> Option<&mut Entry> {
        if !self.young.contains_key(key) {
            let entry = self.old.remove(key)?;
            self.put(key.clone(), entry);
        }
        self.young.get_mut(key)
    }

    fn take(&mut self, key: &Key) -> Option<Entry> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    fn put(&mut self, key: Key, entry: Entry) {
        if self.young.len() >= self.generation {
            let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            let latest = forgotten.values().map(|entry| entry.dropped).max().unwrap_or(0);
            self.unplaced = (self.unplaced.0 + 1, self.unplaced.1.max(latest));
        }
        self.young.insert(key, entry);
    }

    /// The latest change that is known to have been told of an address. Of one that is not here, only what was
    /// heard since the question matters: what came before, the answer knows itself.
    fn dropped(&mut self, key: &Key, mark: Mark) -> i64 {
        let (count, latest) = self.unplaced;
        let unplaced = if count == mark.unplaced { 0 } else { latest };
        self.entry(key).map_or(unplaced, |entry| entry.dropped)
    }
}

#[cfg(test)]
mod tests;
