//! The one list of exchanges, queues and bindings: declared, verified and exported from here.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use lapin::{
    Channel, Connection, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};

use super::connection::{BrokerError, step};
use crate::{config::BrokerSettings, route::Target};

/// How often a message may die with its consumer before the broker itself dead-letters it. The
/// worker isolates a poisonous message long before; this bounds what is left, and is RabbitMQ 4's
/// default.
const DELIVERY_LIMIT: i64 = 20;

/// Dead letters are looked at and put back by people and tools; RabbitMQ 4 would drop one that was
/// put back 20 times.
const NO_DELIVERY_LIMIT: i64 = 1_000_000;

/// The queues for all tenants, and what they are bound by.
const PARTNER_QUEUES: [(&str, &[&str]); 5] = [
    ("partner.onsite", &["*.onsite.no_payment.#"]),
    ("partner.onsite.payment", &["*.onsite.payment.#"]),
    ("partner.online", &["*.online.no_payment.#"]),
    ("partner.online.payment", &["*.online.payment.#"]),
    ("partner.unclassified", &["*.unknown.#", "*.*.unknown.#"]),
];

/// What no binding took.
const UNROUTED: &str = "partner.unrouted";

/// Exchanges, queues and bindings as the settings name them. Clones follow the tenants' routes together.
#[derive(Debug, Clone)]
pub struct Topology {
    exchanges: Vec<Exchange>,
    queues: Vec<Queue>,
    bindings: Vec<Binding>,
    declare: bool,
    incoming: String,
    routed: Arc<RwLock<Routed>>,
}

