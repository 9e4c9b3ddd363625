//! `docplanner-worker explain`

mod destination;
mod flags;
mod identifiers;
mod order;

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use serde::Serialize;

use self::{destination::Destination, flags::Flags, identifiers::Identifiers, order::Order};
use super::{Common, Failure, Output, block_on, pretty, print, read_file};
use crate::{
    app, clock,
    config::Settings,
    decision::decide,
    delivery::Reason,
    event::Event,
    inbox::Request,
    metrics::Metrics,
    normalize::AddressFacts,
    notification::{DecodeError, Fact, Notification},
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
    order: Option<Order>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<Identifiers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Destination>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Event>,
    /// What follows from it at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    then: Vec<Event>,
    /// Where each of those goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    then_routes: Vec<Destination>,
}

#[derive(Serialize)]
struct DeadLetter {
    reason: &'static str,
    error: String,
}

/// Everything that is not in the notification.
struct LookedUp {
    facts: AddressFacts,
    flags: Flags,
    order: Order,
    mapping: Identifiers,
}

pub(super) fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.common.settings()?;
    let body = read_file(&arguments.file)?;
    let explanation = block_on(explain(&settings, arguments.tenant.as_deref(), &body))??;
    match arguments.output {
        Output::Text => print(explanation.in_words()?)?,
        Output::Json => print(pretty(&explanation)?)?,
    }
    if explanation.dead_letter.is_none() { Ok(()) } else { Err(Failure::Told) }
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
    let metrics = Arc::new(Metrics::new([]));
    let tenants = app::tenants(&settings.tenants, None, &Tenants::default(), &metrics)?;
    let facility = notification.place.facility.id.as_deref();
    let tenant = match Tenants::new(tenants, vec![]).resolve(header, facility, false) {
        Ok(tenant) => tenant,
        Err(error) => {
            return Ok(Explanation::dead(kind, Reason::UnknownTenant, error.to_string()));
        }
    };
    let now = clock::system();
    let (tenant_id, place) = (&tenant.profile.id, &notification.place);
    let (flags, facts) = Flags::look_up(settings, &tenant, place, now).await?;
    let request = order::request(&notification, &tenant);
    let order = Order::look_up(settings, &request).await;
    let mapping = Identifiers::look_up(settings, tenant_id, &notification, now).await;
    let looked_up = LookedUp { facts, flags, order, mapping };
    Ok(Explanation::of(&notification, &tenant, &request, looked_up))
}

impl Explanation {
    fn dead(kind: Option<&'static str>, reason: Reason, error: String) -> Self {
        let dead_letter = Some(DeadLetter { reason: reason.as_str(), error });
        Self { kind, dead_letter, ..Self::default() }
    }

    fn of(
        notification: &Notification,
        tenant: &Tenant,
        request: &Request,
        looked_up: LookedUp,
    ) -> Self {
        let LookedUp { facts, flags, order, mapping } = looked_up;
        let known = order.known(facts.clone(), mapping.partner_ids.clone());
        let (position, now) = (order.position(), clock::system());
        let decision = decide(notification, &request.key, &position, &known, &tenant.profile, now);
        let mut events = decision.unwrap_or_default().events.into_iter();
        let event = events.next();
        let held = event.as_ref().and_then(|event| {
            tenant.holds(&notification.fact, event, &tenant.route(event, &facts))
        });
        let event = event.filter(|_| held.is_none());
        let then: Vec<_> = events.filter(|_| held.is_none()).collect();
        let destination = |event: &Event| Destination::of(event, &facts, tenant);
        Self {
            kind: Some(notification.fact.kind().name()),
            tenant: Some(tenant.profile.id.clone()),
            idempotency_key: Some(request.key.to_string()),
            dead_letter: held.map(|unmapped| DeadLetter {
                reason: Reason::Unmapped.as_str(),
                error: unmapped.to_string(),
            }),
            route: event.as_ref().map(destination),
            then_routes: then.iter().map(destination).collect(),
            flags: Some(flags),
            order: Some(order),
            mapping: Some(mapping),
            event,
            then,
            ..Self::default()
        }
    }

    fn in_words(&self) -> anyhow::Result<String> {
        let mut lines = Vec::new();
        let mut line = |name: &str, value: Option<&str>| {
            lines.extend(value.map(|value| format!("{name:<16} {value}")));
        };
        line("kind", self.kind);
        line("tenant", self.tenant.as_deref());
        line("idempotency key", self.idempotency_key.as_deref());
        line("ignored", self.ignored);
        let dead = self.dead_letter.as_ref().map(|dead| format!("{}: {}", dead.reason, dead.error));
        line("dead letter", dead.as_deref());
        line("flags", self.flags.as_ref().map(Flags::in_words).as_deref());
        line("order", self.order.as_ref().map(Order::in_words).as_deref());
        for identifier in self.mapping.iter().flat_map(Identifiers::in_words) {
            line("mapping", Some(&identifier));
        }
        for (name, value) in self.route.iter().flat_map(Destination::lines) {
            line(name, Some(value));
        }
        if let Some(event) = &self.event {
            line("event", Some(&pretty(event)?));
        }
        for (event, route) in self.then.iter().zip(&self.then_routes) {
            line("then", Some(&pretty(event)?));
            for (name, value) in route.lines() {
                line(name, Some(value));
            }
        }
        Ok(lines.join("\n"))
    }
}
