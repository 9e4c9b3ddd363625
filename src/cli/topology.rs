//! `docplanner-worker topology declare|export`

use clap::Subcommand;

use super::{Common, Failure, block_on};
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
            let topology = Topology::new(&settings.broker);
            block_on(declare(&settings, &topology))??;
            for name in topology.names() {
                println!("declared {name}");
            }
        }
        Action::Export(common) => {
            let settings = common.settings()?;
            let uri = settings.broker.uri();
            let vhost = uri.map_or_else(|_| "/".to_owned(), |uri| uri.vhost);
            println!("{:#}", Topology::new(&settings.broker).definitions(&vhost));
        }
    }
    Ok(())
}

async fn declare(settings: &Settings, topology: &Topology) -> anyhow::Result<()> {
    let connection = broker::connect(&settings.broker, "topology").await?;
    topology.declare(&connection).await?;
    Ok(())
}
