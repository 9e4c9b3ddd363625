//! `docplanner-worker schema events|asyncapi|config`

use clap::Subcommand;

use super::{Common, Failure, pretty, print};
use crate::{broker::Topology, config::Settings, schema};

/// Which document to print.
#[derive(Debug, Subcommand)]
pub(super) enum Document {
    /// The JSON Schema (2020-12) of the events.
    Events,
    /// The AsyncAPI 3 document of exchange, queues and messages; with the names of the settings, if
    /// they are given.
    Asyncapi(Common),
    /// The JSON Schema of the settings file, for editors.
    Config,
}

pub(super) fn execute(document: &Document) -> Result<(), Failure> {
    let document = match document {
        Document::Events => schema::events(),
        Document::Asyncapi(common) => {
            let settings = match common.config {
                Some(_) => common.settings()?,
                None => Settings::default(),
            };
            let topology = Topology::new(&settings.broker, settings.targets());
            schema::asyncapi(&settings.broker.exchange, &topology)
        }
        Document::Config => schema::config(),
    };
    print(pretty(&document)?)
}
