//! Requests to the API: one tenant's credentials, timeouts, limits, and brief retries.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Client, Url, redirect};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::{
    ApiError,
    answer::{Answer, classify},
    auth::TokenSource,
    model,
};
use crate::{
    clock::Clock,
    config::Secret,
    metrics::Metrics,
    normalize::AddressFacts,
    retry::{Backoff, Prospect},
};

/// For a whole request. The API usually answers in a fraction of a second; a delivery should not
/// hold its place in the prefetch window for longer than a few tries of this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Tries within one lookup. What still fails then goes to a retry queue and frees its place.
const TRIES: u32 = 3;

/// A wait longer than this is not sat out in process.
const LONGEST_PAUSE_IN_PROCESS: Duration = Duration::from_secs(2);

/// Requests under way at once, per tenant. Docplanner's firewall counts requests, and a cold cache
/// would otherwise send one for each address at once.
const REQUESTS_IN_FLIGHT: usize = 16;

/// The `with=` scopes of an address, from the one that covers both dialects to none: the names of the
/// current API, of the online-features guide, and what is left if neither payment scope is known.
const SCOPES: [&str; 5] = [
    "address.online_only,address.visit_payment,visit.payment",
    "address.online_only,address.visit_payment",
    "address.online_only,visit.payment",
    "address.online_only",
    "",
];

/// How to reach the API for one tenant.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// The tenant's id, for metrics.
    pub tenant: String,
    /// `https://www.{domain}`, or what replaces it.
    pub base_url: Url,
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: Secret,
}

