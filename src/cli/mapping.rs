//! `docplanner-worker mapping import|export|sync|report`

mod export;
mod import;
mod progress;
mod report;
mod sync;

use clap::Subcommand;

use super::Failure;

/// What to do with a mapping.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Add and change identifiers from a file, all or nothing; running workers follow within seconds.
    Import(import::Arguments),
    /// Print a tenant's identifiers, as `import` takes them.
    Export(export::Arguments),
    /// Ask a tenant's API for everything that exists, and store it; goes on where it was interrupted.
    Sync(sync::Arguments),
    /// Tell what is mapped and what is to do; exits with 1 when something is not mapped.
    Report(report::Arguments),
}

pub(super) fn execute(action: &Action) -> Result<(), Failure> {
    match action {
        Action::Import(arguments) => import::execute(arguments),
        Action::Export(arguments) => export::execute(arguments),
        Action::Sync(arguments) => sync::execute(arguments),
        Action::Report(arguments) => report::execute(arguments),
    }
}
