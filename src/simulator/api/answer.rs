//! Answers, in the words Docplanner uses.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use chrono::{TimeDelta, Utc};
use futures_util::stream;
use serde_json::{Value, json};

use super::auth::TokenRefusal;
use super::fault::Effect;
use super::rate_limit::Quota;

const MEDIA_TYPE: &str = "application/vnd.docplanner+json; charset=UTF-8";
const ERROR_MEDIA_TYPE: &str = "application/vnd.error+docplanner+json";

/// What the limit is said to be by a fault that has no real one.
const DOCUMENTED_LIMIT: u32 = 8000;

pub(super) fn ok(body: &Value) -> Response {
    response(StatusCode::OK, MEDIA_TYPE, body.to_string())
}

pub(super) fn refusal(status: StatusCode, message: &str) -> Response {
    error(status, &json!({ "errors": [], "message": message }))
}

/// 400 with the arguments that are wrong.
pub(super) fn invalid(argument: &str, reason: &str) -> Response {
    let body = json!({ "errors": { argument: [reason] }, "message": "Invalid arguments" });
    error(StatusCode::BAD_REQUEST, &body)
}

/// This body alone has no `errors`.
pub(super) fn unauthorized() -> Response {
    let body = json!({ "message": "Authentication credentials could not be found." });
    error(StatusCode::UNAUTHORIZED, &body)
}

pub(super) fn too_many_requests() -> Response {
    refusal(StatusCode::TOO_MANY_REQUESTS, "Too many requests")
}

pub(super) fn token(token: &str, lifetime_seconds: u64) -> Response {
    let body = json!({
        "access_token": token,
        "expires_in": lifetime_seconds,
        "token_type": "bearer",
        "scope": null,
    });
    response(StatusCode::OK, "application/json", body.to_string())
}

/// The form of OAuth 2.0 (RFC 6749, section 5.2).
pub(super) fn no_token(refusal: TokenRefusal) -> Response {
    let (status, error, description) = match refusal {
        TokenRefusal::InvalidClient => {
            (StatusCode::UNAUTHORIZED, "invalid_client", "The client credentials are invalid")
        }
        TokenRefusal::UnsupportedGrantType => (
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "Only client_credentials is supported",
        ),
        TokenRefusal::InvalidScope => {
            (StatusCode::BAD_REQUEST, "invalid_scope", "An unsupported scope was requested")
        }
    };
    let body = json!({ "error": error, "error_description": description });
    response(status, "application/json", body.to_string())
}

/// The page of the firewall, as integrators have met it: 405 with a captcha, or 403.
pub(super) fn firewall(code: u16) -> Response {
    let action = if code == 405 { "captcha" } else { "block" };
    let page = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Human Verification</title></head>\
                <body><div id=\"captcha-container\"></div></body></html>\n";
    let mut response = response(status(code), "text/html; charset=UTF-8", page.to_owned());
    response.headers_mut().insert("x-amzn-waf-action", HeaderValue::from_static(action));
    response
}

/// The answer that a fault puts in place of the usual one, where it is an answer at all.
pub(super) fn of_effect(effect: &Effect) -> Option<Response> {
    match *effect {
        Effect::Status { code, retry_after_seconds, reset_after_seconds } => {
            let mut response = failure(code);
            let headers = response.headers_mut();
            if let Some(seconds) = retry_after_seconds {
                headers.insert(header::RETRY_AFTER, seconds.into());
            }
            if let Some(seconds) = reset_after_seconds {
                write_used_up(seconds, headers);
            }
            Some(response)
        }
        Effect::Firewall { code } => Some(firewall(code)),
        Effect::Garbage => {
            let text = "{\"id\": \"111\", \"name\": <<<".to_owned();
            Some(response(StatusCode::OK, MEDIA_TYPE, text))
        }
        Effect::WrongShape => Some(ok(&json!({ "_items": "none", "id": {}, "is_online_only": 7 }))),
        Effect::Latency { .. } | Effect::Reset | Effect::Hang | Effect::Truncated => None,
    }
}

/// The usual answer's head with half of its body. The server then fails to find the rest, and
/// closes the connection.
pub(super) async fn truncated(usual: Response) -> Response {
    let (mut parts, body) = usual.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    let rest = async {
        // The half has to leave before the failure, which takes everything unsent along.
        tokio::task::yield_now().await;
        Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))
    };
    let body = stream::StreamExt::chain(stream::iter([Ok(half)]), stream::once(rest));
    Response::from_parts(parts, Body::from_stream(body))
}

fn failure(code: u16) -> Response {
    match code {
        401 => unauthorized(),
        403 => refusal(status(code), "You are not authorized to see this facility"),
        404 => refusal(status(code), "Object not found"),
        429 => too_many_requests(),
        _ => refusal(status(code), status(code).canonical_reason().unwrap_or("Error")),
    }
}

fn write_used_up(reset_after_seconds: u64, headers: &mut HeaderMap) {
    let wait = i64::try_from(reset_after_seconds).ok().and_then(TimeDelta::try_seconds);
    let reset = wait.and_then(|wait| Utc::now().checked_add_signed(wait));
    Quota::used_up(DOCUMENTED_LIMIT, reset.unwrap_or_else(Utc::now)).write_to(headers);
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn error(status: StatusCode, body: &Value) -> Response {
    response(status, ERROR_MEDIA_TYPE, body.to_string())
}

fn response(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
