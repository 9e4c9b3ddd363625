//! Where an event goes, and what says so.

use serde::Serialize;

use crate::{
    config::MatchSettings,
    event::{Event, Modality},
    normalize::AddressFacts,
    route::{Route, Target, default_queue},
    tenants::Tenant,
};

/// The rule that matches, and its target.
#[derive(Default, Serialize)]
pub(super) struct Destination {
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routing_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dropped: bool,
}

impl Destination {
    pub(super) fn of(event: &Event, facts: &AddressFacts, tenant: &Tenant) -> Self {
        match tenant.route(event, facts) {
            Route::Default { routing_key } => Self {
                rule: default_rule(event, facts).to_owned(),
                routing_key: Some(routing_key),
                queue: Some(default_queue(event, facts).to_owned()),
                ..Self::default()
            },
            Route::Rule { number, target } => {
                let conditions = tenant.settings.routes.get(number).map(|route| &route.matches);
                let conditions = conditions.map(in_words).unwrap_or_default();
                Self { rule: format!("routes[{number}]: {conditions}"), ..Self::to(target) }
            }
        }
    }

    fn to(target: Target) -> Self {
        match target {
            Target::Queue(queue) => Self { queue: Some(queue), ..Self::default() },
            Target::Exchange { name, routing_key } => {
                Self { exchange: Some(name), routing_key: Some(routing_key), ..Self::default() }
            }
            Target::Drop => Self { dropped: true, ..Self::default() },
        }
    }

    /// By name.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let dropped = self.dropped.then_some("none: the event is dropped");
        let lines = [
            ("route rule", Some(self.rule.as_str())),
            ("exchange", self.exchange.as_deref()),
            ("routing key", self.routing_key.as_deref()),
            ("queue", self.queue.as_deref().or(dropped)),
        ];
        lines.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

fn default_rule(event: &Event, facts: &AddressFacts) -> &'static str {
    if event.data.modality == Modality::from(facts.online_only) {
        "default routing by the address's flags"
    } else {
        "default routing by the service's mapping and the address's flags"
    }
}

/// As it is written in the settings.
fn in_words(
    MatchSettings { online_only, visit_payment, modality, events }: &MatchSettings,
) -> String {
    let flag = |name, flag: &Option<bool>| flag.map(|flag| format!("{name} = {flag}"));
    let conditions = [
        flag("online_only", online_only),
        flag("visit_payment", visit_payment),
        modality.map(|modality| format!("modality = \"{}\"", modality.as_str())),
        events.as_ref().map(|events| format!("events = {events:?}")),
    ];
    let given: Vec<_> = conditions.into_iter().flatten().collect();
    if given.is_empty() { "every event".to_owned() } else { given.join(", ") }
}
