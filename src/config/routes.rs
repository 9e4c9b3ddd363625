//! `[[tenants.routes]]`: what a tenant's own rules say, and what cannot be meant.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{BrokerSettings, Problem, Settings, TenantSettings, load::nearest, validate::problem};
use crate::{
    event::{EventKind, Modality},
    route::{Rule, Target, kinds_of},
};

/// AMQP's bound for names and routing keys.
const LONGEST_NAME: usize = 255;

/// `[[tenants.routes]]`: the first one that matches says where an event goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(
    extend("oneOf" = [
        { "required": ["queue"] },
        { "required": ["exchange", "routing_key"] },
        { "required": ["drop"], "properties": { "drop": { "const": true } } },
    ]),
    extend("dependencies" = { "exchange": ["routing_key"], "routing_key": ["exchange"] })
)]
pub struct RouteSettings {
    /// `match`: what the event has to be.
    #[serde(rename = "match")]
    pub matches: MatchSettings,
    /// Into this queue, which is declared.
    #[schemars(length(min = 1, max = 255))]
    pub queue: Option<String>,
    /// To this exchange, which has to be there.
    #[schemars(length(min = 1, max = 255))]
    pub exchange: Option<String>,
    /// With this routing key.
    #[schemars(length(max = 255))]
    pub routing_key: Option<String>,
    /// Nowhere.
    pub drop: bool,
}

/// What an event has to be for a route; all of it that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MatchSettings {
    /// The address's flag `is_online_only`.
    pub online_only: Option<bool>,
    /// The address's flag `visit_payment`.
    pub visit_payment: Option<bool>,
    /// `online`, `onsite` or `unknown`, as in the event.
    pub modality: Option<Modality>,
    /// `"booking.*"`, `"payment.paid"`, `"*"`.
    #[schemars(length(min = 1), extend("examples" = [["booking.*", "payment.paid"], ["*"]]))]
    pub events: Option<Vec<String>>,
}

impl TenantSettings {
    /// Adds what is wrong with the routes.
    pub(super) fn validate_routes(
        &self,
        path: &str,
        broker: &BrokerSettings,
        problems: &mut Vec<Problem>,
    ) {
        for (nth, route) in self.routes.iter().enumerate() {
            route.validate(&format!("{path}.routes[{nth}]"), broker, problems);
        }
        let rules: Vec<Rule> = self.routes.iter().map(Rule::from).collect();
        for (nth, rule) in rules.iter().enumerate() {
            // One whose patterns name nothing is told already.
            let names_any = rule.conditions.events.as_ref().is_none_or(|kinds| !kinds.is_empty());
            let earlier = rules[..nth].iter().position(|it| it.conditions.cover(&rule.conditions));
            if let Some(earlier) = earlier.filter(|_| names_any) {
                let why =
                    format!("is never reached: routes[{earlier}] takes every event that matches");
                problem(problems, &format!("{path}.routes[{nth}].match"), why);
            }
        }
    }
}

impl Settings {
    /// Where the tenants' routes lead.
    pub fn targets(&self) -> impl Iterator<Item = Target> {
        let routes = self.tenants.iter().flat_map(|tenant| &tenant.routes);
        routes.map(|route| Rule::from(route).target)
    }
}

impl RouteSettings {
    fn validate(&self, path: &str, broker: &BrokerSettings, problems: &mut Vec<Problem>) {
        let Self { queue, exchange, routing_key, drop, .. } = self;
        let targets = [queue.is_some(), exchange.is_some(), *drop];
        if targets.iter().filter(|given| **given).count() != 1 {
            let form =
                "give exactly one of `queue`, `exchange` with `routing_key`, and `drop = true`";
            problem(problems, path, form);
        }
        if exchange.is_some() != routing_key.is_some() {
            problem(problems, path, "`exchange` and `routing_key` belong together");
        }
        if let Some(queue) = queue {
            validate_name(queue, &format!("{path}.queue"), problems);
            if is_worked_on(queue, broker) {
                let why = "is a queue of the worker's own: events would come back as notifications";
                problem(problems, &format!("{path}.queue"), why);
            }
        }
        if let Some(exchange) = exchange {
            validate_name(exchange, &format!("{path}.exchange"), problems);
        }
        if routing_key.as_ref().is_some_and(|routing_key| routing_key.len() > LONGEST_NAME) {
            problem(problems, &format!("{path}.routing_key"), "must have at most 255 bytes");
        }
        self.matches.validate(&format!("{path}.match"), problems);
    }
}

impl MatchSettings {
    fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let Some(patterns) = &self.events else { return };
        if patterns.is_empty() {
            let why = "names no event; leave it out for all of them";
            problem(problems, &format!("{path}.events"), why);
        }
        for (nth, pattern) in patterns.iter().enumerate() {
            if kinds_of(pattern).is_empty() {
                let path = format!("{path}.events[{nth}]");
                problem(problems, &path, unknown_event(pattern));
            }
        }
    }
}

/// Whether the worker itself takes what is in there, or puts into it what is no event.
fn is_worked_on(queue: &str, broker: &BrokerSettings) -> bool {
    let of_ours = queue.strip_prefix(&broker.queue);
    of_ours.is_some_and(|rest| rest.is_empty() || rest == ".dead" || rest.starts_with(".retry."))
}

fn validate_name(name: &str, path: &str, problems: &mut Vec<Problem>) {
    if name.is_empty() || name.len() > LONGEST_NAME {
        problem(problems, path, "expected a name of 1 to 255 bytes");
    }
}

/// With the nearest event, or pattern of events.
fn unknown_event(pattern: &str) -> String {
    let names = EventKind::ALL.map(EventKind::name);
    let entities = names.iter().filter_map(|name| Some(format!("{}.*", name.split_once('.')?.0)));
    let known: Vec<String> = names.iter().map(ToString::to_string).chain(entities).collect();
    match nearest(pattern, known.iter().map(String::as_str)) {
        Some(nearest) => format!("matches no event; did you mean `{nearest}`?"),
        None => "matches no event; the README lists them".to_owned(),
    }
}
