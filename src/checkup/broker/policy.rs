//! Policies against what the settings need of a queue.
//!
//! For most keys a queue's argument has priority over a policy. For limits the smaller one is in force, so a policy can
//! make a queue lose what the arguments say it keeps.

use serde_json::{Map, Value};

use super::Finding;
use crate::broker::Topology;

/// What a queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Notifications arrive.
    Incoming,
    /// Deliveries wait for their next try.
    Retry,
    /// What was set aside for a person.
    Dead,
    /// Events for a partner.
    Partner,
}

impl Role {
    pub(super) fn of(queue: &str, topology: &Topology) -> Self {
        if queue == topology.incoming() {
            Role::Incoming
        } else if queue == topology.dead() {
            Role::Dead
        } else if queue.starts_with(&format!("{}.retry.", topology.incoming())) {
            Role::Retry
        } else {
            Role::Partner
        }
    }

    fn holds(self) -> &'static str {
        match self {
            Role::Incoming => "notifications",
            Role::Retry => "deliveries that wait for a retry",
            Role::Dead => "dead letters",
            Role::Partner => "events",
        }
    }
}

const REMEDY: &str = "change the policy, or its pattern so that it does not match this queue; `rabbitmqctl list_policies` \
                      and `list_operator_policies` show them";

/// What is in force by policy for a queue of this role and these arguments, as far as it harms.
pub(super) fn judge(
    place: &str,
    role: Role,
    policy: &Map<String, Value>,
    arguments: &Map<String, Value>,
) -> Vec<Finding> {
    let harm = policy.iter().filter_map(|(key, value)| {
        let (is_error, what) = harm(role, key, value, policy, arguments)?;
        let what = format!("{key} = {value}: {what}");
        Some(if is_error {
            Finding::error(place, what, REMEDY)
        } else {
            Finding::warning(place, what, REMEDY)
        })
    });
    harm.collect()
}

/// Whether it is an error, and what comes of it.
fn harm(
    role: Role,
    key: &str,
    value: &Value,
    policy: &Map<String, Value>,
    arguments: &Map<String, Value>,
) -> Option<(bool, String)> {
    let holds = role.holds();
    let argument = |name: &str| arguments.get(&format!("x-{name}"));
    let is_less = || match (value.as_i64(), argument(key).and_then(Value::as_i64)) {
        (Some(policy), Some(argument)) => policy < argument,
        _ => true,
    };
    match (key, role) {
        ("message-ttl", Role::Incoming) => {
            Some((true, "notifications that wait longer become dead letters".into()))
        }
        ("message-ttl", Role::Retry) => {
            is_less().then(|| (false, "retries come sooner than broker.retry_delays say".into()))
        }
        ("message-ttl", Role::Dead) => {
            Some((true, "dead letters disappear before anybody has looked at them".into()))
        }
        ("message-ttl", Role::Partner) => {
            Some((false, "events disappear if their consumer is away for longer".into()))
        }
        ("max-length" | "max-length-bytes", _) => {
            let overflow = argument("overflow").or_else(|| policy.get("overflow"));
            match overflow.and_then(Value::as_str) {
                Some("reject-publish" | "reject-publish-dlx") => {
                    Some((false, format!("the queue refuses {holds} when it is full")))
                }
                _ => Some((true, format!("the oldest {holds} are dropped when it is full"))),
            }
        }
        ("expires", _) => {
            Some((true, format!("the queue is deleted with its {holds} when nobody uses it")))
        }
        ("delivery-limit", Role::Incoming) => {
            let what = "a delivery is dead-lettered by the broker after fewer crashes than the worker counts on";
            is_less().then(|| (false, what.into()))
        }
        ("delivery-limit", Role::Dead) => {
            let what = "dead letters are dropped after they were looked at this often";
            is_less().then(|| (true, what.into()))
        }
        ("dead-letter-exchange", Role::Dead) => {
            Some((false, "dead letters that the broker drops go elsewhere".into()))
        }
        ("consumer-timeout", Role::Incoming) if value.as_i64().is_some_and(|ms| ms < 300_000) => {
            Some((false, "consumers are cut off while they wait for a database or an API".into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checkup::Level;

    #[test]
    fn what_a_policy_does_to_a_queue_depends_on_its_role_and_arguments() {
        let ours = json!({ "x-message-ttl": 5000, "x-delivery-limit": 20, "x-overflow": "reject-publish" });
        let none = json!({});
        let cases = [
            (Role::Incoming, json!({ "message-ttl": 1000 }), &ours, Some(Level::Error)),
            (Role::Retry, json!({ "message-ttl": 1000 }), &ours, Some(Level::Warning)),
            (Role::Retry, json!({ "message-ttl": 9000 }), &ours, None),
            (Role::Dead, json!({ "message-ttl": 9000 }), &none, Some(Level::Error)),
            (Role::Partner, json!({ "message-ttl": 9000 }), &none, Some(Level::Warning)),
            (Role::Incoming, json!({ "max-length": 10 }), &ours, Some(Level::Warning)),
            (Role::Partner, json!({ "max-length": 10 }), &none, Some(Level::Error)),
            (
                Role::Partner,
                json!({ "max-length": 10, "overflow": "reject-publish" }),
                &none,
                Some(Level::Warning),
            ),
            (Role::Dead, json!({ "expires": 10 }), &none, Some(Level::Error)),
            (Role::Incoming, json!({ "delivery-limit": 3 }), &ours, Some(Level::Warning)),
            (Role::Incoming, json!({ "delivery-limit": 30 }), &ours, None),
            (Role::Dead, json!({ "delivery-limit": 3 }), &ours, Some(Level::Error)),
            (Role::Partner, json!({ "delivery-limit": 3 }), &none, None),
            (Role::Incoming, json!({ "dead-letter-exchange": "x" }), &ours, None),
            (Role::Dead, json!({ "dead-letter-exchange": "x" }), &none, Some(Level::Warning)),
            (Role::Incoming, json!({ "consumer-timeout": 1000 }), &ours, Some(Level::Warning)),
            (Role::Incoming, json!({ "queue-leader-locator": "balanced" }), &ours, None),
        ];
        for (role, policy, arguments, level) in cases {
            let (policy, arguments) = (policy.as_object().unwrap(), arguments.as_object().unwrap());
            let told = judge("policy", role, policy, arguments);
            let levels: Vec<_> = told.iter().map(|finding| finding.level).collect();
            assert_eq!(levels, Vec::from_iter(level), "{role:?} {policy:?}");
        }
    }
}
