//! RabbitMQ: what AMQP tells, and what only the management API does.

mod judge;
mod managed;
mod management;
mod policy;

use reqwest::Url;

use self::management::Management;
use super::Finding;
use crate::{
    broker::{BrokerError, Topology},
    config::{BrokerSettings, Settings},
    retry::chain,
};

/// What was found, and what of it concerns the other servers too.
pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    /// Consumers of the incoming queue.
    pub(super) pods: Option<u32>,
}

impl Checked {
    pub(super) fn failed(finding: Finding) -> Self {
        Self { findings: vec![finding], pods: None }
    }
}

/// Asks the broker by AMQP, and its management API if that answers.
pub(super) async fn check(settings: &Settings, management_url: Option<&Url>) -> Checked {
    let broker = &settings.broker;
    let topology = Topology::new(broker, settings.targets());
    let tenant = settings.tenants.first().map_or("tenant", |tenant| tenant.id.as_str());
    let routing_key = format!("{tenant}.onsite.no_payment.booking.created");
    let inspection = match topology.inspect(broker, &routing_key).await {
        Ok(inspection) => inspection,
        Err(error) => return Checked::failed(unreachable(&error)),
    };
    let mut findings = vec![reached(broker)];
    findings.extend(judge::judge(&inspection, broker));
    let uri = broker.uri();
    let vhost = uri.as_ref().map_or("/", |uri| uri.vhost.as_str());
    let managed = match Management::new(broker, management_url) {
        Ok(management) => management.look(vhost, &topology).await,
        Err(error) => Err(error),
    };
    match managed {
        Ok(managed) => {
            let wanted = topology.definitions(vhost);
            findings.extend(managed::judge(&managed, &wanted, &inspection, &topology));
        }
        Err(why) => findings.push(judge::not_managed(&why, vhost)),
    }
    Checked { findings, pods: inspection.consumers }
}

fn reached(broker: &BrokerSettings) -> Finding {
    let Ok(uri) = broker.uri() else { return Finding::ok("broker", "it takes our login") };
    let how = match uri.scheme {
        lapin::uri::AMQPScheme::AMQP => "without TLS",
        lapin::uri::AMQPScheme::AMQPS => "by TLS",
    };
    Finding::ok("broker", format!("it takes our login, {how}, virtual host {}", uri.vhost))
}

fn unreachable(error: &BrokerError) -> Finding {
    let remedy = match error {
        BrokerError::TimedOut(_) => {
            "look whether the broker is frozen or overloaded, or the network drops packets"
        }
        _ => {
            "check broker.url: host, port, user, password and virtual host; and the network on the way"
        }
    };
    Finding::error("broker", chain(error), remedy)
}
