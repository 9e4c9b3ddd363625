//! What the inbox promises, as a plain program over lists: the model that it is compared with.

use std::collections::HashMap;

/// Milliseconds on the test's own clock.
pub type Millis = i64;

pub const LEASE: Millis = 30_000;
pub const LONGEST_DELAY: Millis = 60_000;
/// See `PATIENCE` and `OVERDUE` in the inbox.
const PATIENCE: Millis = 100;
const OVERDUE: Millis = 300_000;

/// One notification; the same number is the same fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    pub key: usize,
    pub booking: usize,
    pub moves_to: Option<usize>,
    pub begins: bool,
    pub follows: bool,
    pub told_at: Millis,
    /// When it was last put into a retry queue.
    pub retried_at: Option<Millis>,
    /// Takes no place unless it gets the lease at once.
    pub tries: bool,
}

/// What a claim is answered. The inbox tells apart why somebody has to wait; here that is one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A lease, with the first booking of the chain and the sequence.
    Lease(usize, u32),
    Wait,
    Done,
}

#[derive(Debug, Default)]
pub struct Ledger {
    chains: HashMap<usize, Chain>,
    /// Bookings that came of a move, and the chain that counts for them.
    continues: HashMap<usize, usize>,
    entries: HashMap<usize, Entry>,
    /// In the order of publishing: first booking, sequence, key.
    pub published: Vec<(usize, u32, usize)>,
}

#[derive(Debug, Default, Clone)]
struct Chain {
    last: u32,
    open: Vec<usize>,
    latest: Option<Millis>,
}

#[derive(Debug, Clone)]
struct Entry {
    chain: usize,
    pod: usize,
    registered_at: Millis,
    place: Option<(usize, u32)>,
    state: State,
    /// The end of the lease, or when the message is back in the queue.
    until: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Leased,
    Released,
    Done,
    /// Set aside; nobody waits for it until somebody delivers it again.
    Dead,
}

impl Ledger {
    /// Answers claims that one pod asks together: new facts take their places first.
    pub fn claim(&mut self, pod: usize, asked: &[Message], now: Millis) -> Vec<(Expected, bool)> {
        let is_first = |nth: usize| asked[..nth].iter().all(|m| m.key != asked[nth].key);
        let is_new: Vec<bool> = (0..asked.len())
            .map(|nth| is_first(nth) && !self.entries.contains_key(&asked[nth].key))
            .collect();
        let fresh = || asked.iter().zip(&is_new).filter(|(_, new)| **new).map(|(m, _)| m);
        for message in fresh() {
            self.touch(message.booking);
            if let Some(new_booking) = message.moves_to {
                self.touch(new_booking);
            }
        }
        for message in fresh() {
            if let Some(new_booking) = message.moves_to {
                self.join(message.booking, new_booking);
            }
        }
        let mut late = vec![false; asked.len()];
        let mut touched = Vec::new();
        for nth in (0..asked.len()).filter(|nth| is_new[*nth]) {
            late[nth] = self.register(pod, &asked[nth], now, &mut touched);
        }
        let known: Vec<usize> =
            (0..asked.len()).filter(|nth| is_first(*nth) && !is_new[*nth]).collect();
        let mut given_up = Vec::new();
        for nth in &known {
            self.give_up_what_is_lost(&asked[*nth], &mut given_up);
        }
        let mut answers: Vec<Expected> =
            (0..asked.len())
                .map(|nth| {
                    if is_new[nth] { self.answer(asked[nth].key) } else { self.later(&asked[nth]) }
                })
                .collect();
        for nth in known {
            answers[nth] = self.claim_again(&asked[nth], now);
        }
        answers.into_iter().zip(late).collect()
    }

    /// Ends the lease that the key has, with so many events.
    pub fn complete(&mut self, key: usize, events: u32) {
        let entry = self.entries.get_mut(&key).unwrap();
        entry.state = State::Done;
        let (first, sequence) = entry.place.unwrap();
        let chain = self.chains.get_mut(&entry.chain).unwrap();
        if events > 0 {
            self.published.push((first, sequence, key));
        } else if sequence == chain.last {
            chain.last -= 1;
        }
        for _ in 1..events {
            chain.last += 1;
            self.published.push((first, chain.last, key));
        }
        self.leave(key);
    }

    pub fn release(&mut self, key: usize, back_at: Millis) {
        let entry = self.entries.get_mut(&key).unwrap();
        entry.until = back_at;
        // Who was given up for lost and was not is out of the order all the same.
        if entry.state != State::Dead {
            entry.state = State::Released;
        }
    }

    pub fn abandon(&mut self, key: usize) {
        self.entries.get_mut(&key).unwrap().state = State::Dead;
        self.leave(key);
    }

    fn root(&self, booking: usize) -> usize {
        self.continues.get(&booking).copied().unwrap_or(booking)
    }

    fn touch(&mut self, booking: usize) {
        self.chains.entry(self.root(booking)).or_default();
    }

