//! The walk: one list after the other, a few at a time, within the tenant's quota.

mod outcome;
mod save;
mod setback;

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub use self::outcome::{Entry, Refusal, Summary, WalkError};
use self::setback::{Next, Setbacks};
use super::{
    Found, Notice, Step, Store, Watch, WhyWait,
    pace::{Pace, reserved},
    store::{Begun, How},
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
const RESUME_FOR: TimeDelta = TimeDelta::hours(24);

/// How to walk.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The tenant's id.
    pub tenant: String,
    /// The only facilities to walk; none: all that the API shows.
    pub facilities: Vec<String>,
    /// Not where an interrupted walk was, but anew.
    pub restart: bool,
    /// Requests a minute, after a first burst.
    pub per_minute: u32,
    /// How long a question is asked again that the API does not answer.
    pub patience: Duration,
    /// The time.
    pub clock: Clock,
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
        Some((last, error)) => {
            Err(WalkError::Unread { count: walk.unread.len() + 1, step: last, error })
        }
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
