//! `docplanner-worker migrate`

use anyhow::Context;

use super::{Common, Failure, block_on, print};
use crate::{config::Settings, database::connect_pool, inbox};

pub(super) fn execute(common: &Common) -> Result<(), Failure> {
    let settings = common.settings()?;
    let applied = block_on(migrate(&settings))??;
    if applied.is_empty() {
        print("the database is up to date")?;
    }
    applied.iter().try_for_each(|migration| print(format!("applied {migration}")))
}

async fn migrate(settings: &Settings) -> anyhow::Result<Vec<String>> {
    let pool = connect_pool(&settings.database)?;
    let mut client = pool.get().await.context("cannot connect to the database")?;
    Ok(inbox::migrate(&mut client).await?)
}
