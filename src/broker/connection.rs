//! Opening connections. Staying connected is each user's own loop: lapin's recovery stays off,
//! because it does not cover channel errors and gives up after a while.

use std::{path::Path, time::Duration};

use lapin::{
    Connection, ConnectionProperties, DefaultConnectionBuilder, tcp::OwnedTLSConfig, uri::AMQPUri,
};
use tokio::time::timeout;

use crate::config::BrokerSettings;

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

/// Opens one connection, named so that an operator finds it in the management pages.
///
/// # Errors
///
/// If the broker is away, or refuses the credentials or the virtual host.
pub async fn connect(settings: &BrokerSettings, role: &str) -> Result<Connection, BrokerError> {
    crate::tls::install_provider();
    let mut uri: AMQPUri =
        settings.url.expose().parse().map_err(|_| BrokerError::Settings("not a URL".into()))?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECS);
    let name = format!("docplanner-worker {role}");
    let builder = DefaultConnectionBuilder::new()
        .map_err(|source| BrokerError::Refused { step: "cannot start the connection", source })?
        .with_uri(uri)
        .with_properties(ConnectionProperties::default().with_connection_name(name.into()))
        .with_tls_config(tls_config(settings.ca_file.as_deref())?);
    step("cannot connect to the broker", builder.connect()).await
}

fn tls_config(ca_file: Option<&Path>) -> Result<OwnedTLSConfig, BrokerError> {
    let cert_chain = ca_file
        .map(std::fs::read_to_string)
        .transpose()
        .map_err(|error| BrokerError::Settings(format!("cannot read broker.ca_file: {error}")))?;
    Ok(OwnedTLSConfig { cert_chain, ..OwnedTLSConfig::default() })
}
