//! What the management API tells, judged.

use serde_json::Value;

use super::{
    Finding,
    management::{Binding, Managed},
    policy::{self, Role},
};
use crate::broker::{Inspection, Standing, Topology};

/// The first version whose quorum queues have time to live and dead-letter at least once.
const OLDEST: (u32, u32) = (3, 10);

/// `wanted` is the topology as definitions.
pub(super) fn judge(
    managed: &Managed,
    wanted: &Value,
    inspection: &Inspection,
    topology: &Topology,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(managed.version.as_deref().map(version));
    findings.extend(bindings(&managed.bindings, wanted));
    findings.extend(arguments(managed, wanted, inspection));
    findings.extend(policies(managed, wanted, topology));
    findings
}

fn version(told: &str) -> Finding {
    let mut numbers = told.split(['.', '-', '+']).map_while(|part| part.parse().ok());
    let what = format!("RabbitMQ {told}");
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => {
            let remedy = "upgrade to 3.10 or newer: older quorum queues have no time to live, which retry queues need";
            Finding::error("broker version", what, remedy)
        }
        _ => Finding::ok("broker version", what),
    }
}

fn bindings(seen: &[Binding], wanted: &Value) -> Vec<Finding> {
    let wanted: Vec<Binding> =
        serde_json::from_value(wanted["bindings"].clone()).unwrap_or_default();
    let missing = |binding: &&Binding| !seen.contains(binding);
    let mut findings: Vec<_> = wanted
        .iter()
        .filter(missing)
        .map(|Binding { source, destination, routing_key }| {
            Finding::error(
                format!("binding of {destination}"),
                format!("{source} does not lead there by {routing_key:?}"),
                "run `docplanner-worker topology declare`; what was published meanwhile is in partner.unrouted",
            )
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok("bindings", format!("all {} are there", wanted.len())));
    }
    findings
}

/// Where the broker itself did not compare.
fn arguments(managed: &Managed, wanted: &Value, inspection: &Inspection) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, standing) in &inspection.queues {
        let Standing::NotCompared(_) = standing else { continue };
        let Some(seen) = managed.queues.iter().find(|queue| queue.name == *name) else { continue };
        let Some(arguments) = wanted_arguments(wanted, name) else { continue };
        for (argument, value) in arguments {
            let has = seen.arguments.get(argument);
            if has != Some(value) {
                let has = has.map_or("nothing".to_owned(), Value::to_string);
                findings.push(Finding::error(
                    format!("queue {name}"),
                    format!("{argument} should be {value} and is {has}"),
                    "its owner has to empty, delete and declare it again; `docplanner-worker topology export` tells how",
                ));
            }
        }
    }
    findings
}

fn policies(managed: &Managed, wanted: &Value, topology: &Topology) -> Vec<Finding> {
    let mut findings = Vec::new();
    for queue in &managed.queues {
        let names: Vec<_> = [&queue.policy, &queue.operator_policy].into_iter().flatten().collect();
        let Some(definition) = queue.definition.as_object() else { continue };
        let Some(arguments) = wanted_arguments(wanted, &queue.name) else { continue };
        let role = Role::of(&queue.name, topology);
        let names: Vec<_> = names.into_iter().map(String::as_str).collect();
        let place = format!("policy {} on queue {}", names.join(" and "), queue.name);
        findings.extend(policy::judge(&place, role, definition, arguments));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("policies", "none contradicts the settings"));
    }
    findings
}

fn wanted_arguments<'w>(
    wanted: &'w Value,
    queue: &str,
) -> Option<&'w serde_json::Map<String, Value>> {
    let queues = wanted["queues"].as_array()?;
    queues.iter().find(|one| one["name"] == queue)?["arguments"].as_object()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        checkup::{Level, broker::management::Queue},
        config::BrokerSettings,
    };

    #[test]
    fn versions_before_quorum_queues_could_do_it_are_refused() {
        for (told, level) in [
            ("3.9.27", Level::Error),
            ("3.10.0", Level::Ok),
            ("3.13.7-rc.1", Level::Ok),
            ("4.0.5", Level::Ok),
            ("odd", Level::Ok),
        ] {
            assert_eq!(version(told).level, level, "{told}");
        }
    }

    #[test]
    fn each_missing_binding_is_told() {
        let topology = Topology::new(&BrokerSettings::default(), []);
        let wanted = topology.definitions("/");
        let mut all: Vec<Binding> = serde_json::from_value(wanted["bindings"].clone()).unwrap();
        assert_eq!(bindings(&all, &wanted)[0].level, Level::Ok);
        let taken = all.remove(0);
        let told = bindings(&all, &wanted);
        assert_eq!((told.len(), told[0].level), (1, Level::Error));
        assert_eq!(told[0].place, format!("binding of {}", taken.destination));
    }

    #[test]
    fn arguments_are_compared_where_the_broker_did_not() {
        let topology = Topology::new(&BrokerSettings::default(), []);
        let wanted = topology.definitions("/");
        let name = topology.incoming().to_owned();
        let mut arguments: std::collections::BTreeMap<_, _> =
            wanted_arguments(&wanted, &name).unwrap().clone().into_iter().collect();
        arguments.remove("x-delivery-limit");
        let queue = Queue { name: name.clone(), arguments, ..Queue::default() };
        let managed = Managed { queues: vec![queue], ..Managed::default() };
        for (standing, findings) in
            [(Standing::NotCompared("refused".into()), 1), (Standing::Same, 0)]
        {
            let queues = vec![(name.clone(), standing)];
            let inspection = Inspection { queues, ..Inspection::default() };
            let told = super::arguments(&managed, &wanted, &inspection);
            assert_eq!(told.len(), findings, "{told:?}");
        }
    }

    #[test]
    fn policies_are_named_with_their_queue() {
        let topology = Topology::new(&BrokerSettings::default(), []);
        let queue = Queue {
            name: topology.dead(),
            policy: Some("short".into()),
            definition: json!({ "message-ttl": 1000 }),
            ..Queue::default()
        };
        let managed = Managed { queues: vec![queue], ..Managed::default() };
        let told = policies(&managed, &topology.definitions("/"), &topology);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].place, format!("policy short on queue {}", topology.dead()));
    }
}
