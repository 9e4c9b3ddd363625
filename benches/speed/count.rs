//! How far a program is: messages in its queues, asked of the broker in the same way for all programs.
//!
//! A passive declaration of a quorum queue is answered by its leader with the number of messages that nobody holds.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use lapin::{
    Channel, Connection, ConnectionProperties, Queue, options::QueueDeclareOptions,
    types::FieldTable,
};

use crate::place::INCOMING;

/// Where events arrive.
pub(crate) const PARTNER_QUEUES: [&str; 4] =
    ["partner.onsite", "partner.onsite.payment", "partner.online", "partner.online.payment"];

/// Where nothing must arrive.
const WRONG_QUEUES: [&str; 8] = [
    "partner.unclassified",
    "partner.unrouted",
    "docplanner.notifications.dead",
    "docplanner.notifications.retry.5s",
    "docplanner.notifications.retry.30s",
    "docplanner.notifications.retry.2m",
    "docplanner.notifications.retry.10m",
    "docplanner.notifications.retry.1h",
];

/// For a program to begin.
const DEADLINE: Duration = Duration::from_mins(1);

/// A connection to ask by.
pub(crate) struct Counter {
    _connection: Connection,
    /// One for each queue, so that no answer waits for another queue's.
    channels: Vec<Channel>,
}

impl Counter {
    pub(crate) async fn connect(amqp_url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await?;
        let opening = PARTNER_QUEUES.map(|_| connection.create_channel());
        let channels = try_join_all(opening).await?;
        Ok(Self { channels, _connection: connection })
    }

    /// Events in the partner's queues.
    pub(crate) async fn arrived(&self) -> anyhow::Result<u32> {
        let asking = self.channels.iter().zip(PARTNER_QUEUES);
        let counts = try_join_all(asking.map(|(channel, queue)| depth(channel, queue))).await?;
        Ok(counts.iter().sum())
    }

    /// Notifications that nobody holds.
    pub(crate) async fn waiting(&self) -> anyhow::Result<u32> {
        depth(self.channel()?, INCOMING).await
    }

    /// Waits until somebody consumes notifications.
    pub(crate) async fn until_consumed(&self) -> anyhow::Result<()> {
        let since = Instant::now();
        while declared(self.channel()?, INCOMING).await?.consumer_count() == 0 {
            ensure!(since.elapsed() < DEADLINE, "nobody consumes after {DEADLINE:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// What is where it should not be: `3 in docplanner.notifications.dead`.
    pub(crate) async fn astray(&self) -> anyhow::Result<Vec<String>> {
        let mut astray = Vec::new();
        for queue in WRONG_QUEUES {
            let count = depth(self.channel()?, queue).await?;
            if count > 0 {
                astray.push(format!("{count} in {queue}"));
            }
        }
        Ok(astray)
    }

    fn channel(&self) -> anyhow::Result<&Channel> {
        self.channels.first().context("no channel")
    }
}

async fn depth(channel: &Channel, queue: &str) -> anyhow::Result<u32> {
    Ok(declared(channel, queue).await?.message_count())
}

async fn declared(channel: &Channel, queue: &str) -> anyhow::Result<Queue> {
    let passive =
        QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
    declared.with_context(|| format!("cannot look at {queue}"))
}
