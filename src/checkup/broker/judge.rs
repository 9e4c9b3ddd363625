//! What AMQP tells, judged.

use super::Finding;
use crate::{
    broker::{Access, Inspection, Standing},
    config::BrokerSettings,
};

const DECLARE: &str =
    "run `docplanner-worker topology declare`, or start a worker with declare_topology = true";
const RECREATE: &str = "empty and delete it, then run `docplanner-worker topology declare`; \
                        `docplanner-worker topology export` tells what it should be";
const FOREIGN: &str =
    "its owner has to declare it; until then the events of its route become dead letters";

pub(super) fn judge(inspection: &Inspection, settings: &BrokerSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(things("exchange", &inspection.exchanges, settings));
    findings.extend(things("queue", &inspection.queues, settings));
    findings.extend(foreign(&inspection.foreign_exchanges));
    findings.extend(permissions(inspection, settings));
    match &inspection.blocked {
        Some(reason) => findings.push(Finding::error(
            "broker alarm",
            format!("publishing is blocked: {reason}"),
            "give the broker memory or disk, or drain queues; `rabbitmq-diagnostics alarms` tells which node",
        )),
        None => findings.push(Finding::ok("broker alarm", "none")),
    }
    findings
}

/// Ours: one finding for each that is wrong, and one for all that are not.
fn things(kind: &str, seen: &[(String, Standing)], settings: &BrokerSettings) -> Vec<Finding> {
    let mut good = 0;
    let mut findings = Vec::new();
    for (name, standing) in seen {
        let place = format!("{kind} {name}");
        match standing {
            Standing::Same => good += 1,
            Standing::Missing => findings.push(Finding::error(place, "it is not there", DECLARE)),
            Standing::Other(words) => findings.push(Finding::error(place, words, RECREATE)),
            // Told as a permission, where it matters.
            Standing::NotCompared(_) if settings.declare_topology => {}
            Standing::NotCompared(_) => {
                let what = "it is there; the broker compares its arguments only for users who may configure it";
                findings.push(Finding::note(place, what));
            }
        }
    }
    if good > 0 {
        let s = if good == 1 { "" } else { "s" };
        let what = format!("{good} {kind}{s} of the type and with the arguments of the settings");
        findings.insert(0, Finding::ok(format!("{kind}s"), what));
    }
    findings
}

fn foreign(seen: &[(String, Standing)]) -> Vec<Finding> {
    let judge = |(name, standing): &(String, Standing)| {
        let place = format!("exchange {name} of a route");
        match standing {
            Standing::Missing => Finding::error(place, "it is not there", FOREIGN),
            _ => Finding::ok(place, "it is there"),
        }
    };
    seen.iter().map(judge).collect()
}

/// What `run` does, and whether it may.
fn permissions(inspection: &Inspection, settings: &BrokerSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let things = inspection.exchanges.iter().chain(&inspection.queues);
    let configure = things.filter_map(|(name, standing)| match standing {
        Standing::NotCompared(words) => Some((name, words)),
        _ => None,
    });
    let configure: Vec<_> = configure.collect();
    if let Some((_, words)) = configure.first().filter(|_| settings.declare_topology) {
        let names: Vec<_> = configure.iter().map(|(name, _)| name.as_str()).collect();
        findings.push(Finding::error(
            "permission to configure",
            format!("refused for {}: {words}", names.join(", ")),
            "grant it with `rabbitmqctl set_permissions`, or set declare_topology = false and declare the topology \
             as another user",
        ));
    }
    for (queue, access) in &inspection.consuming {
        if let Access::Refused(words) = access {
            let remedy = format!("grant read on {queue} with `rabbitmqctl set_permissions`");
            findings.push(Finding::error("permission to read", words, remedy));
        }
    }
    for (exchange, access) in &inspection.publishing {
        if let Access::Refused(words) = access {
            let name = if exchange.is_empty() { "amq.default" } else { exchange };
            let why = if exchange.is_empty() {
                ", which leads to retry and dead-letter queues"
            } else {
                ""
            };
            let remedy = format!("grant write on {name}{why}, with `rabbitmqctl set_permissions`");
            findings.push(Finding::error("permission to write", words, remedy));
        }
    }
    if findings.is_empty() {
        let configure = if settings.declare_topology { "declare, " } else { "" };
        let what = format!("may {configure}consume and publish as `run` does");
        if inspection.blocked.is_none() {
            findings.push(Finding::ok("permissions", what));
        } else {
            let what = "may consume; a broker with an alarm does not tell whether we may publish";
            findings.push(Finding::note("permissions", what));
        }
    }
    findings
}

/// What is left to the operator where the management API does not answer.
pub(super) fn not_managed(why: &str, vhost: &str) -> Finding {
    let what = format!("{why}; so bindings, policies, and the broker's version are not looked at");
    let remedy = format!(
        "give --management-url, and the user the tag `management`; or look yourself: `rabbitmqctl -p {vhost} \
         list_bindings`, `rabbitmqctl -p {vhost} list_policies`, `rabbitmqctl version`"
    );
    Finding::note("management API", what).with_remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Level;

    fn settings(declare_topology: bool) -> BrokerSettings {
        BrokerSettings { declare_topology, ..BrokerSettings::default() }
    }

    fn inspection(standing: Standing) -> Inspection {
        let queues = vec![("in".to_owned(), standing), ("dead".to_owned(), Standing::Same)];
        Inspection { queues, ..Inspection::default() }
    }

    fn told(inspection: &Inspection, declares: bool) -> Vec<(Level, String)> {
        let findings = judge(inspection, &settings(declares));
        findings.into_iter().map(|finding| (finding.level, finding.place)).collect()
    }

    #[test]
    fn each_wrong_queue_is_told_and_good_ones_are_counted() {
        let queue = (Level::Error, "queue in".to_owned());
        for wrong in [Standing::Missing, Standing::Other("inequivalent arg".into())] {
            let told = told(&inspection(wrong), true);
            assert!(told.contains(&queue), "{told:?}");
            assert!(told.contains(&(Level::Ok, "queues".to_owned())), "{told:?}");
        }
        assert!(!told(&inspection(Standing::Same), true).contains(&queue));
    }

    #[test]
    fn a_user_who_may_not_configure_is_wrong_only_where_the_worker_declares() {
        let refused = inspection(Standing::NotCompared("refused for user".into()));
        let configure = (Level::Error, "permission to configure".to_owned());
        assert!(told(&refused, true).contains(&configure));
        let verifying = told(&refused, false);
        assert!(verifying.contains(&(Level::Note, "queue in".to_owned())), "{verifying:?}");
        assert!(verifying.iter().all(|(level, _)| *level != Level::Error), "{verifying:?}");
    }

    #[test]
    fn refused_consuming_and_publishing_and_alarms_are_errors() {
        let refused = || Access::Refused("no".into());
        let mut seen = inspection(Standing::Same);
        seen.consuming = vec![("in".into(), refused())];
        seen.publishing = vec![(String::new(), refused()), ("out".into(), Access::Unknown)];
        seen.blocked = Some("low on disk".into());
        let told = told(&seen, true);
        for place in ["permission to read", "permission to write", "broker alarm"] {
            let told = told.iter().filter(|it| **it == (Level::Error, place.to_owned()));
            assert_eq!(told.count(), 1, "{place}");
        }
    }
}
