//! `docplanner-worker dead-letters list`

use chrono::{DateTime, Utc};
use clap::Args;

use super::{
    Common, Failure, Output, block_on, letters, open, print, print_while_read, report,
    selection::Selection, table,
};
use crate::{
    cli::pretty,
    clock,
    config::Settings,
    desk::{Deed, Letter, Tally, Work},
    shutdown::Stop,
};

/// `dead-letters list`
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    selection: Selection,
    /// Only count them, by reason and tenant.
    #[arg(long)]
    summary: bool,
    /// Also print the bodies, which hold patient data.
    #[arg(long, conflicts_with = "summary")]
    reveal: bool,
    /// How to write them.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.common.settings()?;
    let now = clock::system();
    let filter = arguments.selection.filter(&settings, now)?;
    let limit = arguments.selection.limit;
    let work = Work { filter, limit, deed: Deed::Look, clock: clock::system };
    block_on(list(&settings, arguments, &work, now))?
}

async fn list(
    settings: &Settings,
    arguments: &Arguments,
    work: &Work,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let mut desk = open(settings).await?;
    let mut tally = Tally::default();
    let mut printed = Ok(());
    let all = desk.total();
    work.run(&mut desk, &Stop::default(), &mut tally, |letter, nth| {
        if arguments.summary {
            return true;
        }
        let told = print_while_read(arguments.entry(letter, nth == 0, now));
        told.unwrap_or_else(|failure| {
            printed = Err(failure);
            false
        })
    })
    .await?;
    desk.leave().await?;
    printed?;
    match (arguments.output, arguments.summary) {
        (Output::Json, true) => print(pretty(&report::Summary::of(&tally, None))?)?,
        (Output::Json, false) => print(if tally.letters == 0 { "[]" } else { "]" })?,
        (Output::Text, true) => table::groups(&tally).iter().try_for_each(print)?,
        (Output::Text, false) => {}
    }
    eprintln!("{} of {all} in the queue", letters(tally.letters));
    if !arguments.summary {
        for group in table::groups(&tally) {
            eprintln!("{group}");
        }
    }
    Ok(())
}

impl Arguments {
    /// A line of the table, with its heading before the first one; or of a JSON list.
    fn entry(&self, letter: &Letter, is_first: bool, now: DateTime<Utc>) -> String {
        let mut text = String::new();
        match self.output {
            Output::Text => {
                if is_first {
                    text = table::heading() + "\n";
                }
                text.push_str(&table::line(letter, now));
                if self.reveal {
                    text.push('\n');
                    text.push_str(&table::revealed_line(letter));
                }
            }
            Output::Json => {
                text.push(if is_first { '[' } else { ',' });
                // Text, numbers and JSON, all of which serialize.
                let entry = serde_json::to_string(&report::Entry::of(letter, self.reveal));
                text.push_str(&entry.unwrap_or_default());
            }
        }
        text
    }
}
