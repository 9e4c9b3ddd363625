//! `docplanner-worker run`

use super::{Common, Failure, block_on};
use crate::{app, telemetry};

pub(super) fn execute(common: &Common) -> Result<(), Failure> {
    let settings = common.settings()?;
    telemetry::init(&settings.log)?;
    Ok(block_on(app::run(settings, common.config.clone()))??)
}
