//! Requests to the API: one tenant's credentials, timeouts, and dialects.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, Url, redirect};
use tracing::{info, warn};

use super::{
    ApiError,
    answer::{Answer, Quota},
    auth::TokenSource,
    limits::{Limits, Place},
    quota::Urgency,
    scopes::Scopes,
    send::send,
};
use crate::{
    clock::Clock,
    config::{Credential, LimitSettings},
    database::Database,
    metrics::Metrics,
    retry::Prospect,
};

/// For a whole request. The API usually answers in a fraction of a second; a delivery should not
/// hold its place in the prefetch window for longer than a few tries of this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What is asked.
pub(super) struct Question<'q> {
    /// The word in metrics.
    pub(super) operation: &'static str,
    pub(super) url: &'q Url,
    /// `None`: whoever asks paces itself, and wants to be told how the API is.
    pub(super) urgency: Option<Urgency>,
    /// How long one request may take, where it is another time than that of a lookup.
    pub(super) timeout: Option<Duration>,
    /// When who asks stops waiting, whatever is still under way.
    pub(super) until: Option<Instant>,
}

/// How to reach the API for one tenant.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// The tenant's id, for metrics.
    pub tenant: String,
    /// `https://www.{domain}`, or what replaces it.
    pub base_url: Url,
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret, as it is whenever a token is asked for.
    pub client_secret: Credential,
    /// How much it may be asked.
    pub limits: LimitSettings,
}

/// The API as one tenant's client.
pub struct ApiClient {
    tenant: String,
    http: Client,
    base_url: Url,
    tokens: TokenSource,
    limits: Limits,
    address_scopes: Scopes,
    address_list_scopes: Scopes,
    /// This API tells no flags in lists.
    pub(super) lists_are_refused: AtomicBool,
    doctor_scopes: Scopes,
    booking_scopes: Scopes,
    /// The last request failed in a way that may pass.
    failing: AtomicBool,
    /// How much the API's clock is ahead of ours.
    ahead: Mutex<Option<TimeDelta>>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// What requests are sent with. It holds the authorities that the system trusts, a tenth of a megabyte, so tenants share
/// it. By HTTP/1.1 no request waits for another one on its connection, so they stay apart all the same.
///
/// # Errors
///
/// If the TLS settings of the system cannot be used.
pub fn http_client() -> Result<Client, reqwest::Error> {
    crate::tls::install_provider();
    Client::builder()
        // Without one, the firewall in front of the API takes us for a robot.
        .user_agent(concat!("docplanner-worker/", env!("CARGO_PKG_VERSION")))
        // A redirect turns the token's POST into a GET; the API never needs one.
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .build()
}

impl ApiClient {
    /// A client; nothing is requested yet. `http` is of [`http_client`], and others may have it, too.
    #[must_use]
    pub fn new(settings: ApiSettings, http: Client, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let tokens = TokenSource::new(
            http.clone(),
            endpoint(&settings.base_url, &["oauth", "v2", "token"]),
            settings.tenant.clone(),
            settings.client_id,
            settings.client_secret,
            clock,
        );
        let limits = Limits::new(&settings.tenant, &settings.limits, clock, Arc::clone(&metrics));
        Self {
            tenant: settings.tenant,
            http,
            base_url: settings.base_url,
            tokens,
            limits,
            address_scopes: Scopes::of_address(),
            address_list_scopes: Scopes::of_address_list(),
            lists_are_refused: AtomicBool::new(false),
            doctor_scopes: Scopes::of_doctors(),
            booking_scopes: Scopes::of_booking(),
            failing: AtomicBool::new(false),
            ahead: Mutex::default(),
            clock,
            metrics,
        }
    }

    /// The client of a worker: the API's quota is shared with the other pods through the database.
    #[must_use]
    pub fn of_worker(self, database: Database) -> Self {
        Self { limits: self.limits.of_worker(database), ..self }
    }

    /// How many deliveries may wait for this API at once from now on.
    pub fn allow_places(&self, most: usize) {
        self.limits.allow_places(most);
    }

