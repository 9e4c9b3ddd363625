//! Settings: one TOML file, every scalar of the sections `broker`, `database`, `http`, `log` and
//! `traces` overridable by environment (`DOCPLANNER_WORKER__BROKER__URL`), every problem told at once.

mod load;
mod validate;

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use serde::{Deserialize, Deserializer};

pub use crate::private::Secret;

/// All settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    pub tenants: Vec<TenantSettings>,
}

/// `[broker]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrokerSettings {
    /// `amqp://user:password@host:5672/vhost`, or `amqps://`.
    pub url: Secret,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// For `amqps://`: the CA to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Where the relay puts notifications. Retry and dead-letter queues are named after it.
    pub queue: String,
    /// Where events go.
    pub exchange: String,
    /// How many deliveries are in flight at most, which also bounds memory: prefetch × body.
    pub prefetch: u16,
    /// How long a failed delivery waits before each next try; one retry queue each. After the last
    /// one it is dead-lettered.
    #[serde(deserialize_with = "durations")]
    pub retry_delays: Vec<Duration>,
    /// Whether missing queues, exchanges and bindings are declared; if not, only verified.
    pub declare_topology: bool,
    /// A larger body is dead-lettered unread.
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
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `postgres://user:password@host:5432/database?sslmode=verify-full`.
    pub url: Secret,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// For TLS: the CA to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Connections per pod. Claims and closings travel in batches, so few are enough.
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
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub listen: SocketAddr,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `json` or `text`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,docplanner_worker=debug`.
    pub level: String,
}

/// `[traces]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceSettings {
    /// The collector's OTLP over HTTP, such as `http://collector:4318`; none: no traces.
    pub endpoint: Option<String>,
    /// How many of the traces that begin here are kept: 1 all, 0 none. Those that began elsewhere go by their sender.
    pub sample_ratio: f64,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One object a line.
    Json,
    /// For reading.
    Text,
}

/// `[[tenants]]`: one API client of Docplanner.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantSettings {
    /// `[a-z0-9-]{1,40}`; the first word of its routing keys.
    pub id: String,
    /// The country's domain, such as `znanylekarz.pl`.
    pub domain: String,
    /// Replaces `https://www.{domain}`.
    pub base_url: Option<String>,
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: Secret,
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
}

/// What tells whether a visit is online.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnEnrichmentFailure {
    /// Dead letter `enrichment-failed`.
    DeadLetter,
    /// Published with unknown flags, to `partner.unclassified`.
    Publish,
}

/// `[tenants.payments]`
#[derive(Debug, Clone, Deserialize)]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VideoSettings {
    /// Whether to ask the API for the link of an online visit's video call if the notification does not name it.
    pub fetch_missing_url: bool,
    /// How long before the start `video_call.reminder_due` is published; none by default.
    #[serde(deserialize_with = "durations")]
    pub reminders: Vec<Duration>,
}

/// `[tenants.mapping]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MappingSettings {
    /// What becomes of an event that names something without a mapping.
    pub on_missing: OnMissing,
}

/// What becomes of an event that names something without a mapping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
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
            url: Secret::new("amqp://guest:guest@127.0.0.1:5672/%2f"),
            url_file: None,
            ca_file: None,
            queue: "docplanner.notifications".into(),
            exchange: "docplanner.events".into(),
            prefetch: 256,
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
            url: Secret::new("postgres://worker@127.0.0.1:5432/worker"),
            url_file: None,
            ca_file: None,
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
            client_secret: Secret::default(),
            client_secret_file: None,
            facilities: Vec::new(),
            online_detection: OnlineDetection::Address,
            flags_ttl: Duration::from_mins(10),
            on_enrichment_failure: OnEnrichmentFailure::DeadLetter,
            payments: PaymentSettings::default(),
            video: VideoSettings::default(),
            mapping: MappingSettings::default(),
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

impl DatabaseSettings {
    /// The connection's settings. `verify-full` is what rustls always does, so it is read as
    /// `require`, which never verifies less here.
    ///
    /// # Errors
    ///
    /// If the URL is not one of PostgreSQL's.
    pub fn connect_config(&self) -> anyhow::Result<tokio_postgres::Config> {
        let url = self
            .url
            .expose()
            .replace("sslmode=verify-full", "sslmode=require")
            .replace("sslmode=verify-ca", "sslmode=require");
        // The parser's own message may quote the URL, which holds the password.
        let mut config: tokio_postgres::Config =
            url.parse().ok().context("not a URL such as postgres://user@host:5432/database")?;
        config.application_name("docplanner-worker");
        config.connect_timeout(Duration::from_secs(5));
        config.tcp_user_timeout(Duration::from_secs(10));
        Ok(config)
    }
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
