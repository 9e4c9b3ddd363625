//! OAuth client credentials: one token per tenant and process, renewed once for all who wait.

use std::time::{Duration, Instant};

use reqwest::{Client, Url};
use serde::Deserialize;

use super::{ApiError, send::send, single_flight::SingleFlight};
use crate::{clock::Clock, private::Secret};

/// A token is renewed this long before it expires, so that it does not expire on its way.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(30);

/// Where the answer does not say how long a token lives. The guide contradicts itself (an hour, a
/// day); the shorter one costs a request, the longer one a refusal.
const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);

/// A token that claims to live longer is renewed after this all the same.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24);

/// The tokens of one API client.
pub(super) struct TokenSource {
    http: Client,
    url: Url,
    client_id: String,
    client_secret: Secret,
    clock: Clock,
    flight: SingleFlight<Token, ApiError>,
}

/// A bearer token.
#[derive(Clone)]
pub(super) struct Token {
    access_token: Secret,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    expires_in: Option<u64>,
}

impl TokenSource {
    pub(super) fn new(
        http: Client,
        url: Url,
        client_id: String,
        client_secret: Secret,
        clock: Clock,
    ) -> Self {
        Self { http, url, client_id, client_secret, clock, flight: SingleFlight::default() }
    }

    /// A token that is good for now.
    pub(super) async fn token(&self) -> Result<Token, ApiError> {
        self.flight.get(|token| Instant::now() < token.renew_at, self.request()).await
    }

    /// A token other than `refused`, which the API answered with 401.
    pub(super) async fn renewed(&self, refused: &Token) -> Result<Token, ApiError> {
        let usable = |token: &Token| {
            token.access_token != refused.access_token && Instant::now() < token.renew_at
        };
        self.flight.get(usable, self.request()).await
    }

    async fn request(&self) -> Result<Token, ApiError> {
        let request = self
            .http
            .post(self.url.clone())
            .basic_auth(&self.client_id, Some(self.client_secret.expose()))
            .form(&[("grant_type", "client_credentials"), ("scope", "integration")]);
        let body = match send(request, "POST", &self.url, self.clock).await {
            Ok(answer) => answer.body,
            // The token endpoint tells wrong credentials in several ways; all mean the same.
            Err(ApiError::Refused { .. } | ApiError::Unknown { .. }) => {
                return Err(ApiError::Unauthorized);
            }
            Err(error) => return Err(error),
        };
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| ApiError::Unreadable)?;
        let lifetime = answer.expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
        let lifetime = lifetime.min(LONGEST_LIFETIME);
        let renew_before = RENEW_BEFORE_EXPIRY.min(lifetime / 2);
        Ok(Token {
            access_token: answer.access_token,
            renew_at: Instant::now() + lifetime.saturating_sub(renew_before),
        })
    }
}

impl Token {
    pub(super) fn bearer(&self) -> &str {
        self.access_token.expose()
    }
}
