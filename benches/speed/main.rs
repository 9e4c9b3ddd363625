//! How fast the worker is, beside a forwarder that does nothing but forward and beside workers of other
//! ecosystems. `make bench` runs it; `benches/README.md` says what is measured and how.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

mod bench;
mod count;
mod fill;
mod forwarder;
mod load;
mod machine;
mod picture;
mod place;
mod process;
mod programs;
mod report;
mod round;
mod run;
mod scenarios;
mod servers;
mod sizing;
mod stage;
mod statistics;

use self::{bench::Bench, report::Report, scenarios::Scenario, servers::Servers};

/// Measures the worker's speed against private servers; see benches/README.md
#[derive(Debug, Parser)]
#[command(name = "speed")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Given by `cargo bench`. Without it, as in `cargo test --benches`, nothing is measured.
    #[arg(long)]
    bench: bool,
    #[command(flatten)]
    options: Options,
}

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these scenarios
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Scenario>,
    /// Only these cases; with * at the end, all that begin so
    #[arg(long, value_delimiter = ',')]
    pub(crate) cases: Vec<String>,
    /// Interleaved runs of each case; its scenario's number if not given
    #[arg(long)]
    pub(crate) runs: Option<u32>,
    /// Notifications of a run of the forwarder or the worker; slower programs get a part of them
    #[arg(long, default_value_t = 60_000)]
    pub(crate) messages: u32,
    /// Deliveries that a program may hold
    #[arg(long, default_value_t = 1000)]
    pub(crate) prefetch: u16,
    /// Notifications a second of the latency scenario; half of what the worker can do if not given
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// A setting and its values to try in the curves scenario, as `section.key=value,value`
    #[arg(long = "curve", value_name = "SECTION.KEY=VALUES")]
    pub(crate) curves: Vec<String>,
    /// How long the worker's memory is watched at full speed
    #[arg(long)]
    pub(crate) minutes: Option<u32>,
    /// More lines for the worker's settings file, as `section.key=value`
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// The worker to measure
    #[arg(long, env = "WORKER_BINARY", default_value = "target/bench/docplanner-worker")]
    pub(crate) worker: PathBuf,
    /// Another worker to measure beside it
    #[arg(long)]
    pub(crate) baseline: Option<PathBuf>,
    /// Where `results.json` and logs go
    #[arg(long, default_value = "target/bench")]
    pub(crate) folder: PathBuf,
    /// Where to draw the throughput as a picture
    #[arg(long)]
    pub(crate) picture: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) servers: servers::Addresses,
    #[command(flatten)]
    pub(crate) sizing: sizing::Asked,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Be the forwarder: consume, publish with confirm, acknowledge, until SIGTERM
    #[command(hide = true)]
    Forward(forwarder::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command, bench, options } = Arguments::parse();
    if command.is_none() && !bench {
        println!("measures nothing without --bench: see `make bench`");
        return ExitCode::SUCCESS;
    }
    docplanner_worker::tls::install_provider();
    let done = tokio::runtime::Runtime::new().context("no runtime").and_then(|runtime| {
        runtime.block_on(async {
            match command {
                // On the runtime's own threads, not on this one beside them.
                Some(Command::Forward(arguments)) => {
                    tokio::spawn(forwarder::run(arguments)).await?
                }
                None => unless_stopped(measure(options)).await,
            }
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("speed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A program that is measured ends with its run. A harness that ended without dropping the run would leave it behind.
async fn unless_stopped(measuring: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        done = measuring => done,
        _ = terminate.recv() => anyhow::bail!("stopped by SIGTERM"),
        _ = interrupt.recv() => anyhow::bail!("stopped by SIGINT"),
    }
}

/// Runs the scenarios one after another; what is done is written after each, so that an end on the way loses little.
async fn measure(options: Options) -> anyhow::Result<()> {
    let servers = Servers::new(&options.servers)?;
    let mut report = Report::new(machine::describe(&servers).await?);
    println!("{}", report.machine());
    servers.remove_leftovers().await?;
    let bench = Bench::new(options, servers)?;
    if bench.options.sizing.sizing {
        return sizing::run(&bench, report.machine()).await;
    }
    let scenarios = match bench.options.only.as_slice() {
        [] => Scenario::value_variants(),
        only => only,
    };
    for scenario in scenarios {
        let section = scenario.run(&bench).await.with_context(|| format!("{scenario:?}"))?;
        println!("\n{section}");
        if let (Scenario::Throughput, Some(file)) = (scenario, &bench.options.picture) {
            picture::draw(&section, report.machine(), file)?;
        }
        report.add(section);
        report.write(&bench.options.folder.join("results.json"))?;
    }
    anyhow::ensure!(report.is_sound(), "some runs failed: see above");
    Ok(())
}
