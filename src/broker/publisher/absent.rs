//! Exchanges of others that are not there. Publishing to one closes the channel, with everybody's messages on it, so
//! what goes there is refused for a while without asking the broker.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use lapin::Connection;
use tracing::warn;

use super::super::{BrokerError, Topology};

/// How long nothing is sent to an exchange that was not there. One channel is lost each time that it still is not.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// What was missing when it was last looked for.
#[derive(Default)]
pub(super) struct Absent {
    exchanges: BTreeSet<String>,
    looked_at: Option<Instant>,
}

impl Absent {
    /// Looks for every exchange that routes name, and tells which is missing.
    pub(super) async fn look(
        &mut self,
        topology: &Topology,
        connection: &Connection,
    ) -> Result<(), BrokerError> {
        let missing = topology.missing_exchanges(connection).await?.into_iter().collect();
        for exchange in &missing - &self.exchanges {
            warn!(exchange, "exchange {exchange} of a route is not there");
        }
        self.exchanges = missing;
        self.looked_at = Some(Instant::now());
        Ok(())
    }

    /// Whether the exchange was not there a moment ago.
    pub(super) fn has(&self, exchange: &str) -> bool {
        self.exchanges.contains(exchange)
            && self.looked_at.is_some_and(|at| at.elapsed() < BELIEVED_FOR)
    }
}
