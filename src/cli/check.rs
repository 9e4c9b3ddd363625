//! `docplanner-worker check`

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{Common, Failure, Output, block_on};
use crate::{
    app,
    broker::{self, Topology},
    config::{Problems, Settings},
    database::connect_pool,
    inbox,
    metrics::Metrics,
    retry::chain,
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
struct Finding {
    what: String,
    /// What is wrong and what to do, if anything.
    problem: Option<(String, &'static str)>,
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = match Settings::load(arguments.common.config.as_deref()) {
        Ok(settings) => settings,
        Err(problems) if arguments.output == Output::Json => {
            print_problems(&problems);
            return Err(Failure::ToldUsage);
        }
        Err(problems) => return Err(problems.into()),
    };
    let mut findings = vec![Finding::good("settings")];
    if arguments.connect {
        findings.extend(block_on(connect(&settings))?);
    }
    match arguments.output {
        Output::Text => print_text(&findings),
        Output::Json => print_json(&findings),
    }
    let all_good = findings.iter().all(|finding| finding.problem.is_none());
    if all_good { Ok(()) } else { Err(Failure::Told) }
}

async fn connect(settings: &Settings) -> Vec<Finding> {
    let mut findings = check_broker(settings).await;
    findings.push(check_database(settings).await);
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
    let connection = match broker::connect(&settings.broker, "check").await {
        Ok(connection) => connection,
        Err(error) => return vec![Finding::of("broker".into(), Err(chain(&error)), CONNECT)],
    };
    let mut verify_only = settings.broker.clone();
    verify_only.declare_topology = false;
    let verified = Topology::new(&verify_only).ensure(&connection).await;
    vec![
        Finding::good("broker"),
        Finding::of("topology".into(), verified.map_err(|error| chain(&error)), TOPOLOGY),
    ]
}

async fn check_database(settings: &Settings) -> Finding {
    let checked = async {
        let pool = connect_pool(&settings.database)?;
        let mut client = pool.get().await?;
        inbox::check_schema(&mut client).await?;
        anyhow::Ok(())
    };
    let checked = checked.await.map_err(|error| format!("{error:#}"));
    Finding::of(
        "database".into(),
        checked,
        "check database.url, then run `docplanner-worker migrate`",
    )
}

impl Finding {
    fn good(what: &str) -> Self {
        Self { what: what.to_owned(), problem: None }
    }

    fn of(what: String, checked: Result<(), String>, remedy: &'static str) -> Self {
        Self { what, problem: checked.err().map(|problem| (problem, remedy)) }
    }
}

fn print_text(findings: &[Finding]) {
    for Finding { what, problem } in findings {
        match problem {
            None => println!("ok       {what}"),
            Some((problem, remedy)) => {
                println!("PROBLEM  {what}: {problem}\n         remedy: {remedy}");
            }
        }
    }
}

/// Settings that cannot be used, in the form of findings.
fn print_problems(problems: &Problems) {
    let findings: Vec<_> = problems
        .0
        .iter()
        .map(|problem| {
            let what = format!("settings: {}", problem.path);
            json!({ "what": what, "ok": false, "problem": problem.message, "remedy": null })
        })
        .collect();
    println!("{:#}", json!(findings));
}

fn print_json(findings: &[Finding]) {
    let findings: Vec<_> = findings
        .iter()
        .map(|Finding { what, problem }| {
            json!({
                "what": what,
                "ok": problem.is_none(),
                "problem": problem.as_ref().map(|(problem, _)| problem),
                "remedy": problem.as_ref().map(|(_, remedy)| remedy),
            })
        })
        .collect();
    println!("{:#}", json!(findings));
}
