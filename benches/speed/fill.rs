//! Puts a load into the incoming queue before the time is taken.

use std::collections::VecDeque;

use anyhow::{Context as _, ensure};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};

use crate::{load::Load, place::INCOMING};

/// Enough to keep the broker writing.
const UNCONFIRMED: usize = 1_000;

/// Publishes all of it, persistent and confirmed.
pub(crate) async fn fill(amqp_url: &str, load: &Load) -> anyhow::Result<()> {
    let all = (0..load.messages).map(|index| Ok(load.notification(index)));
    fill_with(amqp_url, all).await
}

/// The same with any notifications.
pub(crate) async fn fill_with(
    amqp_url: &str,
    notifications: impl Iterator<Item = anyhow::Result<(Vec<u8>, BasicProperties)>>,
) -> anyhow::Result<()> {
    let connecting = Connection::connect(amqp_url, ConnectionProperties::default());
    let connection = connecting.await.context("cannot connect to the broker")?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut unconfirmed = VecDeque::new();
    for notification in notifications {
        let (body, properties) = notification?;
        unconfirmed.push_back(publish(&channel, &body, properties).await?);
        if unconfirmed.len() == UNCONFIRMED {
            confirmed(unconfirmed.pop_front()).await?;
        }
    }
    while let Some(confirm) = unconfirmed.pop_front() {
        confirmed(Some(confirm)).await?;
    }
    Ok(connection.close(200, "filled".into()).await?)
}

/// Puts one notification into the incoming queue.
pub(crate) async fn publish(
    channel: &Channel,
    body: &[u8],
    properties: BasicProperties,
) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    channel.basic_publish("".into(), INCOMING.into(), options, body, properties).await
}

async fn confirmed(confirm: Option<PublisherConfirm>) -> anyhow::Result<()> {
    let Some(confirm) = confirm else { return Ok(()) };
    let confirmation = confirm.await?;
    ensure!(matches!(confirmation, Confirmation::Ack(None)), "not taken: {confirmation:?}");
    Ok(())
}
