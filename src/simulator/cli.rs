//! The command line of `docplanner-simulator`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

mod api;
mod arguments;
mod demo;
mod mirror;
mod notifications;
mod publisher;
mod summary;

/// A stand-in for Docplanner: an API to ask, and notifications to consume
///
/// All commands build their world from --seed, --country, --facilities and --doctors. Given the
/// same values, the API knows every address that the notifications mention.
///
/// Exit codes: 0 done or stopped by SIGTERM or SIGINT, 1 failed while working, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "docplanner-simulator", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Api(api::Arguments),
    Notifications(notifications::Arguments),
    Demo(demo::Arguments),
}

/// Reads the command line and does what it says, until it is done or stopped by a signal.
///
/// Ends the process with 2 when the command line is wrong.
pub async fn run() -> ExitCode {
    crate::tls::install_provider();
    let done = match Cli::parse().command {
        Command::Api(arguments) => api::run(&arguments).await,
        Command::Notifications(arguments) => notifications::run(&arguments).await,
        Command::Demo(arguments) => demo::run(&arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("docplanner-simulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns when the process is asked to end.
async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_values_are_refused() {
        let is_taken = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();

        assert!(is_taken("s api --client demo:secret --rate-limit 8000/h --dialect source-page"));
        assert!(is_taken("s notifications --print --count 5 --duplicates 0.1 --rate 50/s"));
        assert!(is_taken("s api --guide"));
        assert!(!is_taken("s api --guide --country spain"));
        assert!(!is_taken("s api --client demo"));
        assert!(!is_taken("s api --rate-limit 8000"));
        assert!(!is_taken("s api --dialect polish"));
        assert!(!is_taken("s notifications --duplicates 1.5"));
        assert!(!is_taken("s notifications --rate 0/s"));
    }
}
