//! A stand-in for Docplanner: `docplanner-simulator --help`.

use std::process::ExitCode;

use docplanner_worker::simulator::cli;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run().await
}
