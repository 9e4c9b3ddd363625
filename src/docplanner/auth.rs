//! OAuth client credentials: one token per tenant and process, renewed once for all who wait.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{Client, Url};
use serde::Deserialize;
use tracing::{info, warn};

use super::{ApiError, refused_secret::RefusedSecret, send::send, single_flight::SingleFlight};
use crate::{clock::Clock, config::Credential, private::Secret};

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
    tenant: String,
    client_id: String,
    client_secret: Credential,
    refused: Mutex<Option<RefusedSecret>>,
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
        tenant: String,
        client_id: String,
        client_secret: Credential,
        clock: Clock,
    ) -> Self {
        let (refused, flight) = (Mutex::default(), SingleFlight::default());
        Self { http, url, tenant, client_id, client_secret, refused, clock, flight }
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

    /// A token for the secret as it is now.
    async fn request(&self) -> Result<Token, ApiError> {
        let secret = self.client_secret.now();
        if let Some(refused) = &*self.refused()
            && !refused.may_be_offered(&secret, Instant::now())
        {
            return Err(refused.error(Instant::now()));
        }
        let answered = match self.request_with(&secret).await {
            // It may have been replaced while it was on its way.
            Err(ApiError::Unauthorized) => {
                let newer = self.client_secret.now();
                if newer == secret {
                    return Err(self.was_refused(secret));
                }
                self.request_with(&newer).await.map_err(|error| match error {
                    ApiError::Unauthorized => self.was_refused(newer),
                    error => error,
                })
            }
            answered => answered,
        };
        answered.inspect(|_| self.was_accepted())
    }

    /// Takes note of a refusal. What it means depends on whether there may be another secret soon.
    fn was_refused(&self, secret: Secret) -> ApiError {
        if !self.client_secret.can_change() {
            return ApiError::Unauthorized;
        }
        let mut refused = self.refused();
        if refused.is_none() {
            let tenant = self.tenant.as_str();
            warn!(tenant, "the API refuses the client secret; waiting for its file to be replaced");
        }
        let now = Instant::now();
        let refusal = RefusedSecret::new(secret, refused.as_ref(), now);
        let error = refusal.error(now);
        *refused = Some(refusal);
        error
    }

    fn was_accepted(&self) {
        if self.refused().take().is_some() {
            info!(tenant = self.tenant, "the API accepts the client secret again");
        }
    }

    fn refused(&self) -> MutexGuard<'_, Option<RefusedSecret>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn request_with(&self, secret: &Secret) -> Result<Token, ApiError> {
        let request = self
            .http
            .post(self.url.clone())
            .basic_auth(&self.client_id, Some(secret.expose()))
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
