//! `docplanner-worker topology declare|export`

use clap::Subcommand;

use super::{Common, Failure, block_on, print};
use crate::{
    broker::{self, Topology},
    config::Settings,
};

/// What to do with the topology.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Declare exchanges, queues and bindings at the broker; what exists stays as it is.
    Declare(Common),
    /// Print them as RabbitMQ definitions (JSON), for `rabbitmqctl import_definitions`.
    Export(Common),
}

pub(super) fn execute(action: &Action) -> Result<(), Failure> {
    match action {
        Action::Declare(common) => {
            let settings = common.settings()?;
            let topology = Topology::new(&settings.broker, settings.targets());
            let missing = block_on(declare(&settings, &topology))??;
            topology.names().iter().try_for_each(|name| print(format!("declared {name}")))?;
            for exchange in missing {
                eprintln!(
                    "exchange {exchange} of a route is not there; its owner has to declare it"
                );
            }
            Ok(())
        }
        Action::Export(common) => {
            let settings = common.settings()?;
            let uri = settings.broker.uri();
            let vhost = uri.map_or_else(|_| "/".to_owned(), |uri| uri.vhost);
            let topology = Topology::new(&settings.broker, settings.targets());
            print(format!("{:#}", topology.definitions(&vhost)))
        }
    }
}

/// Which exchanges of routes are missing then: they are other people's.
async fn declare(settings: &Settings, topology: &Topology) -> anyhow::Result<Vec<String>> {
    let connection = broker::connect(&settings.broker, "topology").await?;
    topology.declare(&connection).await?;
    Ok(topology.missing_exchanges(&connection).await?)
}
