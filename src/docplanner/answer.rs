//! What the API's answers mean: the one place that reads statuses and headers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER},
};

use super::ApiError;
use crate::clock::Clock;

/// A good answer.
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) quota: Option<Quota>,
    /// When the API says that it answered.
    pub(super) at: Option<DateTime<Utc>>,
}

/// What `X-RateLimit-*` headers tell. An API without a limit sends none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests allowed within one window.
    pub limit: u64,
    /// How many of them are left.
    pub remaining: u64,
    /// When the next window begins.
    pub resets_at: Instant,
    /// The same as the API tells it, which tells windows apart.
    pub ends_at: DateTime<Utc>,
}

/// Sorts an answer into what to do about it.
pub(super) async fn classify(
    answer: reqwest::Result<Response>,
    clock: Clock,
) -> Result<Answer, ApiError> {
    let response = answer.map_err(|e| unreachable(&e))?;
    let status = response.status();
    let headers = response.headers().clone();
    let body = response.bytes().await.map_err(|e| unreachable(&e))?;
    let html = header(&headers, CONTENT_TYPE.as_str()).is_some_and(|t| t.contains("text/html"))
        || body.trim_ascii_start().starts_with(b"<");
    let code = status.as_u16();
    match status {
        _ if status.is_server_error() || status.is_redirection() => {
            Err(ApiError::Failed { status: code })
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Err(ApiError::RateLimited { wait: wait_of(&headers, clock) })
        }
        StatusCode::METHOD_NOT_ALLOWED => Err(ApiError::Firewall { status: code }),
        _ if html => Err(ApiError::Firewall { status: code }),
        StatusCode::UNAUTHORIZED => Err(ApiError::Unauthorized),
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Err(ApiError::Unknown { status: code }),
        StatusCode::REQUEST_TIMEOUT => Err(ApiError::Failed { status: code }),
        _ if status.is_success() => {
            Ok(Answer { body, quota: quota(&headers, clock), at: date(&headers) })
        }
        _ => Err(ApiError::Refused { status: code }),
    }
}

/// The cause as a fixed phrase: the error's own text holds the URL.
fn unreachable(error: &reqwest::Error) -> ApiError {
    ApiError::Unreachable(if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    })
}

/// No wait that the API asks for is longer: a nonsensical one must not stop a tenant for good.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// `Retry-After` in seconds or as a date, else `X-RateLimit-Reset`.
fn wait_of(headers: &HeaderMap, clock: Clock) -> Option<Duration> {
    let retry_after = header(headers, RETRY_AFTER.as_str()).and_then(|text| {
        text.trim().parse().map(Duration::from_secs).ok().or_else(|| {
            let at = DateTime::parse_from_rfc2822(text).ok()?;
            (at.to_utc() - clock()).to_std().ok()
        })
    });
    retry_after.map(|wait| wait.min(LONGEST_WAIT)).or_else(|| rate_limit_reset(headers, clock))
}

/// How long until then, if that is still to come.
fn rate_limit_reset(headers: &HeaderMap, clock: Clock) -> Option<Duration> {
    let wait = reset_at(headers)? - clock();
    Some(wait.to_std().ok()?.min(LONGEST_WAIT))
}

/// `X-RateLimit-Reset` is a date (API reference, "Rate limits"), not a number of seconds. It is told
/// in whole ones, so the limit may hold until the end of that second.
fn reset_at(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(header(headers, "x-ratelimit-reset")?.trim()).ok()?;
    at.to_utc().checked_add_signed(TimeDelta::seconds(1))
}

fn quota(headers: &HeaderMap, clock: Clock) -> Option<Quota> {
    let number = |name| header(headers, name)?.trim().parse().ok();
    let limit = number("x-ratelimit-limit")?;
    let wait = rate_limit_reset(headers, clock)?;
    Some(Quota {
        limit,
        // More than the limit would be nonsense.
        remaining: number("x-ratelimit-remaining")?.min(limit),
        resets_at: Instant::now() + wait,
        ends_at: reset_at(headers)?.min(clock() + LONGEST_WAIT),
    })
}

fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(header(headers, DATE.as_str())?).ok().map(|at| at.to_utc())
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
