//! `docplanner-worker explain`

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::{Common, Failure, Output, block_on, pretty};
use crate::{
    app, clock,
    config::Settings,
    database::connect_pool,
    delivery::Reason,
    docplanner::{Peeked, peek},
    event::Event,
    metrics::Metrics,
    normalize::normalize,
    notification::{DecodeError, Fact, Notification},
    retry::chain,
    route::{default_queue, routing_key},
    tenants::{Tenant, Tenants},
};

/// `explain`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// The tenant, as header x-docplanner-tenant would tell it.
    #[arg(long)]
    tenant: Option<String>,
    /// How to write the explanation.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// The notification: a file, or - for standard input.
    file: PathBuf,
}

/// What a notification would become. What does not apply is absent.
#[derive(Default, Serialize)]
struct Explanation {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter: Option<DeadLetter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<Flags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Route>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Event>,
}

#[derive(Serialize)]
struct DeadLetter {
    reason: &'static str,
    error: String,
}

#[derive(Serialize)]
struct Flags {
    online_only: Option<bool>,
    visit_payment: Option<bool>,
    as_of: Option<DateTime<Utc>>,
    age_seconds: Option<i64>,
    /// `database` or `api`.
    source: Option<&'static str>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Route {
    rule: &'static str,
    routing_key: String,
    queue: &'static str,
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.common.settings()?;
    let body = read(&arguments.file)?;
    let explanation = block_on(explain(&settings, arguments.tenant.as_deref(), &body))??;
    match arguments.output {
        Output::Text => explanation.print()?,
        Output::Json => println!("{}", pretty(&explanation)?),
    }
    if explanation.dead_letter.is_none() { Ok(()) } else { Err(Failure::Told) }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut body).context("standard input")?;
    } else {
        body = std::fs::read(file).with_context(|| file.display().to_string())?;
    }
    Ok(body)
}

async fn explain(
    settings: &Settings,
    header: Option<&str>,
    body: &[u8],
) -> anyhow::Result<Explanation> {
    if body.len() > settings.broker.max_body_bytes {
        let limit = settings.broker.max_body_bytes;
        let error = format!("the body has {} bytes, the limit is {limit}", body.len());
        return Ok(Explanation::dead(None, Reason::TooLarge, error));
    }
    let notification = match Notification::decode(body) {
        Ok(notification) => notification,
        Err(error) => {
            let reason = match error {
                DecodeError::Malformed(_) => Reason::Malformed,
                DecodeError::Invalid { .. } => Reason::Invalid,
            };
            return Ok(Explanation::dead(None, reason, error.to_string()));
        }
    };
    let kind = Some(notification.fact.kind().name());
    if let Fact::Question(_) = notification.fact {
        let why =
            "a question that the relay has to answer, not a fact: acknowledged, not published";
        return Ok(Explanation { kind, ignored: Some(why), ..Explanation::default() });
    }
    let tenants = Tenants::new(&settings.tenants);
    let facility = notification.place.facility.id.as_deref();
    let tenant = match tenants.resolve(header, facility) {
        Ok(tenant) => tenant,
        Err(error) => {
            return Ok(Explanation::dead(kind, Reason::UnknownTenant, error.to_string()));
        }
    };
    let peeked = look_up(settings, &tenant.profile.id, &notification).await?;
    Ok(Explanation::of(&notification, tenant, &peeked, clock::system()))
}

/// As a worker would that has just started: in the database, then at the API.
async fn look_up(
    settings: &Settings,
    tenant: &str,
    notification: &Notification,
) -> anyhow::Result<Peeked> {
    let settings_of = settings.tenants.iter().find(|settings| settings.id == tenant);
    let settings_of = settings_of.context("the tenant has no settings")?;
    let client = app::api_client(settings_of, &Arc::new(Metrics::new([])))?;
    let pool = connect_pool(&settings.database).context("database")?;
    let ttl = settings_of.flags_ttl;
    let peeked = peek(&pool, client, ttl, tenant, &notification.place).await;
    if let Some(error) = &peeked.database_error {
        eprintln!("the database does not tell what is known of the address: {error:#}");
    }
    Ok(peeked)
}

impl Explanation {
    fn dead(kind: Option<&'static str>, reason: Reason, error: String) -> Self {
        let dead_letter = Some(DeadLetter { reason: reason.as_str(), error });
        Self { kind, dead_letter, ..Self::default() }
    }

    fn of(
        notification: &Notification,
        tenant: &Tenant,
        peeked: &Peeked,
        now: DateTime<Utc>,
    ) -> Self {
        let facts = &peeked.facts;
        let key = notification.key(&tenant.profile.id);
        let event = normalize(notification, &key, facts, &tenant.profile);
        Self {
            kind: Some(notification.fact.kind().name()),
            tenant: Some(tenant.profile.id.clone()),
            idempotency_key: Some(key.to_string()),
            flags: Some(Flags {
                online_only: facts.online_only,
                visit_payment: facts.visit_payment,
                as_of: facts.as_of,
                age_seconds: facts.as_of.map(|at| (now - at).num_seconds()),
                source: peeked.source,
                error: peeked.api_error.as_ref().map(|error| chain(error)),
            }),
            route: event.as_ref().map(|event| Route {
                rule: "default routing by the address's flags",
                routing_key: routing_key(event, facts),
                queue: default_queue(facts),
            }),
            event,
            ..Self::default()
        }
    }

    fn print(&self) -> anyhow::Result<()> {
        let line = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                println!("{name:<16} {value}");
            }
        };
        line("kind", self.kind);
        line("tenant", self.tenant.as_deref());
        line("idempotency key", self.idempotency_key.as_deref());
        line("ignored", self.ignored);
        let dead = self.dead_letter.as_ref().map(|dead| format!("{}: {}", dead.reason, dead.error));
        line("dead letter", dead.as_deref());
        line("flags", self.flags.as_ref().map(Flags::in_words).as_deref());
        if let Some(route) = &self.route {
            line("route rule", Some(route.rule));
            line("routing key", Some(&route.routing_key));
            line("queue", Some(route.queue));
        }
        if let Some(event) = &self.event {
            println!("event            {}", pretty(event)?);
        }
        Ok(())
    }
}

impl Flags {
    fn in_words(&self) -> String {
        let word = |flag: Option<bool>| flag.map_or("unknown".to_owned(), |flag| flag.to_string());
        let (online, payment) = (word(self.online_only), word(self.visit_payment));
        let source = if self.source == Some("api") { "API" } else { "database" };
        let age = match (self.age_seconds, &self.error) {
            (Some(age), None) => format!("{age} s old, from the {source}"),
            (Some(age), Some(error)) => format!("{age} s old, from the {source}, because {error}"),
            (None, Some(error)) => error.clone(),
            (None, None) => "not known".to_owned(),
        };
        format!("online_only {online}, visit_payment {payment} ({age})")
    }
}
