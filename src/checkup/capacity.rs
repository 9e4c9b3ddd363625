//! What all pods together need of the servers.

use super::Finding;
use crate::config::{BrokerSettings, DatabaseSettings};

/// Connections that a pod opens besides its pool: to hear of changes from other pods.
const BESIDES_POOL: usize = 1;

/// More than this for the bodies in flight of one pod is told: pods are usually given less.
const MUCH_MEMORY: usize = 1 << 30;

/// `pods`: consumers of the incoming queue. `room`: connections that the database gives to its users.
pub(super) fn judge(
    broker: &BrokerSettings,
    database: &DatabaseSettings,
    pods: Option<u32>,
    room: Option<usize>,
) -> Vec<Finding> {
    let mut findings = vec![memory(broker)];
    if let Some(room) = room {
        findings.push(connections(database.pool_size + BESIDES_POOL, pods, room));
    }
    match pods {
        Some(0) => {
            findings.push(Finding::note("pods", "nobody consumes notifications at the moment"));
        }
        Some(pods) => {
            let window = u64::from(pods) * u64::from(broker.prefetch);
            let what = format!("{pods} consuming, with up to {window} deliveries in flight");
            findings.push(Finding::ok("pods", what));
        }
        None => {}
    }
    findings
}

fn memory(broker: &BrokerSettings) -> Finding {
    let bytes = usize::from(broker.prefetch).saturating_mul(broker.max_body_bytes);
    let (prefetch, body) = (broker.prefetch, broker.max_body_bytes);
    let what = format!(
        "bodies in flight take at most {} MiB in each pod (prefetch {prefetch} × {body} bytes)",
        bytes >> 20
    );
    if bytes > MUCH_MEMORY {
        let remedy = "lower broker.prefetch or broker.max_body_bytes, or give pods the memory";
        Finding::warning("memory", what, remedy)
    } else {
        Finding::ok("memory", what)
    }
}

fn connections(each: usize, pods: Option<u32>, room: usize) -> Finding {
    let fit = room / each;
    let what = format!("{room} for everybody, {each} for each pod: room for {fit} pods");
    let remedy = "raise max_connections of PostgreSQL, lower database.pool_size, or put a pooler in session mode between";
    let pods = pods.map_or(0, |pods| usize::try_from(pods).unwrap_or(usize::MAX));
    if fit < pods.max(1) {
        Finding::error("database connections", what, remedy)
    } else if pods > 0 && fit <= pods {
        let what = format!("{what}; a rollout starts one more beside the {pods} that run");
        Finding::warning("database connections", what, remedy)
    } else {
        Finding::ok("database connections", what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Level;

    #[test]
    fn pods_have_to_fit_the_database_and_one_more_for_a_rollout() {
        let cases = [
            (Some(0), 97, Level::Ok),
            (None, 97, Level::Ok),
            (Some(9), 97, Level::Ok),
            (Some(10), 97, Level::Warning),
            (Some(11), 97, Level::Error),
            (None, 8, Level::Error),
        ];
        for (pods, room, level) in cases {
            assert_eq!(connections(9, pods, room).level, level, "{pods:?} in {room}");
        }
    }

    #[test]
    fn much_memory_is_told() {
        let settings = |prefetch| BrokerSettings { prefetch, ..BrokerSettings::default() };
        assert_eq!(memory(&settings(512)).level, Level::Ok);
        assert_eq!(memory(&settings(u16::MAX)).level, Level::Warning);
    }
}
