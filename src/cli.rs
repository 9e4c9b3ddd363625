//! The command line: one file per command.

mod check;
mod dead_letters;
mod explain;
mod mapping;
mod migrate;
mod print;
mod run;
mod schema;
mod tenant;
mod topology;

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use deadpool_postgres::Object;
use serde::Serialize;

use self::{
    print::{print, print_while_read},
    tenant::tenant,
};
use crate::{
    config::{Problems, Settings},
    database::{connect_pool, told},
    inbox,
};

/// Consumes Docplanner notifications from RabbitMQ and publishes normalized events to a partner's
/// own queues.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Consume until SIGTERM or SIGINT, then drain and exit.
    Run(Common),
    /// Apply pending database migrations and exit; safe to run concurrently.
    Migrate(Common),
    /// Validate the settings and list every problem; with --connect, ask broker, database and APIs.
    Check(check::Arguments),
    /// Declare exchanges, queues and bindings, or print them.
    Topology {
        #[command(subcommand)]
        action: topology::Action,
    },
    /// The partner's own identifiers beside what exists at Docplanner.
    Mapping {
        #[command(subcommand)]
        action: mapping::Action,
    },
    /// What was set aside for a person: look at it, put it back, throw it away.
    DeadLetters {
        #[command(subcommand)]
        action: dead_letters::Action,
    },
    /// Tell what a notification would become; publishes nothing, writes nothing.
    Explain(explain::Arguments),
    /// Print what others rely on: the schemas of events and settings, and the queues.
    Schema {
        #[command(subcommand)]
        document: schema::Document,
    },
}

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// The settings: a TOML file.
    #[arg(long, value_name = "FILE", env = "DOCPLANNER_WORKER_CONFIG")]
    config: Option<PathBuf>,
}

/// How results are written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// The settings or the arguments are wrong: exit code 2.
    Usage(String),
    /// Something went wrong while working: exit code 1.
    Work(anyhow::Error),
    /// The result is already on stdout, and it is not good: exit code 1.
    Told,
    /// What is wrong with the settings is already on stdout: exit code 2.
    ToldUsage,
}

impl Common {
    fn settings(&self) -> Result<Settings, Failure> {
        Ok(Settings::load(self.config.as_deref())?)
    }
}

impl Cli {
    /// Runs the command to its end.
    #[must_use]
    pub fn execute(self) -> ExitCode {
        let result = match self.command {
            Command::Run(common) => run::execute(&common),
            Command::Migrate(common) => migrate::execute(&common),
            Command::Check(arguments) => check::execute(&arguments),
            Command::Topology { action } => topology::execute(&action),
            Command::Mapping { action } => mapping::execute(&action),
            Command::DeadLetters { action } => dead_letters::execute(&action),
            Command::Explain(arguments) => explain::execute(&arguments),
            Command::Schema { document } => schema::execute(&document),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure::Usage(message)) => {
                eprintln!("{message}");
                ExitCode::from(2)
            }
            Err(Failure::Work(error)) => {
                eprintln!("error: {}", told(&*error));
                ExitCode::FAILURE
            }
            Err(Failure::Told) => ExitCode::FAILURE,
            Err(Failure::ToldUsage) => ExitCode::from(2),
        }
    }
}

/// Runs the asynchronous part of a command.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Work(error.into()))?;
    let result = runtime.block_on(work);
    // Whatever still waits for a server must not keep the process.
    runtime.shutdown_background();
    Ok(result)
}

/// A file that an argument names; - is standard input.
fn read_file(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut content).context("standard input")?;
    } else {
        content = std::fs::read(file).with_context(|| file.display().to_string())?;
    }
    Ok(content)
}

/// A connection to a database that has everything this version needs.
async fn migrated_database(settings: &Settings) -> anyhow::Result<Object> {
    let pool = connect_pool(&settings.database)?;
    let mut client = pool.get().await.context("cannot connect to the database")?;
    inbox::check_schema(&mut client).await?;
    Ok(client)
}

/// JSON for machines, with line breaks, keys in the order of the type.
fn pretty(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        let count = problems.0.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        Failure::Usage(format!("{count} {noun} in the settings:\n{problems}"))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Work(error)
    }
}
