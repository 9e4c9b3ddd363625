//! `docplanner-worker explain`

use std::{io::Read, path::PathBuf, sync::Arc};

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Value, json};

use super::{Common, Failure, Output, block_on};
use crate::{
    app, clock,
    config::Settings,
    docplanner::Addresses,
    event::Event,
    metrics::Metrics,
    normalize::{AddressFacts, normalize},
    notification::{Fact, Notification},
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

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.common.settings()?;
    let body = read(&arguments.file)?;
    let explanation = block_on(explain(&settings, arguments.tenant.as_deref(), &body))??;
    match arguments.output {
        Output::Text => print_text(&explanation),
        Output::Json => println!("{explanation:#}"),
    }
    if explanation["dead_letter"].is_null() { Ok(()) } else { Err(Failure::Told) }
}

fn read(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut body).context("standard input")?;
    } else {
        body = std::fs::read(file).with_context(|| file.display().to_string())?;
    }
    Ok(body)
}

async fn explain(settings: &Settings, header: Option<&str>, body: &[u8]) -> anyhow::Result<Value> {
    if body.len() > settings.broker.max_body_bytes {
        let limit = settings.broker.max_body_bytes;
        let error = format!("the body has {} bytes, the limit is {limit}", body.len());
        return Ok(json!({ "dead_letter": { "reason": "too-large", "error": error } }));
    }
    let notification = match Notification::decode(body) {
        Ok(notification) => notification,
        Err(error) => {
            let reason = match error {
                crate::notification::DecodeError::Malformed(_) => "malformed",
                crate::notification::DecodeError::Invalid { .. } => "invalid",
            };
            return Ok(json!({ "dead_letter": { "reason": reason, "error": error.to_string() } }));
        }
    };
    let kind = notification.fact.kind().name();
    if let Fact::Question(_) = notification.fact {
        let why =
            "a question that the relay has to answer, not a fact: acknowledged, not published";
        return Ok(json!({ "kind": kind, "ignored": why }));
    }
    let tenants = Tenants::new(&settings.tenants);
    let facility = notification.place.facility.id.as_deref();
    let tenant = match tenants.resolve(header, facility) {
        Ok(tenant) => tenant,
        Err(error) => {
            let dead = json!({ "reason": "unknown-tenant", "error": error.to_string() });
            return Ok(json!({ "kind": kind, "dead_letter": dead }));
        }
    };
    let metrics = Arc::new(Metrics::new([]));
    let addresses = app::addresses(&settings.tenants, &metrics)?;
    let looked_up = addresses.facts(&tenant.profile.id, &notification.place).await;
    let flags_error = looked_up.as_ref().err().map(|error| chain(error));
    let facts = looked_up.unwrap_or_default();
    Ok(explanation(&notification, tenant, &facts, flags_error, clock::system()))
}

fn explanation(
    notification: &Notification,
    tenant: &Tenant,
    facts: &AddressFacts,
    flags_error: Option<String>,
    now: DateTime<Utc>,
) -> Value {
    let key = notification.key(&tenant.profile.id);
    let event = normalize(notification, &key, facts, &tenant.profile);
    let route = event.as_ref().map(|event| {
        json!({
            "rule": "default routing by the address's flags",
            "routing_key": routing_key(event, facts),
            "queue": default_queue(facts),
        })
    });
    json!({
        "kind": notification.fact.kind().name(),
        "tenant": tenant.profile.id,
        "idempotency_key": key.as_str(),
        "flags": {
            "online_only": facts.online_only,
            "visit_payment": facts.visit_payment,
            "as_of": facts.as_of,
            "age_seconds": facts.as_of.map(|at| (now - at).num_seconds()),
            "error": flags_error,
        },
        "route": route,
        "event": event.as_ref().map(shown),
    })
}

/// The event as a value. Only the raw data of an unknown kind can be nested too deep for one.
fn shown(event: &Event) -> Value {
    serde_json::to_value(event).unwrap_or_else(|_| "nested too deep to be shown".into())
}

fn print_text(explanation: &Value) {
    let text = |value: &Value| match value {
        Value::Null => "unknown".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line = |name: &str, value: &Value| {
        if !value.is_null() {
            println!("{name:<16} {}", text(value));
        }
    };
    line("kind", &explanation["kind"]);
    line("tenant", &explanation["tenant"]);
    line("idempotency key", &explanation["idempotency_key"]);
    line("ignored", &explanation["ignored"]);
    if let Value::Object(dead) = &explanation["dead_letter"] {
        println!("{:<16} {}: {}", "dead letter", text(&dead["reason"]), text(&dead["error"]));
    }
    if let Value::Object(flags) = &explanation["flags"] {
        let (online, payment) = (text(&flags["online_only"]), text(&flags["visit_payment"]));
        let age = match &flags["age_seconds"] {
            Value::Null => text(&flags["error"]),
            age => format!("{age} s old"),
        };
        println!("{:<16} online_only {online}, visit_payment {payment} ({age})", "flags");
    }
    if let Value::Object(route) = &explanation["route"] {
        line("route rule", &route["rule"]);
        line("routing key", &route["routing_key"]);
        line("queue", &route["queue"]);
    }
    if !explanation["event"].is_null() {
        println!("event            {:#}", explanation["event"]);
    }
}
