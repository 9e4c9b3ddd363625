//! What installations are sized by: the table of `deploy/sizing.md`, measured.
//!
//! Bookings are made, moved and canceled; half of them are to be paid, which costs a timer each and an event more.

mod chains;
mod database;
mod queue;
mod steady;
mod table;

use std::{fs, path::Path};

use anyhow::Context as _;
use docplanner_worker::simulator::api::{Options, Simulator};

use self::{chains::Chains, table::Table};
use crate::{
    bench::Bench,
    load::Load,
    place::{Database, Place},
    programs::{Program, Running, Told},
};

/// Notifications a second, and pods that share them.
const STEADY: [(u32, usize); 4] = [(0, 1), (100, 1), (1_000, 1), (1_000, 2)];

/// What is asked for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Asked {
    /// Measure for the sizing guide instead
    #[arg(long)]
    pub(crate) sizing: bool,
    /// The file whose table is replaced by the one that was measured
    #[arg(long, requires = "sizing", value_name = "FILE")]
    into: Option<std::path::PathBuf>,
}

/// Measures, prints the tables as Markdown, and writes them into the guide if that is asked for.
pub(crate) async fn run(bench: &Bench, machine: &str) -> anyhow::Result<()> {
    let mut load = Table::new([
        "Load",
        "Notifications/s",
        "Worker, cores",
        "RabbitMQ, cores",
        "PostgreSQL, cores",
        "Worker, MiB",
        "RabbitMQ, MiB",
        "PostgreSQL, MiB",
    ]);
    let mut connections = Table::new(["Connections of each pod", "AMQP", "PostgreSQL"]);
    for (rate, pods) in STEADY {
        let steady = steady::measure(bench, rate, pods).await?;
        eprintln!("  {}", steady.name);
        load.add(steady.load);
        connections.add(steady.connections);
    }
    let whole = queue::measure(bench).await?;
    load.add(whole.load);
    let measured = [
        format!("{machine}. `make sizing`, {}.\n", chrono::Utc::now().format("%Y-%m-%d")),
        load.to_string(),
        connections.to_string(),
        whole.queue.to_string(),
        whole.database.to_string(),
    ]
    .join("\n");
    println!("{measured}");
    match &bench.options.sizing.into {
        Some(guide) => replace(guide, &measured),
        None => Ok(()),
    }
}

const BEGIN: &str = "<!-- measured: `make sizing INTO=deploy/sizing.md` writes what follows -->\n";
const END: &str = "<!-- end of what was measured -->\n";

/// Puts the tables between the two marks.
fn replace(guide: &Path, measured: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(guide).with_context(|| guide.display().to_string())?;
    let marks = || format!("{} lacks its marks", guide.display());
    let (before, rest) = text.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    Ok(fs::write(guide, format!("{before}{BEGIN}\n{measured}\n{END}{after}"))?)
}

/// A place with queues, an empty migrated database and Docplanner.
struct Scene {
    place: Place,
    docplanner: Simulator,
    settings: std::path::PathBuf,
}

impl Scene {
    async fn begin(bench: &Bench) -> anyhow::Result<Self> {
        let load = Load::usual(0);
        let options = Options { world: load.world(), ..Options::default() };
        let docplanner = Simulator::start(options).await?;
        let place = Place::make(bench, &Database::New).await?;
        let settings = place.settings(&load, &docplanner, &bench.options.settings)?;
        place.prepare(&bench.options.worker, &settings).await?;
        Ok(Self { place, docplanner, settings })
    }

    fn start(&self, bench: &Bench, pods: usize) -> anyhow::Result<Vec<Running>> {
        let told = Told {
            place: &self.place,
            settings: &self.settings,
            prefetch: bench.options.prefetch,
            api_url: &self.docplanner.base_url(),
        };
        let worker = Program::Worker(bench.options.worker.clone());
        (0..pods).map(|nth| worker.start(&told, nth)).collect()
    }

    async fn end(self, bench: &Bench) -> anyhow::Result<()> {
        self.docplanner.stop().await;
        self.place.remove(bench, false).await
    }
}
