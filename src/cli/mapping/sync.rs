//! `docplanner-worker mapping sync`

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use chrono::TimeDelta;
use clap::Args;

use super::progress::Progress;
use crate::{
    app,
    catalog::{self, Counts, Plan, Store, Summary, WalkError},
    cli::{
        Failure, Output, block_on, pretty, print,
        tenant::{OneTenant, tenant},
    },
    clock,
    config::{Settings, TenantSettings},
    database::connect_pool,
    docplanner::http_client,
    metrics::Metrics,
    shutdown::Stop,
};

/// `mapping sync`
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    tenant: OneTenant,
    /// Begin anew, even if the last walk was interrupted less than a day ago.
    #[arg(long)]
    restart: bool,
    /// Requests a minute, after a first burst of 100. Docplanner's firewall blocks a sender of more than
    /// 500 in five minutes.
    #[arg(long, value_name = "N", default_value = "60")]
    per_minute: NonZeroU32,
    /// How long to ask again when the API does not answer.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// How to write the summary.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.tenant.settings()?;
    let tenant = tenant(&settings, &arguments.tenant.id)?;
    let plan = Plan {
        tenant: tenant.id.clone(),
        facilities: tenant.facilities.clone(),
        restart: arguments.restart,
        per_minute: arguments.per_minute.get(),
        patience: arguments.patience,
        clock: clock::system,
    };
    let summary = block_on(sync(&settings, tenant, &plan))??;
    match arguments.output {
        Output::Text => print(in_words(&summary)),
        Output::Json => print(pretty(&summary)?),
    }
}

async fn sync(
    settings: &Settings,
    tenant: &TenantSettings,
    plan: &Plan,
) -> anyhow::Result<Summary> {
    let api = app::api_client(tenant, http_client()?, &Arc::new(Metrics::new([])))?;
    let mut store = Store::open(&connect_pool(&settings.database)?).await?;
    let stop = Stop::default();
    let signals = tokio::spawn(stop.clone().on_signals());
    let mut progress = Progress::new(&plan.tenant);
    let walking = catalog::walk(&api, &mut store, plan, &mut progress, &stop.soft);
    // A second signal does not wait for a database that does not answer.
    let walked = stop.hard.run_until_cancelled(walking).await;
    progress.end();
    signals.abort();
    Ok(walked.unwrap_or(Err(WalkError::Interrupted))?)
}

fn in_words(summary: &Summary) -> String {
    let Summary { tenant, started_at, completed_at, lists_read, .. } = summary;
    let took = duration(*completed_at - *started_at);
    let of = if summary.resumed { ", goes on with an interrupted one" } else { "" };
    let mut lines = vec![
        format!("tenant {tenant}: walked in {took}{of}; lists read: {lists_read}"),
        counted("facilities", summary.facilities),
        counted("doctors", summary.doctors),
        counted("addresses", summary.addresses),
        counted("services", summary.services),
    ];
    let online = summary.online_consultation.iter();
    lines.extend(online.map(|it| format!("online consultation: {} \"{}\"", it.id, it.name)));
    let refused = summary.refused.iter();
    lines.extend(refused.map(|it| format!("left out: {} ({})", it.list, it.status)));
    lines.join("\n")
}

fn counted(what: &str, Counts { exist, gone }: Counts) -> String {
    let gone = if gone == 0 { String::new() } else { format!(", {gone} gone") };
    format!("{what:<11} {exist}{gone}")
}

fn duration(time: TimeDelta) -> humantime::FormattedDuration {
    let seconds = u64::try_from(time.num_seconds()).unwrap_or_default();
    humantime::format_duration(Duration::from_secs(seconds))
}
