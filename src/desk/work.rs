//! Going through the letters, one after another.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Cause, Desk, DeskError, Filter, Letter, Rate, rate::Pace};
use crate::{clock::Clock, shutdown::Stop};

/// What is done to each letter that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Nothing.
    Look,
    /// It is put back into the incoming queue.
    Replay(Rate),
    /// It is thrown away.
    Discard,
}

/// Which letters, what to do, and how many at most.
#[derive(Debug, Clone)]
pub struct Work {
    /// Which letters are meant.
    pub filter: Filter,
    /// The first so many of them.
    pub limit: Option<u64>,
    /// What is done to them.
    pub deed: Deed,
    /// For the time that a letter is marked with.
    pub clock: Clock,
}

/// The letters to which it was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub letters: u64,
    /// How many for each cause and tenant.
    pub groups: BTreeMap<(&'static str, Option<String>), u64>,
    /// When the first of them was set aside.
    pub oldest: Option<DateTime<Utc>>,
    /// It was stopped before the end.
    pub interrupted: bool,
}

impl Work {
    /// Goes through the letters that lay there when the desk was opened, from the oldest on, and does its deed to
    /// those that are meant. `tell` hears of each before that, with how many were done; where it says `false`, it
    /// ends. The tally tells what was done, also after an error.
    ///
    /// # Errors
    ///
    /// If the broker goes away or refuses. What was done is done, the rest lies where it was.
    pub async fn run(
        &self,
        desk: &mut Desk,
        stop: &Stop,
        tally: &mut Tally,
        mut tell: impl FnMut(&Letter, u64) -> bool,
    ) -> Result<(), DeskError> {
        let mut pace = match self.deed {
            Deed::Replay(rate) => Some(Pace::new(rate)),
            Deed::Look | Deed::Discard => None,
        };
        while self.limit.is_none_or(|limit| tally.letters < limit) {
            let Some(next) = stop.soft.run_until_cancelled(desk.next()).await else {
                tally.interrupted = true;
                break;
            };
            let Some(held) = next? else { break };
            if !self.filter.matches(&held.letter) {
                continue;
            }
            if let Some(pace) = &mut pace
                && stop.soft.run_until_cancelled(pace.turn()).await.is_none()
            {
                tally.interrupted = true;
                break;
            }
            if !tell(&held.letter, tally.letters) {
                break;
            }
            let about = (held.letter.cause, held.letter.tenant.clone(), held.letter.failed_at);
            match self.deed {
                Deed::Look => {}
                Deed::Replay(_) => desk.put_back(held, (self.clock)()).await?,
                Deed::Discard => desk.throw_away(held).await?,
            }
            tally.count(about);
        }
        Ok(())
    }
}

impl Tally {
    fn count(
        &mut self,
        (cause, tenant, failed_at): (Cause, Option<String>, Option<DateTime<Utc>>),
    ) {
        self.letters += 1;
        *self.groups.entry((cause.as_str(), tenant)).or_default() += 1;
        self.oldest = [self.oldest, failed_at].into_iter().flatten().min();
    }
}
