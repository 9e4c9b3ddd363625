//! What is measured, one question in each file.

mod throughput;

use crate::{bench::Bench, report::Section};

/// The scenarios, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// How many notifications a second, beside the forwarder and the peers
    Throughput,
}

impl Scenario {
    pub(crate) async fn run(self, bench: &Bench) -> anyhow::Result<Section> {
        eprintln!("{self:?}");
        match self {
            Self::Throughput => throughput::run(bench).await,
        }
    }
}
