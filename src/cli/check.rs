//! `docplanner-worker check`

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::{Common, Failure, Output, block_on, migrated_database, pretty, print};
use crate::{
    app,
    broker::{self, Topology},
    clock,
    config::{OnMissing, Problem, Settings},
    database::{connect_pool, told},
    inbox, mapping,
    metrics::Metrics,
    retry::chain,
    tls::{self, TlsFiles},
};

/// `check`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Also ask the broker, the database and each tenant's API.
    #[arg(long)]
    connect: bool,
    /// How to write the findings.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// What one look found.
#[derive(Serialize)]
struct Finding {
    what: String,
    /// A problem that is none yet is fine, and told all the same.
    ok: bool,
    problem: Option<String>,
    /// What to do about it.
    remedy: Option<&'static str>,
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
    let mut findings = vec![Finding::good("settings")];
    let files = [settings.broker.tls_files(), settings.database.tls_files()];
    findings.extend(files.iter().flat_map(|files| check_expiry(files, clock::system())));
    if arguments.connect {
        findings.extend(block_on(connect(&settings))?);
    }
    match arguments.output {
        Output::Text => findings.iter().try_for_each(|finding| print(finding.in_words()))?,
        Output::Json => print(pretty(&findings)?)?,
    }
    let all_good = findings.iter().all(|finding| finding.ok);
    if all_good { Ok(()) } else { Err(Failure::Told) }
}

/// Certificates that end within two weeks, or have ended.
fn check_expiry(files: &TlsFiles<'_>, now: DateTime<Utc>) -> Vec<Finding> {
    const REMEDY: &str = "renew it; a running worker takes the new one with its next connection";
    // Files that cannot be read are told with the settings.
    let expiries = tls::expiries(files).unwrap_or_default();
    let ending = expiries.into_iter().filter(|expiry| expiry.is_soon(now));
    let finding = |expiry: tls::Expiry| {
        let (over, at) = (expiry.is_over(now), expiry.at);
        Finding {
            what: format!("{}.{}", files.section, expiry.setting),
            ok: !over,
            problem: Some(format!("the certificate {} {at}", if over { "ended" } else { "ends" })),
            remedy: Some(REMEDY),
        }
    };
    ending.map(finding).collect()
}

async fn connect(settings: &Settings) -> Vec<Finding> {
    let mut findings = check_broker(settings).await;
    findings.push(check_database(settings).await);
    for tenant in &settings.tenants {
        if tenant.mapping.on_missing == OnMissing::Hold {
            findings.push(check_mapping(settings, &tenant.id).await);
        }
    }
    let metrics = Arc::new(Metrics::new([]));
    for tenant in &settings.tenants {
        let what = format!("API of tenant {}", tenant.id);
        let checked = match app::api_client(tenant, &metrics) {
            Ok(client) => client.check_credentials().await.map_err(|error| chain(&error)),
            Err(error) => Err(format!("{error:#}")),
        };
        findings.push(Finding::of(
            what,
            checked,
            "check domain or base_url, client_id, client_secret and the way out of the cluster",
        ));
    }
    findings
}

async fn check_broker(settings: &Settings) -> Vec<Finding> {
    const CONNECT: &str = "check broker.url: host, port, user, password and virtual host";
    const TOPOLOGY: &str = "run `docplanner-worker topology declare`; a queue that exists with other arguments has to \
         be emptied and deleted first";
    const EXCHANGE: &str =
        "its owner has to declare it; until then the events of its route become dead letters";
    let connection = match broker::connect(&settings.broker, "check").await {
        Ok(connection) => connection,
        Err(error) => return vec![Finding::of("broker".into(), Err(chain(&error)), CONNECT)],
    };
    let mut verify_only = settings.broker.clone();
    verify_only.declare_topology = false;
    let topology = Topology::new(&verify_only, settings.targets());
    let verified = topology.ensure(&connection).await;
    let mut findings = vec![
        Finding::good("broker"),
        Finding::of("topology".into(), verified.map_err(|error| chain(&error)), TOPOLOGY),
    ];
    match topology.missing_exchanges(&connection).await {
        Ok(missing) => findings.extend(missing.into_iter().map(|exchange| {
            let what = format!("exchange {exchange} of a route");
            Finding::of(what, Err("it is not there".to_owned()), EXCHANGE)
        })),
        Err(error) => {
            findings.push(Finding::of("exchanges of routes".into(), Err(chain(&error)), EXCHANGE));
        }
    }
    findings
}

async fn check_database(settings: &Settings) -> Finding {
    let checked = async {
        let pool = connect_pool(&settings.database)?;
        let mut client = pool.get().await?;
        inbox::check_schema(&mut client).await?;
        anyhow::Ok(())
    };
    let checked = checked.await.map_err(|error| told(&*error));
    Finding::of(
        "database".into(),
        checked,
        "check database.url, then run `docplanner-worker migrate`",
    )
}

/// A tenant that holds what is not mapped, and has nothing mapped, gets no event at all.
async fn check_mapping(settings: &Settings, tenant: &str) -> Finding {
    let checked = async {
        let client = migrated_database(settings).await?;
        let is_empty = mapping::read(&client, tenant).await?.rows().is_empty();
        anyhow::ensure!(!is_empty, "nothing is mapped, so everything becomes a dead letter");
        Ok(())
    };
    let checked = checked.await.map_err(|error| format!("{error:#}"));
    let what = format!("mapping of tenant {tenant}");
    Finding::of(
        what,
        checked,
        "run `docplanner-worker mapping import`, or set on_missing = \"publish\"",
    )
}

impl Finding {
    fn good(what: &str) -> Self {
        Self::of(what.to_owned(), Ok(()), "")
    }

    fn in_words(&self) -> String {
        let Finding { what, ok, problem, remedy } = self;
        match problem {
            None => format!("ok       {what}"),
            Some(problem) => {
                let word = if *ok { "WARNING" } else { "PROBLEM" };
                let remedy = remedy.unwrap_or_default();
                format!("{word}  {what}: {problem}\n         remedy: {remedy}")
            }
        }
    }

    fn of(what: String, checked: Result<(), String>, remedy: &'static str) -> Self {
        let problem = checked.err();
        let remedy = problem.as_ref().map(|_| remedy);
        Self { what, ok: problem.is_none(), problem, remedy }
    }
}

impl From<&Problem> for Finding {
    fn from(Problem { path, message }: &Problem) -> Self {
        let what = format!("settings: {path}");
        Self { what, ok: false, problem: Some(message.clone()), remedy: None }
    }
}
