//! `docplanner-worker dead-letters list|show|replay|discard`

mod discard;
mod list;
mod progress;
mod replay;
mod report;
mod selection;
mod show;
mod table;

use std::{sync::Arc, time::Duration};

use anyhow::anyhow;
use clap::Subcommand;

use super::{Common, Failure, Output, block_on, print, print_while_read};
use crate::{
    app,
    config::Settings,
    desk::{Desk, DeskError, Tally},
    metrics::Metrics,
    retry::chain,
    shutdown::Stop,
    tenants::Tenants,
};

/// A third of RabbitMQ's `consumer_timeout`, after which it takes back what is held.
const LONGEST_HOLD: Duration = Duration::from_mins(10);

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the letters, the oldest first, and leave them where they are.
    List(list::Arguments),
    /// Show one letter, with everything but personal data.
    Show(show::Arguments),
    /// Put letters back into the incoming queue, in their order; safe to interrupt and to repeat.
    Replay(replay::Arguments),
    /// Throw letters away, after asking.
    Discard(discard::Arguments),
}

pub(super) fn execute(action: &Action) -> Result<(), Failure> {
    match action {
        Action::List(arguments) => list::execute(arguments),
        Action::Show(arguments) => show::execute(arguments),
        Action::Replay(arguments) => replay::execute(arguments),
        Action::Discard(arguments) => discard::execute(arguments),
    }
}

async fn open(settings: &Settings) -> Result<Desk, Failure> {
    let metrics = Arc::new(Metrics::new([]));
    let tenants = app::tenants(&settings.tenants, None, &Tenants::default(), &metrics)?;
    let tenants = Tenants::new(tenants, vec![]);
    let mut desk =
        Desk::open(&settings.broker, tenants, LONGEST_HOLD).await.map_err(|error| match error {
            DeskError::Broker(_) => Failure::Work(anyhow!(
                "{}; check broker.url: host, port, user, password and virtual host",
                chain(&error)
            )),
            _ => error.into(),
        })?;
    for warning in desk.warnings() {
        eprintln!("warning: {warning}");
    }
    Ok(desk)
}

/// Works until the first signal, which ends it between two letters; the second one does not wait for a broker that
/// does not answer.
async fn until_signalled(
    work: impl AsyncFnOnce(Stop) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let stop = Stop::default();
    let signals = tokio::spawn(stop.clone().on_signals());
    let worked = stop.hard.run_until_cancelled(work(stop.clone())).await;
    signals.abort();
    match worked {
        Some(Ok(())) if !stop.is_soft() => Ok(()),
        Some(Err(failure)) => Err(failure),
        Some(Ok(())) | None => Err(Failure::Work(anyhow!(
            "interrupted; the rest lies where it was, and the same command goes on with it"
        ))),
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        Failure::Work(error.into())
    }
}

/// `1 letter`, `3 letters`
fn letters(count: u64) -> String {
    format!("{count} {}", if count == 1 { "letter" } else { "letters" })
}

/// Tells on stdout what was, or would be, done.
fn tell_done(done: &str, tally: &Tally, dry_run: bool, output: Output) -> Result<(), Failure> {
    match output {
        Output::Text => {
            let would = if dry_run { "would be " } else { "" };
            print(format!("{} {would}{done}", letters(tally.letters)))?;
            table::groups(tally).iter().try_for_each(print)
        }
        Output::Json => print(super::pretty(&report::Summary::of(tally, Some(dry_run)))?),
    }
}
