//! `docplanner-worker mapping import|export`

mod export;
mod import;

use clap::Subcommand;

use super::Failure;
use crate::config::Settings;

/// What to do with a mapping.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Add and change identifiers from a file, all or nothing; running workers follow within seconds.
    Import(import::Arguments),
    /// Print a tenant's identifiers, as `import` takes them.
    Export(export::Arguments),
}

pub(super) fn execute(action: &Action) -> Result<(), Failure> {
    match action {
        Action::Import(arguments) => import::execute(arguments),
        Action::Export(arguments) => export::execute(arguments),
    }
}

/// Refuses a tenant that the settings do not have.
fn require_tenant(settings: &Settings, tenant: &str) -> Result<(), Failure> {
    let known: Vec<_> = settings.tenants.iter().map(|tenant| tenant.id.as_str()).collect();
    if known.contains(&tenant) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "unknown tenant {tenant:?}; the settings have: {}",
        known.join(", ")
    )))
}
