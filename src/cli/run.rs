//! `docplanner-worker run`

use super::{Common, Failure, block_on};
use crate::app;

pub(super) fn execute(common: &Common) -> Result<(), Failure> {
    let settings = common.settings()?;
    Ok(block_on(app::run(settings, common.config.clone()))??)
}
