//! The walk: one list after the other, a few at a time, within the tenant's quota.

mod setback;

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub use self::setback::Refusal;
use self::setback::{Next, Setbacks};
pub use super::pace::BURST;
use super::{
    Found, Notice, Step, Store, StoreError, Watch, WhyWait,
    dictionary::online_consultations,
    pace::{Pace, reserved},
    store::{Begun, Counts, How},
};
use crate::{
    clock::Clock,
    docplanner::{ApiClient, ApiError},
};

/// Questions under way at once. At the usual pace one would do; more, so that an API that takes
/// seconds to answer does not slow the walk down.
const IN_FLIGHT: usize = 4;

/// An interrupted walk is gone on with for so long. Longer, and the catalog would be put together
/// from different days; shorter, and a large tenant's walk, which takes hours, would begin anew.
pub const RESUME_FOR: TimeDelta = TimeDelta::hours(24);

/// How to walk.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The tenant's id.
    pub tenant: String,
    /// The only facilities to walk; none: all that the API shows.
    pub facilities: Vec<String>,
    /// Not where an interrupted walk was, but anew.
    pub restart: bool,
    /// Requests a minute, after the first [`BURST`].
    pub per_minute: u32,
    /// How long a question is asked again that the API does not answer.
    pub patience: Duration,
    /// The time.
    pub clock: Clock,
}

/// A walk at its end.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Whose.
    pub tenant: String,
    /// When it began; earlier than this run if it went on with an interrupted one.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: DateTime<Utc>,
    /// Whether it went on with an interrupted walk.
    pub resumed: bool,
    /// Lists read in this run.
    pub lists_read: usize,
    /// Facilities.
    pub facilities: Counts,
    /// Doctors, at each facility.
    pub doctors: Counts,
    /// Addresses.
    pub addresses: Counts,
    /// Services at the addresses.
    pub services: Counts,
    /// The dictionary's entries that were taken for the online consultation, if it was read in this
    /// run.
    pub online_consultation: Vec<Entry>,
    /// What the API refused to list in this run, and so was left out.
    pub refused: Vec<Refusal>,
}

/// An entry of the dictionary of services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Docplanner's id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Why a walk did not reach its end. What it has read is kept.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// Somebody else walks.
    #[error("another `mapping sync` of this tenant is under way")]
    Busy,
    /// A signal.
    #[error("interrupted; the same command goes on from here")]
    Interrupted,
    /// The API shows nothing to walk. Taken for true, it would make everything look deleted.
    #[error("the API shows none of the tenant's facilities; nothing is changed")]
    NoFacilities,
    /// The API does not answer, or not us.
    #[error("{step}: {error}; what is read is kept, and the same command goes on from here")]
    Api {
        /// What was asked for.
        step: Step,
        /// The last answer.
        error: ApiError,
    },
    /// The API answers, but not every question.
    #[error(
        "{count} lists could not be read, the last of them {step}: {error}; what is read is kept, and the \
         same command goes on from here"
    )]
    Unread {
        /// How many.
        count: usize,
        /// One of them.
        step: Step,
        /// The last answer to it.
        error: ApiError,
    },
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Walks to the end, or until `stop`.
///
/// # Errors
///
/// [`WalkError`]; every list that was read before is kept, and the next walk goes on from there.
pub async fn walk(
    api: &ApiClient,
    store: &mut Store,
    plan: &Plan,
    watch: &mut dyn Watch,
    stop: &CancellationToken,
) -> Result<Summary, WalkError> {
    if !store.lock(&plan.tenant).await? {
        return Err(WalkError::Busy);
    }
    let resume_for = if plan.restart { TimeDelta::zero() } else { RESUME_FOR };
    let begun = store.begin(&plan.tenant, (plan.clock)(), resume_for).await?;
    let (done, left) = store.progress(&plan.tenant, begun.walk).await?;
    match begun.how {
        How::GoesOn => watch.tell(&Notice::GoesOn { since: begun.started_at, done }),
        How::Instead(since) if !plan.restart => watch.tell(&Notice::BeginsAnew { since }),
        How::Instead(_) | How::Fresh => {}
    }
    let mut walk = Walk {
        api,
        store,
        plan,
        watch,
        pace: Pace::new(plan.per_minute, Instant::now()),
        setbacks: Setbacks::new(plan.patience),
        left: left.into_iter().map(Question::new).collect(),
        in_flight: 0,
        done_before: done,
        done,
        refused: Vec::new(),
        unread: Vec::new(),
        online_consultation: Vec::new(),
        begun,
    };
    walk.run(stop).await?;
    match walk.unread.pop() {
        None => walk.complete().await,
        Some((step, error)) => Err(WalkError::Unread { count: walk.unread.len() + 1, step, error }),
    }
}

