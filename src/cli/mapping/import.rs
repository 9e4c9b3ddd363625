//! `docplanner-worker mapping import`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        Failure, Output, block_on, migrated_database, pretty, print, read_file, tenant::OneTenant,
    },
    config::Settings,
    mapping::{
        self, Mapping, Plan, Row,
        file::{Format, Problem, Problems},
    },
};

/// `mapping import`
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    tenant: OneTenant,
    /// Only tell what would change.
    #[arg(long)]
    dry_run: bool,
    /// The file is the whole mapping: also remove what it does not name.
    #[arg(long)]
    replace: bool,
    /// How to write what has changed.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// CSV with the header `kind,address_id,docplanner_id,partner_id,online`, or a JSON list of
    /// objects with the same names; - for standard input.
    file: PathBuf,
}

/// What a machine is told of an import.
#[derive(Serialize)]
struct Report<'r> {
    tenant: &'r str,
    dry_run: bool,
    #[serde(flatten)]
    plan: &'r Plan,
}

/// What a machine is told of a file that cannot be imported.
#[derive(Serialize)]
struct Refusal<'r> {
    tenant: &'r str,
    problems: &'r [Problem],
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.tenant.settings()?;
    let name = arguments.file.to_string_lossy();
    let content = read_file(&arguments.file)?;
    let wanted = match Format::of(&name, &content).parse(&content) {
        Ok(wanted) => wanted,
        Err(problems) => return refuse(arguments, &problems),
    };
    let plan = block_on(import(&settings, arguments, wanted))??;
    match arguments.output {
        Output::Text => print(in_words(arguments, &plan)),
        Output::Json => {
            let Arguments { tenant, dry_run, .. } = arguments;
            print(pretty(&Report { tenant: &tenant.id, dry_run: *dry_run, plan: &plan })?)
        }
    }
}

async fn import(
    settings: &Settings,
    arguments: &Arguments,
    wanted: Mapping,
) -> anyhow::Result<Plan> {
    let (tenant, replace) = (&arguments.tenant.id, &arguments.replace);
    let mut client = migrated_database(settings).await?;
    let plan = if arguments.dry_run {
        mapping::dry_run(&client, tenant, wanted, *replace).await?
    } else {
        mapping::import(&mut client, tenant, wanted, *replace).await?
    };
    Ok(plan)
}

fn refuse(arguments: &Arguments, problems: &Problems) -> Result<(), Failure> {
    match arguments.output {
        Output::Text => {
            let (count, file) = (problems.0.len(), arguments.file.display());
            let noun = if count == 1 { "problem" } else { "problems" };
            eprintln!("{count} {noun} in {file}, nothing is imported:\n{problems}");
        }
        Output::Json => {
            let refusal = Refusal { tenant: &arguments.tenant.id, problems: &problems.0 };
            print(pretty(&refusal)?)?;
        }
    }
    Err(Failure::Told)
}

/// A dry run shows every change; an import counts them.
fn in_words(arguments: &Arguments, plan: &Plan) -> String {
    let Plan { added, changed, removed, unchanged } = plan;
    let (tenant, not) = (&arguments.tenant.id, if arguments.dry_run { "would be " } else { "" });
    let mut lines = Vec::new();
    if arguments.dry_run {
        lines.extend(added.iter().map(|row| format!("+ {}: {}", row.key(), values(row))));
        lines.extend(changed.iter().map(|change| {
            let (before, after) = (values(&change.before), values(&change.after));
            format!("~ {}: {before} → {after}", change.after.key())
        }));
        lines.extend(removed.iter().map(|row| format!("- {}: {}", row.key(), values(row))));
    }
    lines.push(format!(
        "{tenant}: {} {not}added, {} {not}changed, {} {not}removed, {unchanged} unchanged",
        added.len(),
        changed.len(),
        removed.len(),
    ));
    lines.join("\n")
}

fn values(row: &Row) -> String {
    let online = match row.online {
        Some(true) => " (online)",
        Some(false) => " (onsite)",
        None => "",
    };
    format!("{}{online}", row.partner_id)
}
