//! A look at what the broker has of a topology and what it lets us do. Nothing is declared, published or consumed.

use std::{future::pending, time::Duration};

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, Event as ConnectionEvent,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;

use super::{Exchange, Queue, Topology};
use crate::{
    broker::connection::{BrokerError, connect, step},
    config::BrokerSettings,
    retry::chain,
};

const CLOSING_TIMEOUT: Duration = Duration::from_millis(500);

/// What a look has seen.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Our own exchanges.
    pub exchanges: Vec<(String, Standing)>,
    /// Other people's exchanges that routes lead to, and whether they are there.
    pub foreign_exchanges: Vec<(String, Standing)>,
    /// All queues.
    pub queues: Vec<(String, Standing)>,
    /// Consumers of the incoming queue, if it is there.
    pub consumers: Option<u32>,
    /// Whether we may consume, by queue.
    pub consuming: Vec<(String, Access)>,
    /// Whether we may publish, by exchange; the nameless one leads to queues.
    pub publishing: Vec<(String, Access)>,
    /// Publishing is blocked by an alarm of the broker, for this reason.
    pub blocked: Option<String>,
}

/// How an exchange or a queue is, compared with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// As it should be.
    Same,
    /// Not there.
    Missing,
    /// Of another type, or with other arguments; in the broker's words.
    Other(String),
    /// There; we may not declare it, so the broker does not compare. In its words.
    NotCompared(String),
}

/// Whether we may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Yes.
    Granted,
    /// No; in the broker's words.
    Refused(String),
    /// It could not be asked, because what it is about is not there.
    Unknown,
}

impl Topology {
    /// Looks at everything. `routing_key` is one that events are published with: permissions may depend on it.
    ///
    /// # Errors
    ///
    /// If the broker is away, or does not answer.
    pub async fn inspect(
        &self,
        settings: &BrokerSettings,
        routing_key: &str,
    ) -> Result<Inspection, BrokerError> {
        let connection = connect(settings, "check").await?;
        let mut inspection = Inspection::default();
        for exchange in &self.exchanges {
            let standing = exchange.standing(&connection).await?;
            inspection.exchanges.push((exchange.name.clone(), standing));
        }
        for name in self.foreign_exchanges() {
            let exchange = Exchange { name, kind: "topic", arguments: vec![] };
            let standing = exchange.is_there(&connection).await?;
            inspection.foreign_exchanges.push((exchange.name, standing));
        }
        for queue in self.queues() {
            let standing = queue.standing(&connection, &mut inspection.consumers, &self.incoming);
            inspection.queues.push((queue.name.clone(), standing.await?));
        }
        for queue in [self.incoming.clone(), self.dead()] {
            let access = may_consume(&connection, &queue).await?;
            inspection.consuming.push((queue, access));
        }
        inspection.look_at_publishing(self, settings, routing_key).await?;
        let _ = timeout(CLOSING_TIMEOUT, connection.close(200, "seen".into())).await;
        Ok(inspection)
    }
}

impl Inspection {
    /// On a connection of its own, which a broker with an alarm stops reading.
    async fn look_at_publishing(
        &mut self,
        topology: &Topology,
        settings: &BrokerSettings,
        routing_key: &str,
    ) -> Result<(), BrokerError> {
        let connection = connect(settings, "check publishing").await?;
        let mut events = connection.events_listener();
        let blocked = async {
            while let Some(event) = events.next().await {
                if let ConnectionEvent::ConnectionBlocked(reason) = event {
                    return reason;
                }
            }
            pending().await
        };
        let names = [String::new(), settings.exchange.clone()];
        let asking = async {
            let mut publishing = Vec::new();
            for exchange in names.into_iter().chain(topology.foreign_exchanges()) {
                let access = may_publish(&connection, &exchange, routing_key).await?;
                publishing.push((exchange, access));
            }
            Ok::<_, BrokerError>(publishing)
        };
        tokio::select! {
            reason = blocked => self.blocked = Some(reason),
            publishing = asking => self.publishing = publishing?,
        }
        // A blocked broker does not answer this either, and everything is known.
        let _ = timeout(CLOSING_TIMEOUT, connection.close(200, "seen".into())).await;
        Ok(())
    }
}

impl Exchange {
    async fn standing(&self, connection: &Connection) -> Result<Standing, BrokerError> {
        match self.is_there(connection).await? {
            // It exists: the broker compares, and creates nothing.
            Standing::Same => {
                let declared =
                    on_channel(connection, async |channel| self.declare(channel, false).await);
                compared(declared.await)
            }
            standing => Ok(standing),
        }
    }

