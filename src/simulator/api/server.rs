//! Takes a request through everything that can happen to it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use chrono::{TimeDelta, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::answer;
use super::auth::{Client, Tokens};
use super::connection::Tear;
use super::control;
use super::dialect::{Asked, Dialect};
use super::fault::Effect;
use super::faults::Faults;
use super::log::{Log, LoggedRequest};
use super::operation::{Operation, Target};
use super::rate_limit::Limiter;
use super::resources::Question;
use crate::simulator::world::World;

/// The largest body of a token request. Docplanner's forms have some hundred bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What all requests share.
pub(super) struct Shared {
    pub(super) world: RwLock<World>,
    pub(super) dialect: RwLock<Dialect>,
    pub(super) tokens: Mutex<Tokens>,
    pub(super) limiter: Mutex<Limiter>,
    pub(super) faults: Faults,
    pub(super) log: Log,
    /// How wrong its clock is, in its `Date` headers.
    pub(super) seconds_ahead: AtomicI64,
    pub(super) stop: CancellationToken,
}

/// Docplanner on every path, the control on its own.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .nest("/_simulator", control::router())
        .fallback(serve)
        .with_state(Arc::clone(shared))
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(tear): ConnectInfo<Tear>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let number = shared.log.arrived(&logged(&parts));
    let Some(response) = shared.answer_with_faults(&parts, body).await else {
        tear.down();
        return Response::default();
    };
    shared.log.answered(number, response.status().as_u16());
    shared.with_date(response)
}

fn logged(parts: &Parts) -> LoggedRequest {
    LoggedRequest {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        operation: Target::of(parts.uri.path()).operation,
        at: Utc::now(),
        status: None,
    }
}

impl Shared {
    /// The server tells the time itself, unless the clock is to go wrong.
    fn with_date(&self, mut response: Response) -> Response {
        let ahead = self.seconds_ahead.load(Ordering::Relaxed);
        if ahead != 0 {
            let date = Utc::now() + TimeDelta::seconds(ahead);
            let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            if let Ok(date) = HeaderValue::from_str(&date) {
                response.headers_mut().insert(header::DATE, date);
            }
        }
        response
    }

    /// `None`: no answer, the connection is to be torn down.
    async fn answer_with_faults(&self, parts: &Parts, body: Body) -> Option<Response> {
        let release = self.faults.release_signal();
        let strike = self.faults.strike(parts.method.as_str(), parts.uri.path());
        if !strike.delay.is_zero() {
            self.stop.run_until_cancelled(tokio::time::sleep(strike.delay)).await?;
        }
        match strike.effect {
            None => Some(self.answer(parts, body).await),
            Some(Effect::Reset) => None,
            Some(Effect::Hang) => {
                self.stop.run_until_cancelled(released(release)).await?;
                Some(self.answer(parts, body).await)
            }
            Some(Effect::Truncated) => {
                Some(answer::truncated(self.answer(parts, body).await).await)
            }
            Some(effect) => answer::of_effect(&effect),
        }
    }

    async fn answer(&self, parts: &Parts, body: Body) -> Response {
        // Requests without a User-Agent are taken for robots, and so are met by the firewall.
        if !parts.headers.contains_key(header::USER_AGENT) {
            return answer::firewall(405);
        }
        let target = Target::of(parts.uri.path());
        if target.operation == Operation::GetToken {
            return self.answer_token(parts, body).await;
        }
        let client = self.tokens().client_of(&parts.headers, Instant::now()).cloned();
        let Some(client) = client else { return answer::unauthorized() };
        self.answer_within_limit(&client, parts, target)
    }

    async fn answer_token(&self, parts: &Parts, body: Body) -> Response {
        if parts.method != Method::POST {
            return answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        }
        let form = axum::body::to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
        let mut tokens = self.tokens();
        match tokens.issue(&parts.headers, &String::from_utf8_lossy(&form), Instant::now()) {
            Ok(token) => answer::token(&token, tokens.lifetime().as_secs()),
            Err(refusal) => answer::no_token(refusal),
        }
    }

    fn answer_within_limit(&self, client: &Client, parts: &Parts, target: Target<'_>) -> Response {
        let now = Utc::now();
        let (quota, has_retry_after) = {
            let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
            (limiter.take(&client.id, now), limiter.has_retry_after())
        };
        let Some(quota) = quota else { return self.answer_resource(client, parts, target) };
        let mut response = if quota.is_exceeded {
            answer::too_many_requests()
        } else {
            self.answer_resource(client, parts, target)
        };
        quota.write_to(response.headers_mut());
        if quota.is_exceeded && has_retry_after {
            quota.write_retry_after_to(response.headers_mut(), now);
        }
        response
    }

    fn answer_resource(&self, client: &Client, parts: &Parts, target: Target<'_>) -> Response {
        if target.operation != Operation::Other && parts.method != Method::GET {
            return answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        }
        let asked = Asked::of(&parts.uri);
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        let dialect = self.dialect.read().unwrap_or_else(PoisonError::into_inner);
        let question = Question { world: &world, dialect: &dialect, client, target, asked: &asked };
        match question.answer() {
            Ok(body) => answer::ok(&body),
            Err(refusal) => refusal.into(),
        }
    }

    pub(super) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn released(mut signal: watch::Receiver<u64>) {
    // It fails only when the simulator is gone, and then nothing should hang either.
    let _ = signal.changed().await;
}