/// A step that waits for its turn.
struct Question {
    step: Step,
    /// The API has not answered it since then.
    failing_since: Option<Instant>,
}

impl Question {
    fn new(step: Step) -> Self {
        Self { step, failing_since: None }
    }
}

struct Walk<'w> {
    api: &'w ApiClient,
    store: &'w mut Store,
    plan: &'w Plan,
    watch: &'w mut dyn Watch,
    begun: Begun,
    pace: Pace,
    setbacks: Setbacks,
    /// A stack: an address's services are asked before the next doctor, so few steps wait.
    left: Vec<Question>,
    in_flight: usize,
    done_before: usize,
    done: usize,
    refused: Vec<Refusal>,
    unread: Vec<(Step, ApiError)>,
    online_consultation: Vec<Entry>,
}

impl Walk<'_> {
    async fn run(&mut self, stop: &CancellationToken) -> Result<(), WalkError> {
        let api = self.api;
        let mut answers = FuturesUnordered::new();
        self.watch.advanced(self.done, self.left.len());
        loop {
            while let Some(question) = self.next_question() {
                answers.push(async move {
                    let answer = ask(api, &question.step).await;
                    (question, answer)
                });
                self.in_flight += 1;
            }
            if self.left.is_empty() && answers.is_empty() {
                return Ok(());
            }
            let may_ask = self.may_ask();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(WalkError::Interrupted),
                Some((question, answer)) = answers.next() => {
                    self.in_flight -= 1;
                    self.take(question, answer).await?;
                    self.watch.advanced(self.done, self.left.len() + self.in_flight);
                }
                () = sleep_until(self.pace.turn(Instant::now())), if may_ask => {}
            }
        }
    }

    fn may_ask(&self) -> bool {
        !self.left.is_empty() && self.in_flight < IN_FLIGHT
    }

    /// The next question if it may be asked now.
    fn next_question(&mut self) -> Option<Question> {
        let now = Instant::now();
        if !self.may_ask() {
            return None;
        }
        if let Some((until, why)) = self.api.quota().as_ref().and_then(reserved) {
            self.wait(until, &why, true);
        }
        if now < self.pace.turn(now) {
            return None;
        }
        self.pace.take(now);
        self.left.pop()
    }

    /// Asks nothing before then. It is told once, however many answers begin the same pause.
    fn wait(&mut self, until: Instant, why: &WhyWait, is_worth_telling: bool) {
        let now = Instant::now();
        if self.pace.pause(until, now) && is_worth_telling {
            let wait = TimeDelta::from_std(until - now).unwrap_or(TimeDelta::MAX);
            self.watch.tell(&Notice::Waits { until: (self.plan.clock)() + wait, why });
        }
    }

    async fn take(
        &mut self,
        mut question: Question,
        answer: Result<Found, ApiError>,
    ) -> Result<(), WalkError> {
        let error = match answer {
            Ok(found) => {
                self.setbacks.over(Instant::now());
                return self.save(question.step, found).await;
            }
            Err(error) => error,
        };
        let now = Instant::now();
        let is_paused = self.pace.is_paused(now);
        match self.setbacks.after(&error, &question.step, question.failing_since, is_paused, now) {
            Next::LeaveOut(status) => self.leave_out(question.step, status).await,
            Next::AskAgain { wait, why } => {
                let is_trouble = matches!(why, WhyWait::Trouble(_));
                // Trouble is told when it begins, not at each of its short waits.
                let is_worth_telling = !is_trouble || question.failing_since.is_none();
                let since = question.failing_since.unwrap_or(now);
                question.failing_since = is_trouble.then_some(since);
                self.left.push(question);
                if let Some(wait) = wait {
                    self.wait(now + wait, &why, is_worth_telling);
                }
                Ok(())
            }
            Next::SetAside => {
                self.watch.tell(&Notice::Unread { step: &question.step, error: &error });
                self.unread.push((question.step, error));
                Ok(())
            }
            Next::GiveUp => Err(WalkError::Api { step: question.step, error }),
        }
    }

    async fn save(&mut self, step: Step, found: Found) -> Result<(), WalkError> {
        let found = match found {
            Found::Facilities(shown) => Found::Facilities(self.wanted(shown)?),
            found => found,
        };
        let now = (self.plan.clock)();
        self.store.save(&self.plan.tenant, self.begun.walk, now, &step, &found).await?;
        self.done += 1;
        match (step, found) {
            (_, Found::Dictionary(entries)) => self.note_dictionary(&entries),
            (_, Found::Facilities(facilities)) => {
                self.push(facilities.into_iter().map(|facility| Step::Doctors { facility }));
            }
            (Step::Doctors { facility }, Found::Doctors(doctors)) => {
                for doctor in doctors {
                    let (facility, id) = (facility.clone(), doctor.id);
                    match doctor.addresses {
                        Some(addresses) => {
                            self.done += 1;
                            self.push_services(&facility, &id, addresses);
                        }
                        None => self.push([Step::Addresses { facility, doctor: id }]),
                    }
                }
            }
            (Step::Addresses { facility, doctor }, Found::Addresses(addresses)) => {
                self.push_services(&facility, &doctor, addresses);
            }
            (_, Found::Doctors(_) | Found::Addresses(_) | Found::Services(_)) => {}
        }
        Ok(())
    }

    /// The facilities to walk: those of the settings, if they name any.
    fn wanted(&mut self, shown: Vec<String>) -> Result<Vec<String>, WalkError> {
        let shown: BTreeSet<String> = shown.into_iter().collect();
        let named = &self.plan.facilities;
        for facility in named.iter().filter(|facility| !shown.contains(*facility)) {
            self.watch.tell(&Notice::FacilityNotShown { facility });
        }
        let wanted = shown.into_iter().filter(|id| named.is_empty() || named.contains(id));
        let wanted: Vec<String> = wanted.collect();
        if wanted.is_empty() { Err(WalkError::NoFacilities) } else { Ok(wanted) }
    }

    fn note_dictionary(&mut self, entries: &[crate::docplanner::DictionaryEntry]) {
        let found = online_consultations(entries);
        if found.is_empty() {
            self.watch.tell(&Notice::NoOnlineConsultation);
        }
        self.online_consultation = found
            .into_iter()
            .map(|entry| Entry { id: entry.id.clone(), name: entry.name.clone() })
            .collect();
    }

    fn push(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.left.extend(steps.into_iter().map(Question::new));
    }

    fn push_services(
        &mut self,
        facility: &str,
        doctor: &str,
        addresses: Vec<crate::docplanner::ListedAddress>,
    ) {
        if addresses.is_empty() {
            self.watch.tell(&Notice::NoAddresses { facility, doctor });
        }
        self.push(addresses.into_iter().map(|address| Step::Services {
            facility: facility.to_owned(),
            doctor: doctor.to_owned(),
            address: address.id,
        }));
    }

    async fn leave_out(&mut self, step: Step, status: u16) -> Result<(), WalkError> {
        self.watch.tell(&Notice::Refused { step: &step, status });
        match step {
            Step::Dictionary => {
                self.store.skip_dictionary(&self.plan.tenant, self.begun.walk).await?;
            }
            _ => self.store.forget(&self.plan.tenant, &step).await?,
        }
        self.done += 1;
        self.refused.push(Refusal::new(&step, status));
        Ok(())
    }

    async fn complete(self) -> Result<Summary, WalkError> {
        let completed_at = (self.plan.clock)();
        let tenant = self.plan.tenant.clone();
        let counts = self.store.complete(&tenant, self.begun.walk, completed_at).await?;
        let [facilities, doctors, addresses, services] = counts;
        Ok(Summary {
            tenant,
            started_at: self.begun.started_at,
            completed_at,
            resumed: self.begun.how == How::GoesOn,
            lists_read: self.done - self.done_before,
            facilities,
            doctors,
            addresses,
            services,
            online_consultation: self.online_consultation,
            refused: self.refused,
        })
    }
}

async fn ask(api: &ApiClient, step: &Step) -> Result<Found, ApiError> {
    Ok(match step {
        Step::Dictionary => Found::Dictionary(api.dictionary().await?),
        Step::Facilities => Found::Facilities(api.facilities().await?),
        Step::Doctors { facility } => Found::Doctors(api.doctors(facility).await?),
        Step::Addresses { facility, doctor } => {
            Found::Addresses(api.addresses(facility, doctor).await?)
        }
        Step::Services { facility, doctor, address } => {
            Found::Services(api.services(facility, doctor, address).await?)
        }
    })
}
