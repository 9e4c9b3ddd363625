//! Consuming: subscribe, hand each delivery to the pipeline, settle it, and start over whenever
//! the broker goes away.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt};
use lapin::{
    Channel, Connection,
    message::Delivery as Message,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::{
    BrokerError, Publisher, RabbitPublisher, Topology,
    connection::{connect, step},
    properties,
    settle::Settler,
};
use crate::{
    clock::Clock,
    config::BrokerSettings,
    delivery::{Delivery, Disposition, Processed, Reason},
    docplanner::Addresses,
    health::Health,
    inbox::Inbox,
    metrics::Metrics,
    pipeline::Pipeline,
    quarantine::{Quarantine, Verdict},
    retry::{Backoff, chain},
    shutdown::Stop,
};

/// RabbitMQ passes acknowledgements on to a quorum queue 32 at a time, and forgets the rest when the
/// channel ends. Nothing tells when it is done. Too short, and what is finished is delivered again,
/// to be recognized as a duplicate; longer only makes a stop take longer.
const ACKS_PASS_ON: Duration = Duration::from_millis(250);

/// For releasing leases and handing over what could not be finished in time. All of that together is
/// two round trips; a server that is away must not keep a stopping worker for longer.
const GIVE_BACK: Duration = Duration::from_secs(1);

/// Consumes one queue for one pipeline.
pub struct Consumer<I, A, P> {
    settings: BrokerSettings,
    topology: Topology,
    health: Arc<Health>,
    work: Arc<Work<I, A, P>>,
    tasks: TaskTracker,
}

/// What every delivery's task shares.
struct Work<I, A, P> {
    pipeline: Pipeline<I, A, P>,
    quarantine: Quarantine,
    settler: Settler,
    metrics: Arc<Metrics>,
    stop: Stop,
}

/// Why a subscription ended.
enum Ended {
    Stopped,
    /// The channel is fine, the subscription is not: the queue was deleted, or its leader moved.
    Cancelled,
}

impl<I, A, P> Consumer<I, A, P>
where
    I: Inbox + 'static,
    A: Addresses + 'static,
    P: Publisher + 'static,
{
    /// A consumer; nothing is opened yet.
    #[expect(clippy::too_many_arguments, reason = "the one place where all parts meet")]
    pub fn new(
        settings: BrokerSettings,
        topology: Topology,
        pipeline: Pipeline<I, A, P>,
        quarantine: Quarantine,
        publisher: RabbitPublisher,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        clock: Clock,
        stop: Stop,
    ) -> Self {
        let settler =
            Settler { publisher, topology: topology.clone(), metrics: Arc::clone(&metrics), clock };
        let work = Arc::new(Work { pipeline, quarantine, settler, metrics, stop });
        Self { settings, topology, health, work, tasks: TaskTracker::new() }
    }

    /// Consumes until stopped, then drains: nothing new is taken, what is in flight is finished
    /// within `broker.drain_timeout`, and what is left is given back.
    pub async fn run(self) {
        let mut backoff = Backoff::reconnect();
        let mut told = None;
        while !self.work.stop.is_soft() {
            let result = self.connected(&mut backoff).await;
            let was_consuming = self.health.parts().consuming;
            self.health.consuming(false);
            let Err(error) = result else { break };
            let error = chain(&error);
            // Once for each time that it goes away, and not for each attempt to come back.
            if was_consuming || told.as_ref() != Some(&error) {
                warn!(error, "not consuming; waiting for the broker");
                told = Some(error);
            }
            let delay = backoff.next_delay();
            self.work.stop.soft.run_until_cancelled(tokio::time::sleep(delay)).await;
        }
        // Of connections that are gone; those of the last one are finished before it is closed.
        self.finish_in_flight().await;
    }

    /// One connection, from opening to its end. `Ok` means stopped and drained.
    async fn connected(&self, backoff: &mut Backoff) -> Result<(), BrokerError> {
        let soft = &self.work.stop.soft;
        let Some(opened) = soft.run_until_cancelled(self.open()).await else { return Ok(()) };
        let (connection, channel) = opened?;
        while let Ended::Cancelled = self.subscribed(&channel, backoff).await? {
            self.health.consuming(false);
            warn!(queue = self.topology.incoming(), "the broker cancelled the consumer");
            let again = async {
                tokio::time::sleep(backoff.next_delay()).await;
                self.topology.ensure(&connection).await
            };
            let Some(ensured) = soft.run_until_cancelled(again).await else { break };
            ensured?;
        }
        self.finish_in_flight().await;
        // Closing flushes the acknowledgements that are still on their way.
        let close = connection.close(200, "worker stops".into());
        if let Err(error) = step("cannot close the connection", close).await {
            warn!(error = %chain(&error), "the consuming connection did not close cleanly");
        }
        Ok(())
    }

    /// A connection and a channel with its prefetch, and everything there that we need.
    async fn open(&self) -> Result<(Connection, Channel), BrokerError> {
        let connection = connect(&self.settings, "consume").await?;
        let channel = step("cannot open a channel", connection.create_channel()).await?;
        let qos = channel.basic_qos(self.settings.prefetch, BasicQosOptions::default());
        step("cannot set the prefetch", qos).await?;
        self.topology.ensure(&connection).await?;
        Ok((connection, channel))
    }

    /// One subscription, from `basic.consume` to its end.
    async fn subscribed(
        &self,
        channel: &Channel,
        backoff: &mut Backoff,
    ) -> Result<Ended, BrokerError> {
        let queue = self.topology.incoming();
        let consume = channel.basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let mut deliveries = step("cannot consume", consume).await?;
        self.health.consuming(true);
        info!(queue, prefetch = self.settings.prefetch, "consuming {queue}");
        let soft = &self.work.stop.soft;
        while let Some(next) = soft.run_until_cancelled(deliveries.next()).await {
            match next {
                Some(Ok(message)) => {
                    backoff.reset();
                    self.take(message);
                }
                Some(Err(source)) => {
                    return Err(BrokerError::Refused { step: "the consumer was closed", source });
                }
                None if channel.status().connected() => return Ok(Ended::Cancelled),
                None => return Err(BrokerError::Cancelled),
            }
        }
        // From here on the broker sends nothing new; what it had sent already goes back.
        let cancel = channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default());
        if step("cannot cancel the consumer", cancel).await.is_ok() {
            while let Some(Some(Ok(message))) = deliveries.next().now_or_never() {
                let back = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                // If that fails, the end of the channel does the same.
                let _ = message.acker.nack(back).await;
            }
        }
        Ok(Ended::Stopped)
    }

    /// Starts work on one delivery. There is no other bound than the prefetch.
    fn take(&self, message: Message) {
        let work = Arc::clone(&self.work);
        work.metrics.delivered();
        self.tasks.spawn(async move {
            work.stop.hard.run_until_cancelled(work.handle(&message)).await;
            work.metrics.left();
        });
    }

    /// Waits for what is in flight, within `broker.drain_timeout`, and gives back what is left.
    async fn finish_in_flight(&self) {
        self.health.consuming(false);
        self.tasks.close();
        let in_flight = self.tasks.len();
        if in_flight == 0 {
            return;
        }
        info!(in_flight, "draining: {in_flight} deliveries in flight");
        if tokio::time::timeout(self.settings.drain_timeout, self.tasks.wait()).await.is_ok() {
            info!("drained");
        } else {
            let left = self.tasks.len();
            warn!(left, "giving back {left} deliveries that were not finished in time");
            self.work.pipeline.give_up.cancel();
            // Who does not manage that either comes back with the end of the connection, and once
            // its lease has run out.
            let _ = tokio::time::timeout(GIVE_BACK, self.tasks.wait()).await;
        }
        tokio::time::sleep(ACKS_PASS_ON).await;
    }
}