/// What only tenants' routes name.
#[derive(Debug, Default)]
struct Routed {
    queues: Vec<Queue>,
    /// Other people's: looked for, and never declared.
    exchanges: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Exchange {
    name: String,
    kind: &'static str,
    arguments: Vec<(&'static str, Argument)>,
}

#[derive(Debug, Clone)]
struct Queue {
    name: String,
    arguments: Vec<(&'static str, Argument)>,
}

#[derive(Debug, Clone)]
struct Binding {
    exchange: String,
    queue: String,
    routing_key: &'static str,
}

#[derive(Debug, Clone)]
enum Argument {
    Text(String),
    Number(i64),
}

impl Topology {
    /// The topology for these settings, and these targets of tenants' routes.
    #[must_use]
    pub fn new(settings: &BrokerSettings, targets: impl IntoIterator<Item = Target>) -> Self {
        let unrouted = format!("{}.unrouted", settings.exchange);
        let incoming = &settings.queue;
        let mut queues = vec![
            Queue::quorum(incoming, dead_lettering_to(&dead_queue(incoming)))
                .with("x-delivery-limit", DELIVERY_LIMIT),
            Queue::quorum(&dead_queue(incoming), vec![])
                .with("x-delivery-limit", NO_DELIVERY_LIMIT),
        ];
        queues.extend(settings.retry_delays.iter().map(|delay| {
            let ttl = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
            Queue::quorum(&retry_queue(incoming, *delay), dead_lettering_to(incoming))
                .with("x-message-ttl", ttl)
        }));
        let mut bindings = Vec::new();
        for (queue, routing_keys) in PARTNER_QUEUES {
            queues.push(Queue::quorum(queue, vec![]));
            bindings.extend(routing_keys.iter().map(|routing_key| Binding {
                exchange: settings.exchange.clone(),
                queue: queue.to_owned(),
                routing_key,
            }));
        }
        queues.push(Queue::quorum(UNROUTED, vec![]));
        bindings.push(Binding {
            exchange: unrouted.clone(),
            queue: UNROUTED.to_owned(),
            routing_key: "",
        });
        let exchanges = vec![
            Exchange { name: unrouted.clone(), kind: "fanout", arguments: vec![] },
            Exchange {
                name: settings.exchange.clone(),
                kind: "topic",
                arguments: vec![("alternate-exchange", Argument::Text(unrouted))],
            },
        ];
        let (declare, incoming) = (settings.declare_topology, incoming.clone());
        let routed = Arc::default();
        let topology = Self { exchanges, queues, bindings, declare, incoming, routed };
        topology.route_to(targets);
        topology
    }

    /// What routes lead to from now on, for all clones.
    pub fn route_to(&self, targets: impl IntoIterator<Item = Target>) {
        let (mut queues, mut exchanges) = (BTreeSet::new(), BTreeSet::new());
        for target in targets {
            match target {
                Target::Queue(queue) => drop(queues.insert(queue)),
                Target::Exchange { name, .. } => drop(exchanges.insert(name)),
                Target::Drop => {}
            }
        }
        queues.retain(|name| self.queues.iter().all(|queue| queue.name != *name));
        exchanges.retain(|name| self.exchanges.iter().all(|exchange| exchange.name != *name));
        let queues = queues.iter().map(|queue| Queue::quorum(queue, vec![])).collect();
        let mut routed = self.routed.write().unwrap_or_else(PoisonError::into_inner);
        *routed = Routed { queues, exchanges };
    }

    /// Every queue, those of tenants' routes at the end.
    fn queues(&self) -> Vec<Queue> {
        let routed = self.routed.read().unwrap_or_else(PoisonError::into_inner);
        [self.queues.as_slice(), &routed.queues].concat()
    }

    /// The exchanges of others that routes lead to.
    fn foreign_exchanges(&self) -> BTreeSet<String> {
        self.routed.read().unwrap_or_else(PoisonError::into_inner).exchanges.clone()
    }

    /// Which exchanges that routes lead to are not there.
    ///
    /// # Errors
    ///
    /// If the broker does not tell.
    pub async fn missing_exchanges(
        &self,
        connection: &Connection,
    ) -> Result<Vec<String>, BrokerError> {
        let mut missing = Vec::new();
        for name in self.foreign_exchanges() {
            // A channel for each: the answer that there is none closes it.
            let channel = step("cannot open a channel", connection.create_channel()).await?;
            let exchange = Exchange { name, kind: "topic", arguments: vec![] };
            match exchange.declare(&channel, true).await {
                Ok(()) => step("cannot close a channel", channel.close(200, "seen".into())).await?,
                Err(error) if is_not_found(&error) => missing.push(exchange.name),
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    /// The queue that notifications arrive in.
    #[must_use]
    pub fn incoming(&self) -> &str {
        &self.incoming
    }

    /// The names of all queues, those of tenants' routes at the end.
    #[must_use]
    pub fn queue_names(&self) -> Vec<String> {
        self.queues().into_iter().map(|queue| queue.name).collect()
    }

    /// The queue for what is set aside.
    #[must_use]
    pub fn dead(&self) -> String {
        dead_queue(&self.incoming)
    }

    /// The queue that a delivery waits in for `delay`.
    #[must_use]
    pub fn retry(&self, delay: Duration) -> String {
        retry_queue(&self.incoming, delay)
    }

    /// Whether what is missing is declared by us.
    #[must_use]
    pub fn declares(&self) -> bool {
        self.declare
    }

    /// Declares what is missing, or, where topology is owned elsewhere, verifies that it is there.
    ///
    /// # Errors
    ///
    /// If something is missing, or exists with other arguments.
    pub async fn ensure(&self, connection: &Connection) -> Result<(), BrokerError> {
        if self.declare { self.declare(connection).await } else { self.verify(connection).await }
    }

    /// Declares everything. What exists with the same arguments stays as it is.
    ///
    /// # Errors
    ///
    /// If something exists with other arguments, or we may not.
    pub async fn declare(&self, connection: &Connection) -> Result<(), BrokerError> {
        // A channel of its own: a refused declaration closes it.
        let channel = step("cannot open a channel", connection.create_channel()).await?;
        for exchange in &self.exchanges {
            exchange.declare(&channel, false).await?;
        }
        for queue in self.queues() {
            queue.declare(&channel, false).await?;
        }
        for binding in &self.bindings {
            let bound = channel.queue_bind(
                binding.queue.as_str().into(),
                binding.exchange.as_str().into(),
                binding.routing_key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            step("cannot bind a queue", bound).await?;
        }
        step("cannot close a channel", channel.close(200, "declared".into())).await
    }

    /// Whether the dead-letter queue, which has to be there, has the arguments that we give it. Not being allowed to
    /// ask is no.
    pub(crate) async fn dead_is_as_declared(
        &self,
        connection: &Connection,
    ) -> Result<bool, BrokerError> {
        let channel = step("cannot open a channel", connection.create_channel()).await?;
        let dead = self.dead();
        let Some(queue) = self.queues.iter().find(|queue| queue.name == dead) else {
            return Ok(false);
        };
        // The broker closes the channel of a declaration that it refuses.
        let is_same = queue.declare(&channel, false).await.is_ok();
        if is_same {
            step("cannot close a channel", channel.close(200, "asked".into())).await?;
        }
        Ok(is_same)
    }

    async fn verify(&self, connection: &Connection) -> Result<(), BrokerError> {
        let channel = step("cannot open a channel", connection.create_channel()).await?;
        for exchange in &self.exchanges {
            exchange.declare(&channel, true).await?;
        }
        for queue in self.queues() {
            queue.declare(&channel, true).await?;
        }
        step("cannot close a channel", channel.close(200, "verified".into())).await
    }

    /// The topology as RabbitMQ definitions, to be imported with `rabbitmqctl import_definitions`.
    #[must_use]
    pub fn definitions(&self, vhost: &str) -> Value {
        json!({
            "exchanges": self.exchanges.iter().map(|exchange| json!({
                "name": exchange.name,
                "vhost": vhost,
                "type": exchange.kind,
                "durable": true,
                "auto_delete": false,
                "internal": false,
                "arguments": json_arguments(&exchange.arguments),
            })).collect::<Vec<_>>(),
            "queues": self.queues().iter().map(|queue| json!({
                "name": queue.name,
                "vhost": vhost,
                "durable": true,
                "auto_delete": false,
                "arguments": json_arguments(&queue.arguments),
            })).collect::<Vec<_>>(),
            "bindings": self.bindings.iter().map(|binding| json!({
                "source": binding.exchange,
                "vhost": vhost,
                "destination": binding.queue,
                "destination_type": "queue",
                "routing_key": binding.routing_key,
                "arguments": {},
            })).collect::<Vec<_>>(),
        })
    }

    /// Names of everything, for people.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let exchanges = self.exchanges.iter().map(|e| format!("{} exchange {}", e.kind, e.name));
        let queues = self.queues().into_iter().map(|queue| format!("quorum queue {}", queue.name));
        exchanges.chain(queues).collect()
    }
}

impl Exchange {
    async fn declare(&self, channel: &Channel, passive: bool) -> Result<(), BrokerError> {
        let kind = if self.kind == "topic" { ExchangeKind::Topic } else { ExchangeKind::Fanout };
        let options =
            ExchangeDeclareOptions { passive, durable: true, ..ExchangeDeclareOptions::default() };
        let arguments = amqp_arguments(&self.arguments);
        let declared =
            channel.exchange_declare(self.name.as_str().into(), kind, options, arguments);
        step("cannot declare an exchange", declared).await
    }
}

impl Queue {
    fn quorum(name: &str, mut arguments: Vec<(&'static str, Argument)>) -> Self {
        arguments.insert(0, ("x-queue-type", Argument::Text("quorum".into())));
        Self { name: name.to_owned(), arguments }
    }

    fn with(mut self, argument: &'static str, value: i64) -> Self {
        self.arguments.push((argument, Argument::Number(value)));
        self
    }

    async fn declare(&self, channel: &Channel, passive: bool) -> Result<(), BrokerError> {
        let options =
            QueueDeclareOptions { passive, durable: true, ..QueueDeclareOptions::default() };
        let arguments = amqp_arguments(&self.arguments);
        let declared = channel.queue_declare(self.name.as_str().into(), options, arguments);
        step("cannot declare a queue", declared).await.map(|_| ())
    }
}

/// Dead-lettering that loses nothing: the broker keeps the message until its target has it. That
/// strategy requires the overflow behaviour, which only a length limit would put to use.
fn dead_lettering_to(queue: &str) -> Vec<(&'static str, Argument)> {
    vec![
        ("x-dead-letter-exchange", Argument::Text(String::new())),
        ("x-dead-letter-routing-key", Argument::Text(queue.to_owned())),
        ("x-dead-letter-strategy", Argument::Text("at-least-once".into())),
        ("x-overflow", Argument::Text("reject-publish".into())),
    ]
}

fn is_not_found(error: &BrokerError) -> bool {
    let BrokerError::Refused { source, .. } = error else { return false };
    let ErrorKind::ProtocolError(error) = source.kind() else { return false };
    *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)
}

fn dead_queue(incoming: &str) -> String {
    format!("{incoming}.dead")
}

fn retry_queue(incoming: &str, delay: Duration) -> String {
    let delay = humantime::format_duration(delay).to_string().replace(' ', "");
    format!("{incoming}.retry.{delay}")
}

fn amqp_arguments(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert((*name).into(), value);
    }
    table
}

fn json_arguments(arguments: &[(&'static str, Argument)]) -> Value {
    arguments
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Argument::Text(text) => json!(text),
                Argument::Number(number) => json!(number),
            };
            ((*name).to_owned(), value)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}
