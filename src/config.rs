//! Settings: one TOML file, every scalar of the sections `broker`, `database`, `http`, `log` and
//! `traces` overridable by environment (`DOCPLANNER_WORKER__BROKER__URL`), every problem told at once.

mod credential;
mod load;
mod routes;
mod validate;

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use lapin::uri::AMQPUri;
use rustls::ClientConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub use self::{
    credential::Credential,
    load::Fixed,
    routes::{MatchSettings, RouteSettings},
};
pub use crate::private::Secret;
use crate::tls::{ClientTls, TlsFileError, TlsFiles};

/// All settings.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["tenants"]))]
pub struct Settings {
    /// RabbitMQ.
    pub broker: BrokerSettings,
    /// PostgreSQL.
    pub database: DatabaseSettings,
    /// Probes and metrics.
    pub http: HttpSettings,
    /// Log lines on stderr.
    pub log: LogSettings,
    /// OpenTelemetry traces.
    pub traces: TraceSettings,
    /// The API clients whose notifications arrive.
    #[schemars(length(min = 1))]
    pub tenants: Vec<TenantSettings>,
    /// What was read of the other sections, for telling what has changed.
    #[serde(skip)]
    pub(crate) fixed: Fixed,
}

/// Whether both say the same: of everything but the tenants, what was read tells.
impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.fixed == other.fixed && self.tenants == other.tenants
    }
}

/// `[broker]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("dependencies" = {
    "client_cert_file": ["client_key_file"], "client_key_file": ["client_cert_file"]
}))]
pub struct BrokerSettings {
    /// `amqp://user:password@host:5672/vhost`, or `amqps://`.
    pub url: Credential,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// For `amqps://`: the CAs to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For `amqps://`: our certificate, with those between it and its CA.
    pub client_cert_file: Option<PathBuf>,
    /// The certificate's key.
    pub client_key_file: Option<PathBuf>,
    /// What these files made when they could last be used.
    #[serde(skip)]
    pub tls: ClientTls,
    /// Where the relay puts notifications. Retry and dead-letter queues are named after it.
    #[schemars(length(min = 1, max = 200))]
    pub queue: String,
    /// Where events go.
    #[schemars(length(min = 1, max = 200))]
    pub exchange: String,
    /// How many deliveries are in flight at most, which also bounds memory: prefetch × body. Throughput grows
    /// with it up to the default; beyond, memory does, and throughput hardly any more (`make bench`).
    #[schemars(range(min = 1))]
    pub prefetch: u16,
    /// How long a failed delivery waits before each next try; one retry queue each. After the last
    /// one it is dead-lettered.
    #[serde(deserialize_with = "durations")]
    #[schemars(length(min = 1))]
    pub retry_delays: Vec<Duration>,
    /// Whether missing queues, exchanges and bindings are declared; if not, only verified.
    pub declare_topology: bool,
    /// A larger body is dead-lettered unread.
    #[schemars(range(min = 1))]
    pub max_body_bytes: usize,
    /// How long a stopping worker finishes what is in flight. Keep it below the pod's
    /// `terminationGracePeriodSeconds`.
    #[serde(deserialize_with = "duration")]
    pub drain_timeout: Duration,
    /// How long the broker may take to confirm a publish before its channel is replaced.
    #[serde(deserialize_with = "duration")]
    pub confirm_timeout: Duration,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("dependencies" = {
    "client_cert_file": ["client_key_file"], "client_key_file": ["client_cert_file"]
}))]
pub struct DatabaseSettings {
    /// `postgres://user:password@host:5432/database?sslmode=verify-full`.
    pub url: Credential,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// For TLS: the CAs to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For TLS: our certificate, with those between it and its CA.
    pub client_cert_file: Option<PathBuf>,
    /// The certificate's key.
    pub client_key_file: Option<PathBuf>,
    /// What these files made when they could last be used.
    #[serde(skip)]
    pub tls: ClientTls,
    /// Connections per pod. Claims and closings travel in batches, so few are enough: 2 to 16 are equally
    /// fast (`make bench`).
    #[schemars(range(min = 2))]
    pub pool_size: usize,
    /// How long completed idempotency keys are kept. The API can re-send for 14 days and 72 hours.
    #[serde(deserialize_with = "duration")]
    pub retention: Duration,
    /// How long a delivery may be worked on before another pod may take it over; so also how long
    /// the deliveries of a crashed pod wait.
    #[serde(deserialize_with = "duration")]
    pub lease: Duration,
}

