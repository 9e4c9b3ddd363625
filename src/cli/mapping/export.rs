//! `docplanner-worker mapping export`

use clap::{Args, ValueEnum};

use crate::{
    cli::{Failure, block_on, migrated_database, print, tenant::OneTenant},
    config::Settings,
    mapping::{self, file::Format},
};

/// `mapping export`
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    tenant: OneTenant,
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
    let settings = arguments.tenant.settings()?;
    let format = match arguments.output {
        Output::Csv => Format::Csv,
        Output::Json => Format::Json,
    };
    let exported = block_on(export(&settings, &arguments.tenant.id, format))??;
    print(exported.trim_end())
}

async fn export(settings: &Settings, tenant: &str, format: Format) -> anyhow::Result<String> {
    let client = migrated_database(settings).await?;
    let mapping = mapping::read(&client, tenant).await?;
    Ok(String::from_utf8(format.write(mapping.rows())?)?)
}
