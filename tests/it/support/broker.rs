//! The broker as the relay and the partner see it.

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions,
        ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{DEADLINE, schema, until};

pub const INCOMING: &str = "docplanner.notifications";
pub const DEAD: &str = "docplanner.notifications.dead";

pub const PARTNER_QUEUES: [&str; 6] = [
    "partner.onsite",
    "partner.onsite.payment",
    "partner.online",
    "partner.online.payment",
    "partner.unclassified",
    "partner.unrouted",
];

pub struct Broker {
    url: String,
    pub channel: Channel,
    connection: Connection,
    event_sender: mpsc::UnboundedSender<Published>,
    events: mpsc::UnboundedReceiver<Published>,
    dead_letters: mpsc::UnboundedReceiver<DeadLetter>,
    dead_letter_consumer: ShortString,
}

/// An event as a partner's consumer gets it.
#[derive(Debug)]
pub struct Published {
    pub queue: &'static str,
    pub routing_key: String,
    /// The broker had delivered it before, to a consumer whose acknowledgement it did not get.
    pub redelivered: bool,
    pub body: Value,
    pub properties: BasicProperties,
}

/// A message that was set aside.
#[derive(Debug)]
pub struct DeadLetter {
    pub body: Vec<u8>,
    pub properties: BasicProperties,
}

impl Broker {
    /// Connects, and consumes what is published and what is set aside.
    pub async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let (event_sender, events) = mpsc::unbounded_channel();
        for queue in PARTNER_QUEUES {
            consume_events(&channel, queue, event_sender.clone()).await;
        }
        let (sender, dead_letters) = mpsc::unbounded_channel();
        let dead_letter_consumer = consume(&channel, DEAD, move |delivery| {
            let (body, properties) = (delivery.data.clone(), delivery.properties.clone());
            let _ = sender.send(DeadLetter { body, properties });
        })
        .await;
        let url = url.to_owned();
        Self { url, channel, connection, event_sender, events, dead_letters, dead_letter_consumer }
    }

    /// Consumes a partner's queue that was deleted and is declared again.
    pub async fn consume_again(&self, queue: &'static str) {
        until("a queue that was declared has a leader", async || self.has_leader(queue).await)
            .await;
        consume_events(&self.channel, queue, self.event_sender.clone()).await;
    }

    /// Until a quorum queue has one, RabbitMQ ends the connection of whoever consumes: here one of its own, with whose
    /// end the queue has its messages back.
    async fn has_leader(&self, queue: &str) -> Option<()> {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&self.url, properties).await.ok()?;
        let channel = connection.create_channel().await.ok()?;
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        channel.basic_consume(queue.into(), "".into(), options, none).await.ok()?;
        connection.close(200, "seen".into()).await.ok()
    }

    /// Every event from now on, through a queue of its own: the order over all of the partner's queues.
    pub async fn everything(&self) -> mpsc::UnboundedReceiver<Value> {
        let (queue, none) = ("everything", FieldTable::default());
        let declare = QueueDeclareOptions::default();
        self.channel.queue_declare(queue.into(), declare, none.clone()).await.unwrap();
        let (exchange, bind) = ("docplanner.events".into(), QueueBindOptions::default());
        self.channel.queue_bind(queue.into(), exchange, "#".into(), bind, none).await.unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        consume(&self.channel, queue, move |delivery| {
            let _ = sender.send(serde_json::from_slice(&delivery.data).unwrap());
        })
        .await;
        events
    }

    /// Lets dead letters lie in their queue from now on.
    pub async fn leave_dead_letters(&self) {
        let consumer = self.dead_letter_consumer.clone();
        self.channel.basic_cancel(consumer, BasicCancelOptions::default()).await.unwrap();
    }

    /// Puts a body into the incoming queue, confirmed.
    pub async fn deliver(&self, body: &[u8], headers: &[(&str, &str)]) {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), AMQPValue::LongString((*value).into()));
        }
        let properties = BasicProperties::default().with_delivery_mode(2).with_headers(table);
        self.publish(INCOMING, body, properties).await;
    }

    pub async fn publish(&self, queue: &str, body: &[u8], properties: BasicProperties) {
        publish(&self.channel, queue, body, properties).await;
    }

    pub async fn next_event(&mut self) -> Published {
        let next = tokio::time::timeout(DEADLINE, self.events.recv()).await;
        let next = next.expect("an event in time").expect("the partner's consumer goes on");
        schema::assert_valid(&next.body);
        next
    }

    pub async fn next_dead_letter(&mut self) -> DeadLetter {
        let next = tokio::time::timeout(DEADLINE, self.dead_letters.recv()).await;
        next.expect("a dead letter in time").expect("the consumer goes on")
    }

    /// What has been published and not looked at so far. Only meaningful once everything that was
    /// delivered is known to be settled.
    pub fn further_events(&mut self) -> Vec<Published> {
        let further: Vec<_> = std::iter::from_fn(|| self.events.try_recv().ok()).collect();
        for event in &further {
            schema::assert_valid(&event.body);
        }
        further
    }

    pub fn further_dead_letters(&mut self) -> Vec<DeadLetter> {
        std::iter::from_fn(|| self.dead_letters.try_recv().ok()).collect()
    }

    /// Whether there is such a queue.
    pub async fn has(&self, queue: &str) -> bool {
        self.declare_passively(queue).await.is_ok()
    }

    /// How many messages wait in a queue.
    pub async fn depth(&self, queue: &str) -> u32 {
        self.declare_passively(queue).await.unwrap().message_count()
    }

    async fn declare_passively(&self, queue: &str) -> lapin::Result<lapin::Queue> {
        let channel = self.connection.create_channel().await.unwrap();
        let passive = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
        channel.queue_declare(queue.into(), passive, FieldTable::default()).await
    }
}

impl DeadLetter {
    /// A header as text; integers too.
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.properties, name)
    }
}

impl Published {
    /// The event's id: the same for every repeat.
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    /// The id of the booking that it tells of.
    pub fn booking(&self) -> String {
        self.body["data"]["booking"]["id"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.properties, name)
    }
}

fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::LongUInt(number) => Some(number.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

/// Puts a message into a queue, confirmed. For who tells the worker things in a task of its own.
pub async fn publish(channel: &Channel, queue: &str, body: &[u8], properties: BasicProperties) {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let publishing = async {
        let sent = channel.basic_publish("".into(), queue.into(), options, body, properties);
        sent.await.unwrap().await.unwrap()
    };
    let confirm = tokio::time::timeout(DEADLINE, publishing).await.expect("a confirm in time");
    assert!(confirm.is_ack() && confirm.take_message().is_none(), "{queue} took it");
}

async fn consume_events(
    channel: &Channel,
    queue: &'static str,
    sender: mpsc::UnboundedSender<Published>,
) {
    consume(channel, queue, move |delivery| {
        let _ = sender.send(Published {
            queue,
            routing_key: delivery.routing_key.to_string(),
            redelivered: delivery.redelivered,
            body: serde_json::from_slice(&delivery.data).unwrap(),
            properties: delivery.properties.clone(),
        });
    })
    .await;
}

async fn consume(
    channel: &Channel,
    queue: &str,
    mut take: impl FnMut(&lapin::message::Delivery) + Send + 'static,
) -> ShortString {
    let options = BasicConsumeOptions::default();
    let mut deliveries = channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await
        .unwrap();
    let tag = deliveries.tag();
    tokio::spawn(async move {
        while let Some(Ok(delivery)) = deliveries.next().await {
            take(&delivery);
            let _ = delivery.acker.ack(BasicAckOptions::default()).await;
        }
    });
    tag
}