/// `[http]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub listen: SocketAddr,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `json` or `text`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,docplanner_worker=debug`.
    pub level: String,
}

/// `[traces]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TraceSettings {
    /// The collector's OTLP over HTTP, such as `http://collector:4318`; none: no traces.
    #[schemars(regex(pattern = "^https?://"))]
    pub endpoint: Option<String>,
    /// How many of the traces that begin here are kept: 1 all, 0 none. Those that began elsewhere go by their sender.
    #[schemars(range(min = 0, max = 1))]
    pub sample_ratio: f64,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One object a line.
    Json,
    /// For reading.
    Text,
}

/// `[[tenants]]`: one API client of Docplanner.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(
    extend("required" = ["id", "domain", "client_id"]),
    extend("oneOf" = [{ "required": ["client_secret"] }, { "required": ["client_secret_file"] }])
)]
pub struct TenantSettings {
    /// `[a-z0-9-]{1,40}`; the first word of its routing keys.
    #[schemars(regex(pattern = "^[a-z0-9-]{1,40}$"))]
    pub id: String,
    /// The country's domain, such as `znanylekarz.pl`.
    #[schemars(regex(pattern = "^(?!www\\.)[^/]+$"))]
    pub domain: String,
    /// Replaces `https://www.{domain}`.
    #[schemars(regex(pattern = "^https?://"))]
    pub base_url: Option<String>,
    /// OAuth client id.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: Credential,
    /// A file that holds the secret.
    pub client_secret_file: Option<PathBuf>,
    /// Which facilities are this tenant's; none named: those that no other tenant names.
    pub facilities: Vec<String>,
    /// What tells whether a visit is online.
    pub online_detection: OnlineDetection,
    /// How long an address's flags are trusted.
    #[serde(deserialize_with = "duration")]
    pub flags_ttl: Duration,
    /// What becomes of a notification whose address's flags cannot be had.
    pub on_enrichment_failure: OnEnrichmentFailure,
    /// `[tenants.payments]`
    pub payments: PaymentSettings,
    /// `[tenants.video]`
    pub video: VideoSettings,
    /// `[tenants.mapping]`
    pub mapping: MappingSettings,
    /// `[[tenants.routes]]`
    pub routes: Vec<RouteSettings>,
    /// `[tenants.limits]`
    pub limits: LimitSettings,
}

/// What tells whether a visit is online.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnlineDetection {
    /// The address: `is_online_only`.
    #[default]
    Address,
    /// The mapping of the service, for partners that keep one schedule for both; the address
    /// where the mapping does not tell.
    Service,
}

/// What becomes of a notification whose address's flags cannot be had after the last retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnEnrichmentFailure {
    /// Dead letter `enrichment-failed`.
    DeadLetter,
    /// Published with unknown flags, to `partner.unclassified`.
    Publish,
}

/// `[tenants.payments]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PaymentSettings {
    /// How long a patient has to pay; 90 minutes by Docplanner's online-features guide.
    #[serde(deserialize_with = "duration")]
    pub window: Duration,
    /// How much later the worker looks: the cancellation of an unpaid visit takes its time.
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
}

/// `[tenants.video]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VideoSettings {
    /// Whether to ask the API for the link of an online visit's video call if the notification does not name it.
    pub fetch_missing_url: bool,
    /// How long before the start `video_call.reminder_due` is published; none by default.
    #[serde(deserialize_with = "durations")]
    pub reminders: Vec<Duration>,
}

