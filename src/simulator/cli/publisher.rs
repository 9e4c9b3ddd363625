//! Publishes notifications as a relay would.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::Utc;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
};

use crate::simulator::notifications::Generated;

/// How many messages may wait for their confirm. Larger is faster up to what the broker writes
/// at once, and leaves more in doubt when it fails.
const UNCONFIRMED: usize = 256;

/// How long a confirm may take. Shorter gives up on a broker that only takes a breath; longer
/// delays the end when it is asked to stop.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

const PERSISTENT: u8 = 2;

/// Where to publish.
pub(super) struct Target {
    pub(super) url: String,
    pub(super) queue: String,
    pub(super) tenant: Option<String>,
    pub(super) seed: u64,
}

pub(super) struct Publisher {
    target: Target,
    connection: Connection,
    channel: Channel,
    unconfirmed: VecDeque<PublisherConfirm>,
}

impl Publisher {
    pub(super) async fn connect(target: Target) -> anyhow::Result<Self> {
        let properties =
            ConnectionProperties::default().with_connection_name("docplanner-simulator".into());
        // Without the URL: it has a password.
        let connection = Connection::connect(&target.url, properties);
        let connection = connection.await.context("cannot connect to the broker")?;
        let channel = connection.create_channel().await.context("cannot open a channel")?;
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        confirms.await.context("cannot switch on confirms")?;
        Ok(Self { target, connection, channel, unconfirmed: VecDeque::new() })
    }

    pub(super) async fn publish(&mut self, notification: &Generated) -> anyhow::Result<()> {
        let confirm = self.channel.basic_publish(
            "".into(),
            self.target.queue.as_str().into(),
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            notification.body.as_bytes(),
            self.properties(notification),
        );
        self.unconfirmed.push_back(confirm.await.context("cannot publish")?);
        if self.unconfirmed.len() >= UNCONFIRMED {
            self.await_oldest().await?;
        }
        Ok(())
    }

    fn properties(&self, notification: &Generated) -> BasicProperties {
        let id = format!("simulated-{}-{}", self.target.seed, notification.index);
        let mut headers = FieldTable::default();
        if let Some(tenant) = &self.target.tenant {
            let tenant = AMQPValue::LongString(tenant.as_str().into());
            headers.insert("x-docplanner-tenant".into(), tenant);
        }
        // When it was sent: `created_at` is the time of the story, which may be another day.
        let sent_at = u64::try_from(Utc::now().timestamp()).unwrap_or_default();
        BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_timestamp(sent_at)
            .with_content_type("application/json".into())
            .with_message_id(id.into())
            .with_headers(headers)
    }

    async fn await_oldest(&mut self) -> anyhow::Result<()> {
        let Some(confirm) = self.unconfirmed.pop_front() else { return Ok(()) };
        let queue = &self.target.queue;
        let confirmed = tokio::time::timeout(CONFIRM_TIMEOUT, confirm).await;
        let confirmed = confirmed.context("the broker did not confirm in time")?;
        match confirmed.context("the broker did not confirm")? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => bail!("there is no queue {queue:?}"),
            Confirmation::Nack(_) => bail!("the broker refused a message for {queue:?}"),
            Confirmation::NotRequested => bail!("the broker does not confirm"),
        }
    }

    /// Waits for all confirms.
    pub(super) async fn close(mut self) -> anyhow::Result<()> {
        while !self.unconfirmed.is_empty() {
            self.await_oldest().await?;
        }
        let closed = self.connection.close(200, "done".into()).await;
        closed.context("cannot close the connection")
    }
}
