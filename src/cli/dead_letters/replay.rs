//! `docplanner-worker dead-letters replay`

use clap::Args;

use super::{
    Common, Failure, Output, block_on, open, progress::Progress, selection::Selection, tell_done,
    until_signalled,
};
use crate::{
    clock,
    config::Settings,
    desk::{Deed, Rate, Tally, Work},
};

/// `dead-letters replay`
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    selection: Selection,
    /// How many to put back in a second (20/s) or a minute (100/m).
    #[arg(long, default_value = "50/s")]
    rate: Rate,
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
    let deed = if arguments.dry_run { Deed::Look } else { Deed::Replay(arguments.rate) };
    let work = Work { filter, limit: arguments.selection.limit, deed, clock: clock::system };
    let mut tally = Tally::default();
    let replayed = block_on(replay(&settings, &work, &mut tally))?;
    if replayed.is_ok() || tally.letters > 0 {
        tell_done("replayed", &tally, arguments.dry_run, arguments.output)?;
    }
    replayed
}

async fn replay(settings: &Settings, work: &Work, tally: &mut Tally) -> Result<(), Failure> {
    let mut progress = Progress::new("replayed");
    until_signalled(async |stop| {
        let mut desk = open(settings).await?;
        let worked = work.run(&mut desk, &stop, tally, |_, done| {
            progress.advanced(done);
            true
        });
        worked.await?;
        Ok(desk.leave().await?)
    })
    .await
}
