//! `docplanner-worker check`

use clap::Args;
use reqwest::Url;

use super::{Common, Failure, Output, block_on, pretty, print, tenant};
use crate::{
    checkup::{self, Finding, Level, Scope},
    clock,
    config::{Problem, Settings},
};

/// `check`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Also ask the broker, the database and each tenant's API; changes nothing there.
    #[arg(long)]
    connect: bool,
    /// Of the tenants' APIs, ask only this one's.
    #[arg(long, requires = "connect")]
    tenant: Option<String>,
    /// RabbitMQ's management API, which tells bindings and policies; default: its usual port on the broker's host.
    #[arg(long, value_name = "URL", requires = "connect")]
    management_url: Option<Url>,
    /// How to write the findings.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = match Settings::load(arguments.common.config.as_deref()) {
        Ok(settings) => settings,
        Err(problems) if arguments.output == Output::Json => {
            let findings: Vec<_> = problems.0.iter().map(Finding::from).collect();
            print(pretty(&findings)?)?;
            return Err(Failure::ToldUsage);
        }
        Err(problems) => return Err(problems.into()),
    };
    if let Some(id) = &arguments.tenant {
        tenant(&settings, id)?;
    }
    let mut findings = vec![Finding::ok("settings", "valid")];
    for files in [settings.broker.tls_files(), settings.database.tls_files()] {
        findings.extend(checkup::certificates(&files, clock::system()));
    }
    if arguments.connect {
        let scope = Scope {
            tenant: arguments.tenant.as_deref(),
            management_url: arguments.management_url.clone(),
        };
        findings.extend(block_on(checkup::connect(&settings, &scope))?);
    }
    match arguments.output {
        Output::Text => findings.iter().try_for_each(|finding| print(in_words(finding)))?,
        Output::Json => print(pretty(&findings)?)?,
    }
    let is_failed = findings.iter().any(|finding| finding.level == Level::Error);
    if is_failed { Err(Failure::Told) } else { Ok(()) }
}

fn in_words(Finding { level, place, what, remedy }: &Finding) -> String {
    let word = match level {
        Level::Ok => "ok",
        Level::Note => "note",
        Level::Warning => "WARNING",
        Level::Error => "ERROR",
    };
    let remedy = remedy.as_ref().map(|remedy| format!("\n         remedy: {remedy}"));
    format!("{word:<8} {place}: {what}{}", remedy.unwrap_or_default())
}

impl From<&Problem> for Finding {
    fn from(Problem { path, message }: &Problem) -> Self {
        Finding { remedy: None, ..Finding::error(format!("settings: {path}"), message, "") }
    }
}
