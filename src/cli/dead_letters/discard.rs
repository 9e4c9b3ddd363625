//! `docplanner-worker dead-letters discard`

use std::io::{IsTerminal, Write, stderr, stdin};

use anyhow::Context;
use clap::Args;

use super::{
    Common, Failure, Output, block_on, letters, open, progress::Progress, selection::Selection,
    table, tell_done, until_signalled,
};
use crate::{
    clock,
    config::Settings,
    desk::{Deed, Tally, Work},
    shutdown::Stop,
};

/// `dead-letters discard`
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    selection: Selection,
    /// Every letter; needed where nothing else says which ones.
    #[arg(long)]
    all: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Only count them, by reason and tenant.
    #[arg(long)]
    dry_run: bool,
    /// How to write what was done.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.common.settings()?;
    let filter = arguments.selection.filter(&settings, clock::system())?;
    if filter.is_any() && !arguments.all {
        let usage = "which letters? Name a tenant, a reason, a kind, an age or ids, or --all";
        return Err(Failure::Usage(usage.to_owned()));
    }
    if !arguments.yes && !arguments.dry_run && !stdin().is_terminal() {
        let usage = "nobody can be asked here: --yes discards without asking, --dry-run tells what it would be";
        return Err(Failure::Usage(usage.to_owned()));
    }
    let deed = if arguments.dry_run { Deed::Look } else { Deed::Discard };
    let work = Work { filter, limit: arguments.selection.limit, deed, clock: clock::system };
    let mut tally = Tally::default();
    let discarded = block_on(discard(&settings, arguments, &work, &mut tally))?;
    if discarded.is_ok() || tally.letters > 0 {
        tell_done("discarded", &tally, arguments.dry_run, arguments.output)?;
    }
    discarded
}

async fn discard(
    settings: &Settings,
    arguments: &Arguments,
    work: &Work,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let mut progress = Progress::new("discarded");
    // Boxed, because it holds two walks through the queue.
    let working = until_signalled(async |stop| {
        let mut desk = open(settings).await?;
        if !arguments.yes && !arguments.dry_run {
            let mut counted = Tally::default();
            let count = Work { deed: Deed::Look, ..work.clone() };
            count.run(&mut desk, &stop, &mut counted, |_, _| true).await?;
            // Nothing is held while somebody thinks.
            desk.start_over().await?;
            if stop.is_soft() || counted.letters == 0 || !is_agreed(&counted, &stop).await? {
                return Ok(desk.leave().await?);
            }
        }
        let worked = work.run(&mut desk, &stop, tally, |_, done| {
            progress.advanced(done);
            true
        });
        worked.await?;
        Ok(desk.leave().await?)
    });
    Box::pin(working).await
}

/// Shows what would be discarded, and asks.
async fn is_agreed(counted: &Tally, stop: &Stop) -> Result<bool, Failure> {
    for group in table::groups(counted) {
        eprintln!("{group}");
    }
    eprint!("Discard {}? They cannot be had back. [y/N] ", letters(counted.letters));
    stderr().flush().context("standard error")?;
    let asking = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        stdin().read_line(&mut answer).map(|_| answer)
    });
    let Some(answered) = stop.soft.run_until_cancelled(asking).await else { return Ok(false) };
    let answer = answered.context("the question")?.context("standard input")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
