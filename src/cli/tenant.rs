//! The tenant that an argument names.

use clap::Args;

use super::{Common, Failure};
use crate::config::{Settings, TenantSettings};

/// What a command about one tenant takes.
#[derive(Debug, Args)]
pub(super) struct OneTenant {
    #[command(flatten)]
    common: Common,
    /// The tenant's id, as in the settings.
    #[arg(long = "tenant", value_name = "ID")]
    pub(super) id: String,
}

impl OneTenant {
    /// The settings, which have this tenant.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let settings = self.common.settings()?;
        tenant(&settings, &self.id)?;
        Ok(settings)
    }
}

/// The tenant of this id.
pub(super) fn tenant<'s>(settings: &'s Settings, id: &str) -> Result<&'s TenantSettings, Failure> {
    settings.tenants.iter().find(|tenant| tenant.id == id).ok_or_else(|| {
        let known: Vec<_> = settings.tenants.iter().map(|tenant| tenant.id.as_str()).collect();
        let distance = |known: &&str| strsim::damerau_levenshtein(id, known);
        let nearest = known.iter().copied().min_by_key(distance).filter(|it| distance(it) <= 3);
        let nearest = nearest.map(|it| format!("did you mean {it:?}? ")).unwrap_or_default();
        Failure::Usage(format!(
            "unknown tenant {id:?}; {nearest}the settings have: {}",
            known.join(", ")
        ))
    })
}
