//! Facts on their way: repeated, late, spoiled.

use std::collections::VecDeque;
use std::sync::Arc;

use super::defect::Defect;
use super::kind::Kind;
use super::life::{Fact, Life};
use super::retell::retell;
use super::{Change, Generated, GeneratorOptions};
use crate::simulator::random::Random;
use crate::simulator::world::World;

#[cfg(test)]
mod tests;

/// How many facts back a repeat may go. Larger tests longer memories and costs more of it.
const RECENT_FACTS: usize = 500;

/// How many places late a notification may come.
const LATEST_PLACES: u64 = 8;

/// Tells what happens in a world. The same seed, world and options give the same bytes.
///
/// A world without addresses has nothing to tell.
pub struct Generator {
    options: GeneratorOptions,
    life: Life,
    /// Apart from the randomness of life: the same things happen with and without duplicates.
    random: Random,
    script: VecDeque<Kind>,
    emitted: usize,
    /// Facts that were told, with their index.
    recent: VecDeque<(usize, Arc<Fact>)>,
    /// What comes late, with the index it waits for.
    late: Vec<(usize, Message)>,
}

enum Message {
    News(Arc<Fact>),
    Repeat { of: usize, fact: Arc<Fact>, body: String, name: String },
    Spoiled { fact: Arc<Fact>, defect: Defect, body: String },
}

impl Generator {
    /// Starts at the beginning.
    #[must_use]
    pub fn new(seed: u64, world: &World, options: GeneratorOptions) -> Self {
        // A second booking, because the first ends before it can be canceled.
        let script = Kind::ALL.into_iter().flat_map(|kind| match kind {
            Kind::BookingCanceled => vec![Kind::SlotBooked, kind],
            _ => vec![kind],
        });
        Self {
            life: Life::new(seed, world, options.addresses, options.start),
            random: Random::new(seed, "delivery"),
            script: if options.one_of_each { script.collect() } else { VecDeque::new() },
            emitted: 0,
            recent: VecDeque::new(),
            late: Vec::new(),
            options,
        }
    }

    fn next_message(&mut self) -> Message {
        let (duplicates, malformed) = (self.options.duplicates, self.options.malformed);
        if self.script.is_empty() && !self.recent.is_empty() {
            if self.random.chance(duplicates) {
                return self.repeat();
            }
            if self.random.chance(malformed) {
                return self.spoiled();
            }
        }
        Message::News(Arc::new(self.next_fact()))
    }

    fn next_fact(&mut self) -> Fact {
        self.life.advance();
        if let Some(kind) = self.script.front().copied() {
            return self.next_scripted(kind);
        }
        if let Some(fact) = self.life.settle_due_payment(&self.options.mix) {
            return fact;
        }
        let index = self.life.random.weighted(self.options.mix.weights());
        self.life.happen(index.map_or(Kind::SlotBooked, |index| Kind::ALL[index]))
    }

    /// A kind stays in the script until it has happened.
    fn next_scripted(&mut self, kind: Kind) -> Fact {
        if kind == Kind::PresenceMarked {
            self.life.advance_to_next_visit();
        }
        let fact = match kind {
            Kind::SlotBooked => self.life.slot_booked(true),
            _ => self.life.happen(kind),
        };
        if fact.kind == kind {
            self.script.pop_front();
        }
        fact
    }

    fn recent_fact(&mut self) -> (usize, Arc<Fact>) {
        let (index, fact) = &self.recent[self.random.index(self.recent.len())];
        (*index, Arc::clone(fact))
    }

    fn repeat(&mut self) -> Message {
        let (of, fact) = self.recent_fact();
        let in_other_dialect = self.random.chance(self.options.other_dialect);
        let told = if in_other_dialect {
            retell(&fact.body, fact.kind, &mut self.random)
        } else {
            fact.body.clone()
        };
        let name = told["name"].as_str().unwrap_or_default().to_owned();
        Message::Repeat { of, body: told.to_string(), name, fact }
    }

    fn spoiled(&mut self) -> Message {
        let (_, fact) = self.recent_fact();
        let (defect, body) = Defect::pick(&mut self.random).spoil(&fact.body);
        Message::Spoiled { fact, defect, body }
    }

    /// The late one whose turn it is.
    fn take_late(&mut self) -> Option<Message> {
        let is_last_call =
            self.options.count.is_some_and(|count| self.emitted + self.late.len() >= count);
        let turn = self
            .late
            .iter()
            .position(|(until, _)| *until <= self.emitted)
            .or(is_last_call.then_some(0).filter(|_| !self.late.is_empty()))?;
        Some(self.late.remove(turn).1)
    }

    fn emit(&mut self, message: Message) -> Generated {
        let index = self.emitted;
        self.emitted += 1;
        match message {
            Message::News(fact) => {
                if !fact.kind.is_question() {
                    self.remember(index, &fact);
                }
                let name = fact.kind.as_str().to_owned();
                let (body, changes) = (fact.body.to_string(), fact.changes.clone());
                Generated { changes, ..generated(index, &fact, name, body) }
            }
            Message::Repeat { of, fact, body, name } => {
                Generated { duplicate_of: Some(of), ..generated(index, &fact, name, body) }
            }
            Message::Spoiled { fact, defect, body } => {
                let name = fact.kind.as_str().to_owned();
                Generated { defect: Some(defect), ..generated(index, &fact, name, body) }
            }
        }
    }

    fn remember(&mut self, index: usize, fact: &Arc<Fact>) {
        self.recent.push_back((index, Arc::clone(fact)));
        if self.recent.len() > RECENT_FACTS {
            self.recent.pop_front();
        }
    }
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        if self.life.places.is_empty() || Some(self.emitted) == self.options.count {
            return None;
        }
        loop {
            if let Some(late) = self.take_late() {
                return Some(self.emit(late));
            }
            let message = self.next_message();
            if !self.random.chance(self.options.reorder) {
                return Some(self.emit(message));
            }
            let places = usize::try_from(self.random.between(1, LATEST_PLACES)).unwrap_or(1);
            self.late.push((self.emitted + places, message));
        }
    }
}

fn generated(index: usize, fact: &Fact, name: String, body: String) -> Generated {
    Generated {
        index,
        kind: fact.kind,
        name,
        body,
        ids: fact.ids.clone(),
        duplicate_of: None,
        defect: None,
        changes: Vec::<Change>::new(),
    }
}
