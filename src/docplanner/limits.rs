//! Whether a request may be sent now: what stands between one tenant's questions and its API, so that an API that is
//! dead, slow or out of quota delays nobody else.

mod places;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{info, warn};

pub(super) use self::places::Place;
use self::places::Places;
use super::{
    ApiError,
    answer::{Answer, Quota},
    breaker::{Breaker, Change, Ending, Pass},
    client::Question,
    governor::Governor,
};
use crate::{clock::Clock, config::LimitSettings, database::Database, metrics::Metrics};

/// One tenant's limits in this process.
pub(super) struct Limits {
    tenant: String,
    /// Requests under way.
    in_flight: Semaphore,
    /// Deliveries that wait for the API.
    places: Places,
    breaker: Mutex<Breaker>,
    governor: Governor,
    /// The API told us to ask nothing before then.
    paused_until: Mutex<Option<Instant>>,
    /// What the last answer said of the rate limit.
    quota: Mutex<Option<Quota>>,
    metrics: Arc<Metrics>,
}

/// A request that may be sent. If it is dropped, nobody waited for the answer.
pub(super) struct Admission<'l> {
    limits: &'l Limits,
    _in_flight: SemaphorePermit<'l>,
    pass: Option<Pass>,
}

impl Limits {
    pub(super) fn new(
        tenant: &str,
        settings: &LimitSettings,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let in_flight = settings.requests_in_flight;
        let reserve = settings.payment_reserve;
        Self {
            tenant: tenant.to_owned(),
            in_flight: Semaphore::new(in_flight),
            places: Places::without_bound(),
            breaker: Mutex::default(),
            governor: Governor::new(tenant, reserve, in_flight, clock, Arc::clone(&metrics)),
            paused_until: Mutex::default(),
            quota: Mutex::default(),
            metrics,
        }
    }

    /// The same in a worker: the quota is shared with other pods.
    pub(super) fn of_worker(self, database: Database) -> Self {
        Self { governor: self.governor.sharing(database), ..self }
    }

    /// How many deliveries may wait for the API at once from now on.
    pub(super) fn allow_places(&self, most: usize) {
        self.places.allow(most);
    }

    /// A place to wait for the API, for a delivery that holds one of the prefetch window.
    pub(super) fn place(&self) -> Result<Place<'_>, ApiError> {
        self.places.take().ok_or(ApiError::Crowded)
    }

    /// Waits until the request may be sent, or tells how long that will take.
    pub(super) async fn admit(&self, question: &Question<'_>) -> Result<Admission<'_>, ApiError> {
        let in_flight = question.while_waiting(self.in_flight.acquire()).await?;
        let in_flight = in_flight.map_err(|_| ApiError::Unreachable("closing"))?;
        self.check_pause()?;
        let mut admission = Admission { limits: self, _in_flight: in_flight, pass: None };
        if let Some(urgency) = question.urgency {
            // First, so that nothing is taken from the quota for an API that does not answer.
            admission.pass = Some(self.pass()?);
            question.while_waiting(self.governor.permit(urgency)).await??;
        }
        Ok(admission)
    }

    /// What is left of the rate limit, if the API has told one whose time is not over.
    pub(super) fn quota(&self) -> Option<Quota> {
        let quota = *self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        quota.filter(|quota| Instant::now() < quota.resets_at)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self) -> Result<Pass, ApiError> {
        let mut breaker = self.breaker();
        let pass = breaker.pass(Instant::now()).map_err(|wait| ApiError::Resting { wait });
        self.metrics.breaker(&self.tenant, breaker.state());
        pass
    }

    fn passed(&self, pass: Pass, ending: Ending) {
        let tenant = self.tenant.as_str();
        let mut breaker = self.breaker();
        let change = breaker.ended(pass, ending, Instant::now());
        self.metrics.breaker(tenant, breaker.state());
        match change {
            Some(Change::Opened) => {
                warn!(tenant, "the API is down: only one request now and then tries it");
            }
            Some(Change::Closed) => info!(tenant, "the API is back: everything is asked again"),
            None => {}
        }
    }

    fn check_pause(&self) -> Result<(), ApiError> {
        let until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(wait) if !wait.is_zero() => Err(ApiError::Paused { wait }),
            Some(_) | None => Ok(()),
        }
    }

    fn pause(&self, wait: Duration) {
        let mut until = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + wait);
    }
}

impl Admission<'_> {
    /// The request has ended in this way.
    pub(super) async fn ended(mut self, result: &Result<Answer, ApiError>) {
        let limits = self.limits;
        if let Some(pass) = self.pass.take() {
            limits.passed(pass, ending(result));
        }
        match result {
            Err(ApiError::RateLimited { wait: Some(wait) }) => limits.pause(*wait),
            Err(_) => {}
            Ok(answer) => {
                *limits.quota.lock().unwrap_or_else(PoisonError::into_inner) = answer.quota;
                limits.governor.hear(answer.quota).await;
            }
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.limits.passed(pass, Ending::Unknown);
        }
        self.limits.governor.ended();
    }
}

/// What a request says about the API. That it refuses us, or limits us, is an answer.
fn ending(result: &Result<Answer, ApiError>) -> Ending {
    match result {
        Err(ApiError::Unreachable(_) | ApiError::Failed { .. } | ApiError::Firewall { .. }) => {
            Ending::Failed
        }
        // Nothing was asked.
        Err(ApiError::SecretRefused { .. }) => Ending::Unknown,
        Ok(_) | Err(_) => Ending::Answered,
    }
}