/// The API as one tenant's client.
pub struct ApiClient {
    tenant: String,
    http: Client,
    base_url: Url,
    tokens: TokenSource,
    in_flight: Semaphore,
    /// Which of [`SCOPES`] this API takes; it only ever grows.
    dialect: AtomicUsize,
    /// The API told us to ask nothing before then.
    paused_until: Mutex<Option<Instant>>,
    /// The last request failed in a way that may pass.
    failing: AtomicBool,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl ApiClient {
    /// A client; nothing is requested yet.
    ///
    /// # Errors
    ///
    /// If the TLS settings of the system cannot be used.
    pub fn new(
        settings: ApiSettings,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            // Without one, the firewall in front of the API takes us for a robot.
            .user_agent(concat!("docplanner-worker/", env!("CARGO_PKG_VERSION")))
            // A redirect turns the token's POST into a GET; the API never needs one.
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        let tokens = TokenSource::new(
            http.clone(),
            endpoint(&settings.base_url, &["oauth", "v2", "token"]),
            settings.client_id,
            settings.client_secret,
            clock,
        );
        Ok(Self {
            tenant: settings.tenant,
            http,
            base_url: settings.base_url,
            tokens,
            in_flight: Semaphore::new(REQUESTS_IN_FLIGHT),
            dialect: AtomicUsize::new(0),
            paused_until: Mutex::new(None),
            failing: AtomicBool::new(false),
            clock,
            metrics,
        })
    }

    /// The flags of one address, and where it is.
    ///
    /// # Errors
    ///
    /// After brief retries, if the API does not answer, limits us or does not know the address.
    pub async fn address(
        &self,
        facility: &str,
        doctor: &str,
        address: &str,
    ) -> Result<AddressFacts, ApiError> {
        let path = [
            "api",
            "v3",
            "integration",
            "facilities",
            facility,
            "doctors",
            doctor,
            "addresses",
            address,
        ];
        let url = endpoint(&self.base_url, &path);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut tries = 1;
        loop {
            let error = match self.address_in_any_dialect(&url, address).await {
                Ok(facts) => return Ok(facts),
                Err(error) => error,
            };
            let pause = match error.prospect() {
                Prospect::Later(_, wait) => wait.unwrap_or_default().max(backoff.next_delay()),
                Prospect::Never(_) | Prospect::Wait(_) | Prospect::Behind(_) => return Err(error),
            };
            if tries == TRIES || pause > LONGEST_PAUSE_IN_PROCESS {
                return Err(error);
            }
            tries += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether the credentials are accepted.
    ///
    /// # Errors
    ///
    /// If they are not, or nobody answers.
    pub async fn check_credentials(&self) -> Result<(), ApiError> {
        self.tokens.token().await.map(|_| ())
    }

    async fn address_in_any_dialect(
        &self,
        url: &Url,
        address: &str,
    ) -> Result<AddressFacts, ApiError> {
        loop {
            let dialect = self.dialect.load(Ordering::Relaxed);
            let mut url = url.clone();
            if !SCOPES[dialect].is_empty() {
                url.query_pairs_mut().append_pair("with", SCOPES[dialect]);
            }
            match self.get(&url).await {
                Ok(answer) => {
                    let facts =
                        model::address(&answer.body, address).ok_or(ApiError::Unreadable)?;
                    return Ok(AddressFacts { as_of: Some((self.clock)()), ..facts });
                }
                // A scope that this API does not know.
                Err(ApiError::Refused { status: 400 }) if dialect + 1 < SCOPES.len() => {
                    self.dialect.fetch_max(dialect + 1, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// GET with a token, which is renewed once if it is refused.
    async fn get(&self, url: &Url) -> Result<Answer, ApiError> {
        let _place =
            self.in_flight.acquire().await.map_err(|_| ApiError::Unreachable("closing"))?;
        self.check_pause()?;
        let result = self.get_with_token(url).await;
        self.metrics.api_request(
            &self.tenant,
            "address",
            result.as_ref().map_or_else(ApiError::label, |_| "ok"),
        );
        self.tell_change(&result);
        if let Some(wait) = asked_to_pause(&result) {
            self.pause(wait);
        }
        result
    }

    async fn get_with_token(&self, url: &Url) -> Result<Answer, ApiError> {
        let token = self.tokens.token().await?;
        let request = |token: &super::auth::Token| {
            self.http
                .get(url.clone())
                .bearer_auth(token.bearer())
                .header(
                    "Accept",
                    "application/vnd.docplanner+json; charset=UTF-8, application/json",
                )
                .send()
        };
        match classify(request(&token).await, self.clock).await {
            Err(ApiError::Unauthorized) => {
                let token = self.tokens.renewed(&token).await?;
                classify(request(&token).await, self.clock).await
            }
            answered => answered,
        }
    }

    /// Logs when the API stops answering, and when it answers again; not each request in between.
    fn tell_change(&self, result: &Result<Answer, ApiError>) {
        let tenant = self.tenant.as_str();
        match result {
            Err(error) if matches!(error.prospect(), Prospect::Later(..)) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    warn!(tenant, %error, "the API does not answer as it should");
                }
            }
            Ok(_) | Err(_) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    info!(tenant, "the API answers again");
                }
            }
        }
    }

    fn check_pause(&self) -> Result<(), ApiError> {
        let until = self.paused_until.lock().ok().and_then(|until| *until);
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(wait) if !wait.is_zero() => Err(ApiError::Paused { wait }),
            Some(_) | None => Ok(()),
        }
    }

    fn pause(&self, wait: Duration) {
        if let Ok(mut until) = self.paused_until.lock() {
            *until = Some(Instant::now() + wait);
        }
    }
}

/// How long the API wants to be left alone after this answer: a 429 that says for how long, or
/// an answer that was the last one within the limit.
fn asked_to_pause(result: &Result<Answer, ApiError>) -> Option<Duration> {
    match result {
        Err(ApiError::RateLimited { wait }) => *wait,
        Err(_) => None,
        Ok(answer) => answer.last_one_until_reset,
    }
}

/// A path below the base URL. Ids come from notifications, so each is escaped as one segment.
fn endpoint(base_url: &Url, segments: &[&str]) -> Url {
    let mut url = base_url.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
