//! Opening connections. Staying connected is each user's own loop: lapin's recovery stays off,
//! because it does not cover channel errors and gives up after a while.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::{
    Connection, ConnectionProperties,
    tcp::{AMQPUriTcpExt, RustlsConnector},
    uri::AMQPScheme,
};
use tokio::time::timeout;

use crate::{config::BrokerSettings, tls};

/// For each step that the broker has to answer. A frozen broker accepts connections and says nothing.
pub(super) const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// Seconds between heartbeats: a connection that was cut silently is noticed after twice that.
const HEARTBEAT_SECS: u16 = 10;

/// Why the broker cannot be used at the moment.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The broker did not answer in time.
    #[error("the broker did not answer within {STEP_TIMEOUT:?} ({0})")]
    TimedOut(&'static str),
    /// The broker or the network refused.
    #[error("{step}")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// What came back.
        source: lapin::Error,
    },
    /// We do not accept the broker's certificate, or it does not accept ours.
    #[error("cannot connect to the broker: {advice}")]
    Tls {
        /// What to look at in the settings.
        advice: String,
        /// What came back.
        source: lapin::Error,
    },
    /// The settings cannot be used.
    #[error("broker settings: {0}")]
    Settings(String),
    /// The broker cancelled the consumer: its queue was deleted or has moved.
    #[error("the broker has cancelled the consumer")]
    Cancelled,
}

/// Runs one step against the broker, bounded in time.
pub(crate) async fn step<T>(
    name: &'static str,
    action: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match timeout(STEP_TIMEOUT, action).await {
        Ok(result) => result.map_err(|source| BrokerError::Refused { step: name, source }),
        Err(_) => Err(BrokerError::TimedOut(name)),
    }
}

/// Opens one connection, named so that an operator finds it in the management pages, with the URL and
/// the certificates as they are at this moment.
///
/// # Errors
///
/// If the broker is away, or refuses the credentials or the virtual host; if TLS cannot be agreed on.
pub async fn connect(settings: &BrokerSettings, role: &str) -> Result<Connection, BrokerError> {
    const STEP: &str = "cannot connect to the broker";
    let mut uri = settings.uri().map_err(|error| BrokerError::Settings(error.to_owned()))?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECS);
    let tls = match uri.scheme {
        AMQPScheme::AMQP => None,
        AMQPScheme::AMQPS => {
            let config = settings.client_tls();
            Some(config.map_err(|error| BrokerError::Settings(error.to_string()))?)
        }
    };
    let runtime = lapin::runtime::default_runtime()
        .map_err(|source| BrokerError::Refused { step: STEP, source })?;
    let name = format!("docplanner-worker {role}");
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    // lapin's own TLS trusts the system's CAs besides ours, and fails where the system has none.
    let agreed = Arc::new(AtomicBool::new(false));
    let agree = Arc::clone(&agreed);
    let connecting = Connection::connector(
        uri,
        runtime,
        async move |mut uri, runtime| {
            let Some(tls) = tls.clone() else { return Ok(uri.connect_async(&runtime).await?) };
            uri.scheme = AMQPScheme::AMQP;
            let plain = uri.connect_async(&runtime).await?;
            let connector = RustlsConnector::from(tls);
            let secured = plain.into_rustls(&connector, &uri.authority.host).await?;
            agree.store(true, Ordering::Relaxed);
            Ok(secured)
        },
        properties,
    );
    step(STEP, connecting).await.map_err(|error| match error {
        BrokerError::Refused { source, step } => {
            let broke = || {
                let shown = agreed.load(Ordering::Relaxed);
                shown.then(|| tls::advice_if_broken("broker", &source)).flatten()
            };
            match tls::advice("broker", &source).or_else(broke) {
                Some(advice) => BrokerError::Tls { advice, source },
                None => BrokerError::Refused { source, step },
            }
        }
        error => error,
    })
}
