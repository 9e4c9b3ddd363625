//! `docplanner-worker dead-letters show`

use anyhow::anyhow;
use clap::Args;

use super::{Common, Failure, Output, block_on, open, print, report, table};
use crate::{
    cli::pretty,
    clock,
    config::Settings,
    desk::{Deed, Filter, Tally, Work},
    shutdown::Stop,
};

/// `dead-letters show`
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Also print what may be personal data: the whole body, and headers of unknown meaning.
    #[arg(long)]
    reveal: bool,
    /// How to write it.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// The letter's id, as `list` tells it.
    id: String,
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.common.settings()?;
    let text = block_on(show(&settings, arguments))??;
    print(text)
}

async fn show(settings: &Settings, arguments: &Arguments) -> Result<String, Failure> {
    let Arguments { id, reveal, .. } = arguments;
    let filter = Filter { ids: vec![id.clone()], ..Filter::default() };
    // Letters of the same id are the same.
    let work = Work { filter, limit: Some(1), deed: Deed::Look, clock: clock::system };
    let mut desk = open(settings).await?;
    let mut text = None;
    let (stop, mut tally) = (Stop::default(), Tally::default());
    let looked = work.run(&mut desk, &stop, &mut tally, |letter, _| {
        text = Some(match arguments.output {
            Output::Text => Ok(table::in_full(letter, *reveal, clock::system())),
            Output::Json => pretty(&report::Entry::in_full(letter, *reveal)),
        });
        true
    });
    looked.await?;
    desk.leave().await?;
    let none =
        || Failure::Work(anyhow!("no dead letter has this id; `dead-letters list` tells all ids"));
    Ok(text.ok_or_else(none)??)
}