    async fn is_there(&self, connection: &Connection) -> Result<Standing, BrokerError> {
        compared(on_channel(connection, async |channel| self.declare(channel, true).await).await)
    }
}

impl Queue {
    async fn standing(
        &self,
        connection: &Connection,
        consumers: &mut Option<u32>,
        incoming: &str,
    ) -> Result<Standing, BrokerError> {
        let seen = on_channel(connection, async |channel| {
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let name = self.name.as_str().into();
            let declared = channel.queue_declare(name, options, FieldTable::default());
            step("cannot look at a queue", declared).await
        });
        match seen.await {
            Ok(queue) if self.name == incoming => *consumers = Some(queue.consumer_count()),
            Ok(_) => {}
            Err(error) => return compared(Err(error)),
        }
        // It exists: the broker compares, and creates nothing.
        let declared =
            on_channel(connection, async |channel| self.declare(channel, false).await).await;
        compared(declared)
    }
}

/// Asks for deliveries in a way that the broker refuses, after it has looked whether we may.
async fn may_consume(connection: &Connection, queue: &str) -> Result<Access, BrokerError> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-priority".into(), AMQPValue::LongString("no number".into()));
    let asked = on_channel(connection, async |channel| {
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue.into(), "".into(), options, arguments);
        step("cannot consume", consumer).await.map(|_| ())
    });
    match asked.await {
        Err(error) if soft(&error) == Some(AMQPSoftError::PRECONDITIONFAILED) => {
            Ok(Access::Granted)
        }
        asked => access(asked),
    }
}

/// Publishes within a transaction that is rolled back: the broker looks whether we may, and forgets the message.
async fn may_publish(
    connection: &Connection,
    exchange: &str,
    routing_key: &str,
) -> Result<Access, BrokerError> {
    let asked = on_channel(connection, async |channel| {
        step("cannot begin a transaction", channel.tx_select()).await?;
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let published =
            channel.basic_publish(exchange.into(), routing_key.into(), options, &[], properties);
        step("cannot publish", published).await?;
        step("cannot roll back", channel.tx_rollback()).await
    });
    access(asked.await)
}

fn access(asked: Result<(), BrokerError>) -> Result<Access, BrokerError> {
    match asked {
        Ok(()) => Ok(Access::Granted),
        Err(error) => match soft(&error) {
            Some(AMQPSoftError::ACCESSREFUSED) => Ok(Access::Refused(words(&error))),
            Some(AMQPSoftError::NOTFOUND) => Ok(Access::Unknown),
            _ => Err(error),
        },
    }
}

fn compared(asked: Result<(), BrokerError>) -> Result<Standing, BrokerError> {
    match asked {
        Ok(()) => Ok(Standing::Same),
        Err(error) => match soft(&error) {
            Some(AMQPSoftError::NOTFOUND) => Ok(Standing::Missing),
            Some(AMQPSoftError::ACCESSREFUSED) => Ok(Standing::NotCompared(words(&error))),
            Some(_) => Ok(Standing::Other(words(&error))),
            None => Err(error),
        },
    }
}

/// Asks on a channel of its own, because the broker closes one whose question it refuses.
async fn on_channel<T>(
    connection: &Connection,
    asking: impl AsyncFnOnce(&Channel) -> Result<T, BrokerError>,
) -> Result<T, BrokerError> {
    let channel = step("cannot open a channel", connection.create_channel()).await?;
    let asked = asking(&channel).await;
    if asked.is_ok() {
        step("cannot close a channel", channel.close(200, "seen".into())).await?;
    }
    asked
}

fn soft(error: &BrokerError) -> Option<AMQPSoftError> {
    let BrokerError::Refused { source, .. } = error else { return None };
    let lapin::ErrorKind::ProtocolError(error) = source.kind() else { return None };
    match error.kind() {
        AMQPErrorKind::Soft(soft) => Some(soft.clone()),
        AMQPErrorKind::Hard(_) => None,
    }
}

/// What the broker said.
fn words(error: &BrokerError) -> String {
    match error {
        BrokerError::Refused { source, .. } => match source.kind() {
            lapin::ErrorKind::ProtocolError(error) => error.get_message().to_string(),
            _ => chain(error),
        },
        error => chain(error),
    }
}
