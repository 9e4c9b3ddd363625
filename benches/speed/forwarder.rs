//! The limit: a program that consumes, publishes with a confirm, and acknowledges. It reads nothing, remembers nothing and
//! decides nothing.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions,
    },
    types::FieldTable,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// What is said to every program that is no worker.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    amqp_url: String,
    #[arg(long, env = "INCOMING_QUEUE")]
    queue: String,
    #[arg(long, env = "EXCHANGE")]
    exchange: String,
    #[arg(long, env = "PREFETCH")]
    prefetch: u16,
}

/// To each of the worker's queues a quarter, as the worker routes the load.
const ROUTING_KEYS: [&str; 4] = [
    "clinic.onsite.no_payment.booking.created",
    "clinic.onsite.payment.booking.created",
    "clinic.online.no_payment.booking.created",
    "clinic.online.payment.booking.created",
];

/// As for the worker: RabbitMQ forgets what it has not passed on to the queue when the channel ends.
const ACKS_PASS_ON: Duration = Duration::from_millis(250);

/// Forwards until SIGTERM.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    // As the worker does: a broker that slows publishers down goes on taking acknowledgements.
    let consuming_connection = connect(&arguments.amqp_url).await?;
    let publishing_connection = connect(&arguments.amqp_url).await?;
    let consuming = consuming_connection.create_channel().await?;
    let publishing = publishing_connection.create_channel().await?;
    publishing.confirm_select(ConfirmSelectOptions::default()).await?;
    consuming.basic_qos(arguments.prefetch, BasicQosOptions::default()).await?;
    let consumer = consuming.basic_consume(
        arguments.queue.as_str().into(),
        "forwarder".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    let mut deliveries = consumer.await?;
    println!("ready");

    let (sender, published) = mpsc::unbounded_channel();
    let acknowledging = tokio::spawn(acknowledge(published));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut keys = ROUTING_KEYS.iter().cycle();
    loop {
        let delivery = tokio::select! {
            _ = terminate.recv() => break,
            delivery = deliveries.next() => delivery.context("the broker ended it")??,
        };
        let key = keys.next().copied().unwrap_or_default();
        let confirm = publish(&publishing, &arguments.exchange, key, &delivery).await?;
        if sender.send((confirm, delivery)).is_err() {
            break;
        }
    }
    drop(sender);
    acknowledging.await??;
    tokio::time::sleep(ACKS_PASS_ON).await;
    consuming_connection.close(200, "the forwarder ends".into()).await?;
    Ok(())
}

async fn connect(url: &str) -> lapin::Result<Connection> {
    Connection::connect(url, ConnectionProperties::default()).await
}

async fn publish(
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    delivery: &Delivery,
) -> lapin::Result<PublisherConfirm> {
    const PERSISTENT: u8 = 2;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    channel
        .basic_publish(exchange.into(), routing_key.into(), options, &delivery.data, properties)
        .await
}

/// In the order of publishing: what is confirmed before its turn waits for it, within the prefetch window.
async fn acknowledge(
    mut published: mpsc::UnboundedReceiver<(PublisherConfirm, Delivery)>,
) -> anyhow::Result<()> {
    while let Some((confirm, delivery)) = published.recv().await {
        let confirmation = confirm.await?;
        anyhow::ensure!(matches!(confirmation, Confirmation::Ack(None)), "{confirmation:?}");
        delivery.acker.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}