/// `[tenants.limits]`: so that one tenant's API delays no other tenant.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests under way at once in one pod. Docplanner's firewall counts requests, and a cold cache would otherwise
    /// send one for each doctor at once.
    #[schemars(range(min = 1, max = 256))]
    pub requests_in_flight: usize,
    /// How many deliveries of the tenant may wait for its API at once in one pod: no more places of the prefetch window
    /// are held by an API that is slow. By default a quarter of the window, and all of it for the only tenant.
    #[schemars(range(min = 1))]
    pub concurrency: Option<usize>,
    /// The share of the API's quota that only timers spend: payments that are due, reminders.
    #[schemars(range(min = 0, max = 0.9))]
    pub payment_reserve: f64,
}

/// `[tenants.mapping]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MappingSettings {
    /// What becomes of an event that names something without a mapping.
    pub on_missing: OnMissing,
}

/// What becomes of an event that names something without a mapping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnMissing {
    /// Published, with what is missing in `unmapped`.
    #[default]
    Publish,
    /// Dead letter `unmapped`.
    Hold,
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `tenants[1].client_secret`, or the name of the environment variable.
    pub path: String,
    /// What, and what to do.
    pub message: String,
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Default for BrokerSettings {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            url: Secret::new("amqp://guest:guest@127.0.0.1:5672/%2f").into(),
            url_file: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            tls: ClientTls::default(),
            queue: "docplanner.notifications".into(),
            exchange: "docplanner.events".into(),
            prefetch: 512,
            retry_delays: vec![secs(5), secs(30), secs(120), secs(600), secs(3600)],
            declare_topology: true,
            max_body_bytes: 262_144,
            drain_timeout: secs(25),
            confirm_timeout: secs(10),
        }
    }
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: Secret::new("postgres://worker@127.0.0.1:5432/worker").into(),
            url_file: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            tls: ClientTls::default(),
            pool_size: 8,
            retention: Duration::from_hours(21 * 24),
            lease: Duration::from_secs(30),
        }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 9464)) }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".into() }
    }
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self { endpoint: None, sample_ratio: 1.0 }
    }
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            id: String::new(),
            domain: String::new(),
            base_url: None,
            client_id: String::new(),
            client_secret: Credential::default(),
            client_secret_file: None,
            facilities: Vec::new(),
            online_detection: OnlineDetection::Address,
            flags_ttl: Duration::from_mins(10),
            on_enrichment_failure: OnEnrichmentFailure::DeadLetter,
            payments: PaymentSettings::default(),
            video: VideoSettings::default(),
            mapping: MappingSettings::default(),
            routes: Vec::new(),
            limits: LimitSettings::default(),
        }
    }
}

impl Default for PaymentSettings {
    fn default() -> Self {
        Self { window: Duration::from_mins(90), grace: Duration::from_mins(5) }
    }
}

impl Default for VideoSettings {
    fn default() -> Self {
        Self { fetch_missing_url: true, reminders: Vec::new() }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { requests_in_flight: 16, concurrency: None, payment_reserve: 0.1 }
    }
}

impl TraceSettings {
    /// Where spans are sent to, if they are.
    ///
    /// # Errors
    ///
    /// If that is no URL.
    pub fn traces_url(&self) -> Result<Option<reqwest::Url>, String> {
        let Some(endpoint) = &self.endpoint else { return Ok(None) };
        let mut url = http_url(endpoint)?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "traces"]);
        }
        Ok(Some(url))
    }
}

impl TenantSettings {
    /// Whether these settings say the same of the tenant's API, so that a client made from one is as good for the
    /// other. Named is what the client knows nothing of; a setting that is not makes a new client.
    #[must_use]
    pub fn has_the_same_api(&self, other: &Self) -> bool {
        let settings_of_the_api = |settings: &Self| Self {
            facilities: Vec::new(),
            online_detection: OnlineDetection::Address,
            flags_ttl: Duration::ZERO,
            on_enrichment_failure: OnEnrichmentFailure::DeadLetter,
            payments: PaymentSettings::default(),
            video: VideoSettings::default(),
            mapping: MappingSettings::default(),
            routes: Vec::new(),
            ..settings.clone()
        };
        settings_of_the_api(self) == settings_of_the_api(other)
    }

