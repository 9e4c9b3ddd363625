//! What is measured, one question in each file.

mod curves;
mod growth;
mod latency;
mod memory;
mod start;
mod throughput;

use crate::{bench::Bench, report::Section};

/// The scenarios, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// How many notifications a second, beside the forwarder and the peers
    Throughput,
    /// How long an event takes at half of the worker's maximum
    Latency,
    /// How much memory a large window and a long queue take
    Memory,
    /// How long a start and a stop take
    Start,
    /// What a large inbox, its cleaning, many tenants and many timers cost
    Growth,
    /// How throughput goes with the settings
    Curves,
}

impl Scenario {
    pub(crate) async fn run(self, bench: &Bench) -> anyhow::Result<Section> {
        eprintln!("{self:?}");
        match self {
            Self::Throughput => throughput::run(bench).await,
            Self::Latency => latency::run(bench).await,
            Self::Memory => memory::run(bench).await,
            Self::Start => start::run(bench).await,
            Self::Growth => growth::run(bench).await,
            Self::Curves => curves::run(bench).await,
        }
    }
}