    fn join(&mut self, old: usize, new: usize) {
        let (root, branch) = (self.root(old), self.root(new));
        if root == branch {
            return;
        }
        let joined = std::mem::take(self.chains.get_mut(&branch).unwrap());
        for key in &joined.open {
            self.entries.get_mut(key).unwrap().chain = root;
        }
        let entries = &self.entries;
        let chain = self.chains.get_mut(&root).unwrap();
        chain.open.extend(joined.open);
        chain.open.sort_by_key(|key| (entries[key].place.is_none(), entries[key].registered_at));
        chain.last = chain.last.max(joined.last);
        chain.latest = chain.latest.max(joined.latest);
        for counts in self.continues.values_mut().filter(|counts| **counts == branch) {
            *counts = root;
        }
        self.continues.insert(branch, root);
    }

    /// Gives a new key its place; whether it is late.
    fn register(
        &mut self,
        pod: usize,
        message: &Message,
        now: Millis,
        touched: &mut Vec<usize>,
    ) -> bool {
        let root = self.root(message.booking);
        // Several in one call are decided together: only the first of a chain can be granted.
        let is_first = !touched.contains(&root);
        touched.push(root);
        let entries = &self.entries;
        let chain = self.chains.get_mut(&root).unwrap();
        let overtakes = is_first
            && message.begins
            && chain.last == 0
            && !chain.open.is_empty()
            && chain.open.iter().all(|k| entries[k].place.is_none() && entries[k].pod != pod);
        let at_once = is_first && chain.open.is_empty() && (chain.last > 0 || !message.follows);
        if message.tries && !overtakes && !at_once {
            return false;
        }
        // Who tries is no notification, so nobody told of it.
        let told_at = Some(message.told_at).filter(|_| !message.tries);
        let late = told_at < chain.latest && told_at.is_some();
        chain.latest = chain.latest.max(told_at);
        if overtakes {
            chain.open.insert(0, message.key);
        } else {
            chain.open.push(message.key);
        }
        let mut entry = Entry {
            chain: root,
            pod,
            registered_at: now,
            place: None,
            state: State::Waiting,
            until: now + LONGEST_DELAY,
        };
        if overtakes || at_once {
            chain.last += 1;
            entry.place = Some((root, chain.last));
            entry.state = State::Leased;
            entry.until = now + LEASE;
        }
        self.entries.insert(message.key, entry);
        late
    }

    fn answer(&self, key: usize) -> Expected {
        match self.entries.get(&key) {
            Some(Entry { state: State::Leased, place: Some((first, sequence)), .. }) => {
                Expected::Lease(*first, *sequence)
            }
            _ => Expected::Wait,
        }
    }

    /// For the second of two equal keys.
    fn later(&self, message: &Message) -> Expected {
        let done = self.entries.get(&message.key).is_some_and(|e| e.state == State::Done);
        if done { Expected::Done } else { Expected::Wait }
    }

    /// At most one of a chain in one call.
    fn give_up_what_is_lost(&mut self, message: &Message, given_up: &mut Vec<usize>) {
        let Some(entry) = self.entries.get(&message.key) else { return };
        let chain = entry.chain;
        if matches!(entry.state, State::Done | State::Dead) || given_up.contains(&chain) {
            return;
        }
        let head = self.chains[&chain].open[0];
        let until = self.entries[&head].until;
        if head != message.key && message.retried_at.is_some_and(|at| until + OVERDUE < at) {
            given_up.push(chain);
            self.chains.get_mut(&chain).unwrap().open.remove(0);
            if self.entries[&head].place.is_some() {
                self.entries.get_mut(&head).unwrap().state = State::Dead;
            } else {
                self.entries.remove(&head);
            }
        }
    }

    fn claim_again(&mut self, message: &Message, now: Millis) -> Expected {
        let Some(entry) = self.entries.get_mut(&message.key) else { return Expected::Wait };
        let free = match entry.state {
            State::Done => return Expected::Done,
            State::Waiting | State::Released => true,
            State::Leased => entry.until < now,
            State::Dead => {
                entry.state = State::Waiting;
                entry.chain = self.continues.get(&entry.chain).copied().unwrap_or(entry.chain);
                self.chains.get_mut(&entry.chain).unwrap().open.push(message.key);
                true
            }
        };
        let chain = self.chains.get_mut(&entry.chain).unwrap();
        let may_begin = chain.last > 0 || !message.follows || entry.registered_at <= now - PATIENCE;
        if free && chain.open[0] == message.key && may_begin {
            let place = *entry.place.get_or_insert_with(|| {
                chain.last += 1;
                (entry.chain, chain.last)
            });
            entry.state = State::Leased;
            entry.until = now + LEASE;
            return Expected::Lease(place.0, place.1);
        }
        if free {
            entry.state = State::Waiting;
            entry.until = now + LONGEST_DELAY;
        }
        Expected::Wait
    }

    fn leave(&mut self, key: usize) {
        for chain in self.chains.values_mut() {
            chain.open.retain(|open| *open != key);
        }
    }
}