    /// How many deliveries of this tenant may wait for its API at once: if nothing is set, a quarter of the prefetch
    /// window, and all of it for the only tenant.
    #[must_use]
    pub fn places(&self, prefetch: u16, is_only: bool) -> usize {
        let window = usize::from(prefetch);
        self.limits.concurrency.unwrap_or(if is_only { window } else { window.div_ceil(4) })
    }

    /// `https://www.{domain}`, or what replaces it.
    ///
    /// # Errors
    ///
    /// If that is no URL.
    pub fn base_url(&self) -> Result<reqwest::Url, String> {
        let url = match &self.base_url {
            Some(url) => url.clone(),
            None => format!("https://www.{}", self.domain),
        };
        http_url(&url)
    }
}

fn http_url(text: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(text).map_err(|e| e.to_string())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err("expected http:// or https://".to_owned())
    }
}

impl BrokerSettings {
    /// Where the broker is and who we are, as it is now.
    ///
    /// # Errors
    ///
    /// If that is no URL of AMQP's.
    pub fn uri(&self) -> Result<AMQPUri, &'static str> {
        let url = self.url.now_if(|url| url.parse::<AMQPUri>().is_ok());
        // The parser's own message quotes the URL, which holds the password.
        url.expose().parse().map_err(|_| "not a URL such as amqp://user:password@host:5672/%2f")
    }

    /// The files for TLS.
    #[must_use]
    pub fn tls_files(&self) -> TlsFiles<'_> {
        TlsFiles {
            section: "broker",
            ca: self.ca_file.as_deref(),
            client_cert: self.client_cert_file.as_deref(),
            client_key: self.client_key_file.as_deref(),
        }
    }

    /// What TLS needs, as it is now.
    ///
    /// # Errors
    ///
    /// If the files cannot be used, and never could.
    pub fn client_tls(&self) -> Result<Arc<ClientConfig>, TlsFileError> {
        self.tls.now(&self.tls_files())
    }
}

impl DatabaseSettings {
    /// The connection's settings, as they are now. `verify-full` is what rustls always does, so it is
    /// read as `require`, which never verifies less here.
    ///
    /// # Errors
    ///
    /// If the URL is not one of PostgreSQL's.
    pub fn connect_config(&self) -> anyhow::Result<tokio_postgres::Config> {
        let url = self.url.now_if(|url| parse_database_url(url).is_some());
        // The parser's own message may quote the URL, which holds the password.
        let mut config = parse_database_url(url.expose())
            .context("not a URL such as postgres://user@host:5432/database")?;
        config.application_name("docplanner-worker");
        config.connect_timeout(Duration::from_secs(5));
        config.tcp_user_timeout(Duration::from_secs(10));
        Ok(config)
    }

    /// The files for TLS.
    #[must_use]
    pub fn tls_files(&self) -> TlsFiles<'_> {
        TlsFiles {
            section: "database",
            ca: self.ca_file.as_deref(),
            client_cert: self.client_cert_file.as_deref(),
            client_key: self.client_key_file.as_deref(),
        }
    }

    /// What TLS needs, as it is now.
    ///
    /// # Errors
    ///
    /// If the files cannot be used, and never could.
    pub fn client_tls(&self) -> Result<Arc<ClientConfig>, TlsFileError> {
        self.tls.now(&self.tls_files())
    }
}

fn parse_database_url(url: &str) -> Option<tokio_postgres::Config> {
    url.replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require")
        .parse()
        .ok()
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.0.iter().enumerate() {
            if nth > 0 {
                writeln!(f)?;
            }
            write!(f, "{}: {}", problem.path, problem.message)?;
        }
        Ok(())
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?)
}

fn durations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    Vec::<String>::deserialize(deserializer)?.iter().map(|text| parse_duration(text)).collect()
}

fn parse_duration<E: serde::de::Error>(text: &str) -> Result<Duration, E> {
    humantime::parse_duration(text)
        .map_err(|_| E::custom("not a duration such as \"90m\" or \"500ms\""))
}