    /// Whether the credentials are accepted.
    ///
    /// # Errors
    ///
    /// If they are not, or nobody answers.
    pub async fn check_credentials(&self) -> Result<(), ApiError> {
        self.tokens.token().await.map(|_| ())
    }

    /// What is left of the rate limit, if the API has told one whose time is not over.
    #[must_use]
    pub fn quota(&self) -> Option<Quota> {
        self.limits.quota()
    }

    /// How much the API's clock is ahead of ours, by its last answer; told in whole seconds.
    pub(super) fn ahead(&self) -> Option<TimeDelta> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among the deliveries that may wait for this API.
    pub(super) fn place(&self) -> Result<Place<'_>, ApiError> {
        self.limits.place()
    }

    /// The tenant's id.
    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    pub(super) fn address_scopes(&self) -> &Scopes {
        &self.address_scopes
    }

    pub(super) fn address_list_scopes(&self) -> &Scopes {
        &self.address_list_scopes
    }

    pub(super) fn doctor_scopes(&self) -> &Scopes {
        &self.doctor_scopes
    }

    pub(super) fn booking_scopes(&self) -> &Scopes {
        &self.booking_scopes
    }

    /// The URL of a resource of the API.
    pub(super) fn resource(&self, path: &[&str]) -> Url {
        endpoint(&self.base_url, &[&["api", "v3", "integration"], path].concat())
    }

    /// Asks with as many of the scopes as this API takes.
    pub(super) async fn ask(
        &self,
        question: &Question<'_>,
        scopes: &Scopes,
    ) -> Result<Answer, ApiError> {
        let mut way = scopes.way();
        loop {
            let answered = self.get(question, &scopes.ask(way, question.url)).await;
            match (&answered, scopes.after(way)) {
                // A scope that this API does not know.
                (Err(ApiError::Refused { status: 400 }), Some(next)) => way = next,
                (Ok(_), _) => {
                    scopes.are_taken(way);
                    return answered;
                }
                (Err(_), _) => return answered,
            }
        }
    }

    /// GET with a token, which is renewed once if it is refused.
    async fn get(&self, question: &Question<'_>, url: &Url) -> Result<Answer, ApiError> {
        let admission = self.limits.admit(question).await?;
        let timeout = question.timeout.unwrap_or(REQUEST_TIMEOUT);
        let answered = question.while_waiting(self.get_with_token(url, timeout)).await;
        // Who gave up has learned nothing about the API.
        let is_in_time = answered.is_ok();
        let result = answered.flatten();
        if let Ok(Answer { at: Some(at), .. }) = &result {
            let ahead = Some(*at - (self.clock)());
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = ahead;
        }
        self.metrics.api_request(
            &self.tenant,
            question.operation,
            result.as_ref().map_or_else(ApiError::label, |_| "ok"),
        );
        if is_in_time {
            self.tell_change(&result);
            admission.ended(&result).await;
        }
        result
    }

    async fn get_with_token(&self, url: &Url, timeout: Duration) -> Result<Answer, ApiError> {
        let token = self.tokens.token().await?;
        let request = |token: &super::auth::Token| {
            self.http.get(url.clone()).timeout(timeout).bearer_auth(token.bearer()).header(
                "Accept",
                "application/vnd.docplanner+json; charset=UTF-8, application/json",
            )
        };
        match send(request(&token), "GET", url, self.clock).await {
            Err(ApiError::Unauthorized) => {
                let token = self.tokens.renewed(&token).await?;
                send(request(&token), "GET", url, self.clock).await
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
}

impl<'q> Question<'q> {
    /// A question as deliveries and timers ask it.
    pub(super) fn usual(operation: &'static str, url: &'q Url, urgency: Urgency) -> Self {
        Self { operation, url, urgency: Some(urgency), timeout: None, until: None }
    }

    /// Does something for as long as the answer is waited for.
    pub(super) async fn while_waiting<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, ApiError> {
        match self.until {
            None => Ok(work.await),
            Some(until) => tokio::time::timeout_at(until.into(), work)
                .await
                .map_err(|_| ApiError::Unreachable("no answer in time")),
        }
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
