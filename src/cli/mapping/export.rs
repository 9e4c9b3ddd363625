//! `docplanner-worker mapping export`

use std::io::Write;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::tenant;
use crate::{
    cli::{Common, Failure, block_on, migrated_database},
    config::Settings,
    mapping::{self, file::Format},
};

/// `mapping export`
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Whose mapping.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// How to write it.
    #[arg(long, value_enum, default_value = "csv")]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    /// With the header `kind,address_id,docplanner_id,partner_id,online`.
    Csv,
    /// A list of objects with the same names.
    Json,
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.common.settings()?;
    tenant(&settings, &arguments.tenant)?;
    let format = match arguments.output {
        Output::Csv => Format::Csv,
        Output::Json => Format::Json,
    };
    let exported = block_on(export(&settings, &arguments.tenant, format))??;
    std::io::stdout().write_all(&exported).context("standard output")?;
    Ok(())
}

async fn export(settings: &Settings, tenant: &str, format: Format) -> anyhow::Result<Vec<u8>> {
    let client = migrated_database(settings).await?;
    let mapping = mapping::read(&client, tenant).await?;
    format.write(mapping.rows())
}
