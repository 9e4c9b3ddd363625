//! `docplanner-worker mapping report`

mod csv;
mod table;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{
    catalog::{Report, Store, report},
    cli::{Common, Failure, block_on, pretty, print, tenant},
    clock,
    config::{OnlineDetection, Settings, TenantSettings},
    database::connect_pool,
};

/// `mapping report`
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Whose mapping; all tenants' by default.
    #[arg(long)]
    tenant: Option<String>,
    /// How to write the report.
    #[arg(long, value_enum, default_value = "table")]
    output: ReportOutput,
}

/// How the report is written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportOutput {
    /// For people.
    Table,
    /// For machines.
    Json,
    /// For spreadsheets: a line for each facility, doctor, address and service.
    Csv,
}

#[derive(Serialize)]
struct Reports {
    /// Nothing is unmapped or wrong.
    good: bool,
    tenants: Vec<Report>,
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.common.settings()?;
    let tenants: Vec<&TenantSettings> = match &arguments.tenant {
        Some(id) => vec![tenant(&settings, id)?],
        None => settings.tenants.iter().collect(),
    };
    let reports = block_on(read(&settings, &tenants))??;
    let good = reports.iter().all(Report::is_good);
    let text = match arguments.output {
        ReportOutput::Table => table::write(&reports),
        ReportOutput::Json => pretty(&Reports { good, tenants: reports })?,
        ReportOutput::Csv => csv::write(&reports)?,
    };
    print(text.trim_end_matches('\n'))?;
    if good { Ok(()) } else { Err(Failure::Told) }
}

async fn read(settings: &Settings, tenants: &[&TenantSettings]) -> anyhow::Result<Vec<Report>> {
    let mut store = Store::open(&connect_pool(&settings.database)?).await?;
    let now = clock::system();
    let mut reports = Vec::new();
    for tenant in tenants {
        let (catalog, rows) = store.read(&tenant.id).await?;
        let separate_schedules = tenant.online_detection == OnlineDetection::Address;
        reports.push(report(&tenant.id, &catalog, &rows, separate_schedules, now));
    }
    Ok(reports)
}