impl<I: Inbox, A: Addresses, P: Publisher> Work<I, A, P> {
    /// From delivery to settlement.
    async fn handle(&self, message: &Message) {
        let started = Instant::now();
        let delivery = properties::delivery(message);
        let processed = match self.quarantine.enter(&delivery).await {
            Verdict::Process(place) => {
                let processed = self.process(&delivery).await;
                let tried = !processed.disposition.is_wait(&delivery);
                self.quarantine.leave(place, tried).await;
                processed
            }
            Verdict::Poison { trials } => poison(
                &delivery,
                format!(
                    "it died with {} consumers, {trials} of them alone",
                    delivery.delivery_count
                ),
            ),
        };
        self.settler.settle(message, &delivery, &processed).await;
        self.metrics.settled(&processed, started.elapsed());
    }

    /// A panic in one delivery stays in that delivery. Its text may quote the body, so it is not
    /// told; where it happened is in the log by the panic hook.
    async fn process(&self, delivery: &Delivery) -> Processed {
        let processing = std::panic::AssertUnwindSafe(self.pipeline.process(delivery));
        match processing.catch_unwind().await {
            Ok(processed) => processed,
            Err(_) => poison(delivery, "processing it panicked".to_owned()),
        }
    }
}

fn poison(delivery: &Delivery, error: String) -> Processed {
    let attempts = delivery.attempts + 1;
    Processed {
        disposition: Disposition::DeadLetter { reason: Reason::Poison, error, attempts },
        // What the header says may name nobody; the dead letter keeps it all the same.
        tenant: None,
        kind: None,
    }
}
