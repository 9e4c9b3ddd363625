//! PostgreSQL: one connection, a few statements that read.

mod facts;
mod judge;

use deadpool_postgres::Object;

use self::facts::{Grants, Inbox, Server};
use super::Finding;
use crate::{
    clock,
    config::{OnMissing, Settings, TenantSettings},
    database::{connect_pool, told},
    inbox, mapping,
};

/// What was found, and what of it concerns the other servers too.
pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    /// Connections that the server gives to its users.
    pub(super) room: Option<usize>,
}

impl Checked {
    pub(super) fn failed(finding: Finding) -> Self {
        Self { findings: vec![finding], room: None }
    }
}

/// Asks the database.
pub(super) async fn check(settings: &Settings, tenants: &[&TenantSettings]) -> Checked {
    let connecting = async { anyhow::Ok(connect_pool(&settings.database)?.get().await?) };
    let mut client = match connecting.await {
        Ok(client) => client,
        Err(error) => {
            let remedy = "check database.url: host, port, user, password and database; and the network on the way";
            return Checked::failed(Finding::error("database", told(&*error), remedy));
        }
    };
    let mut room = None;
    let mut findings = Vec::new();
    match Server::ask(&client, clock::system).await {
        Ok(server) => {
            room = Some(server.room());
            findings.extend(judge::server(&server));
        }
        Err(error) => findings.push(unanswered("database", &error)),
    }
    let schema = inbox::schema_version(&mut client).await;
    let is_migrated = schema.as_ref().is_ok_and(|version| !version.is_behind());
    findings.push(judge::schema(schema));
    if is_migrated {
        findings.extend(tables(&client, settings).await);
        findings.extend(mappings(&client, tenants).await);
    }
    Checked { findings, room }
}

async fn tables(client: &Object, settings: &Settings) -> Vec<Finding> {
    let grants = match Grants::ask(client).await {
        Ok(grants) => grants,
        Err(error) => return vec![unanswered("database privileges", &error)],
    };
    let mut findings = judge::grants(&grants);
    if grants.may_read_inbox() {
        findings.push(match Inbox::ask(client).await {
            Ok(inbox) => judge::inbox(&inbox, settings.database.retention),
            Err(error) => unanswered("inbox", &error),
        });
    }
    findings
}

/// A tenant that holds what is not mapped, and has nothing mapped, gets no event at all.
async fn mappings(client: &Object, tenants: &[&TenantSettings]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for tenant in tenants.iter().filter(|tenant| tenant.mapping.on_missing == OnMissing::Hold) {
        let place = format!("mapping of tenant {}", tenant.id);
        findings.push(match mapping::read(client, &tenant.id).await {
            Ok(mapping) if mapping.rows().is_empty() => Finding::error(
                place,
                "nothing is mapped, so everything becomes a dead letter",
                "run `docplanner-worker mapping import`, or set on_missing = \"publish\"",
            ),
            Ok(mapping) => Finding::ok(place, format!("{} rows", mapping.rows().len())),
            Err(error) => unanswered(&place, &error),
        });
    }
    findings
}

fn unanswered(place: &str, error: &(dyn std::error::Error + 'static)) -> Finding {
    let remedy = "grant the role what the worker needs, or look into the server's log";
    Finding::error(place, told(error), remedy)
}
