//! The worker's command line.

use std::process::ExitCode;

use clap::Parser;
use docplanner_worker::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().execute()
}
