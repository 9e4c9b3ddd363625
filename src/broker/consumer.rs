//! Consuming: subscribe, hand each delivery to the pipeline, settle it, and start over whenever
//! the broker goes away.

use std::{
    panic::AssertUnwindSafe,
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
use tracing::{Instrument, info, warn};

use super::{
    BrokerError, Publisher, RabbitPublisher, Topology,
    acks::Acks,
    connection::{connect, step},
    properties,
    queues::QueueWatch,
    report,
    settle::Settler,
};
use crate::{
    clock::Clock,
    config::BrokerSettings,
    delivery::{Delivery, Disposition, Processed, Reason},
    docplanner::{Addresses, Bookings},
    health::Health,
    inbox::Inbox,
    metrics::Metrics,
    pipeline::{Error, Pipeline, Received},
    quarantine::{Place, Quarantine, Verdict},
    retry::{Backoff, chain},
    shutdown::Stop,
    traces::{self, stage},
};

/// RabbitMQ passes acknowledgements on to a quorum queue 32 at a time, and forgets the rest when the
/// channel ends. Nothing tells when it is done. Too short, and what is finished is delivered again,
/// to be recognized as a duplicate; longer only makes a stop take longer.
pub(crate) const ACKS_PASS_ON: Duration = Duration::from_millis(250);

/// For releasing leases and handing over what could not be finished in time. All of that together is
/// two round trips; a server that is away must not keep a stopping worker for longer.
const GIVE_BACK: Duration = Duration::from_secs(1);

/// Consumes one queue for one pipeline.
pub struct Consumer<I, A, B, P> {
    settings: BrokerSettings,
    topology: Topology,
    health: Arc<Health>,
    work: Arc<Work<I, A, B, P>>,
    watch: QueueWatch,
    tasks: TaskTracker,
}

/// What every delivery's task shares.
struct Work<I, A, B, P> {
    pipeline: Arc<Pipeline<I, A, B, P>>,
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

impl<I, A, B, P> Consumer<I, A, B, P>
where
    I: Inbox + 'static,
    A: Addresses + 'static,
    B: Bookings + 'static,
    P: Publisher + 'static,
{
    /// A consumer; nothing is opened yet.
    #[expect(clippy::too_many_arguments, reason = "the one place where all parts meet")]
    pub fn new(
        settings: BrokerSettings,
        topology: Topology,
        pipeline: Arc<Pipeline<I, A, B, P>>,
        quarantine: Quarantine,
        publisher: RabbitPublisher,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        clock: Clock,
        stop: Stop,
    ) -> Self {
        let settler =
            Settler { publisher, topology: topology.clone(), metrics: Arc::clone(&metrics), clock };
        let watch = QueueWatch::new(topology.clone(), Arc::clone(&metrics), clock);
        let work = Arc::new(Work { pipeline, quarantine, settler, metrics, stop });
        Self { settings, topology, health, work, watch, tasks: TaskTracker::new() }
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
        // Both in one task: consuming has the first turn, and with it ends the watching.
        tokio::select! {
            biased;
            consumed = self.consume(&connection, &channel, backoff) => consumed?,
            never = self.watch.run(&connection) => match never {},
        }
        self.finish_in_flight().await;
        // Closing flushes the acknowledgements that are still on their way.
        let close = connection.close(200, "worker stops".into());
        if let Err(error) = step("cannot close the connection", close).await {
            warn!(error = %chain(&error), "the consuming connection did not close cleanly");
        }
        Ok(())
    }

    /// One subscription after the other, until stopped.
    async fn consume(
        &self,
        connection: &Connection,
        channel: &Channel,
        backoff: &mut Backoff,
    ) -> Result<(), BrokerError> {
        let (acks, acknowledging) = Acks::new(channel.clone());
        // As long as a delivery of this channel is in flight.
        tokio::spawn(acknowledging);
        while let Ended::Cancelled = self.subscribed(channel, &acks, backoff).await? {
            self.health.consuming(false);
            warn!(queue = self.topology.incoming(), "the broker cancelled the consumer");
            let again = async {
                tokio::time::sleep(backoff.next_delay()).await;
                self.topology.ensure(connection).await
            };
            let soft = &self.work.stop.soft;
            let Some(ensured) = soft.run_until_cancelled(again).await else { break };
            ensured?;
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
        acks: &Acks,
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
                    if !self.take(message, acks.clone()).await {
                        break;
                    }
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
                give_back(&message).await;
            }
        }
        Ok(Ended::Stopped)
    }

    /// Starts work on one delivery. There is no other bound than the prefetch. `false`: it was stopped before
    /// it began, and goes back.
    ///
    /// Deliveries are received here, one by one, because their order counts; whoever has to be tried alone
    /// keeps those after it waiting.
    async fn take(&self, mut message: Message, acks: Acks) -> bool {
        let delivery = properties::delivery(&mut message);
        let enter = self.work.quarantine.enter(&delivery);
        let Some(verdict) = self.work.stop.soft.run_until_cancelled(enter).await else {
            give_back(&message).await;
            return false;
        };
        let started = Instant::now();
        let (id, parent) = (delivery.message_id.as_deref(), delivery.traceparent.as_deref());
        let span = traces::process(self.topology.incoming(), id, parent);
        let (place, received) = match verdict {
            Verdict::Process(place) => {
                let decode = span.in_scope(|| stage!("decode"));
                let received = decode.in_scope(|| self.work.receive(delivery.clone()));
                self.tell_age(&delivery, &received);
                if let Some(key) = received.as_ref().ok().and_then(Received::key) {
                    self.work.quarantine.name(&place, key).await;
                }
                (Some(place), received)
            }
            Verdict::Poison { trials, gap } => {
                if gap {
                    self.work.metrics.sequence_gap(None);
                }
                (None, Err(died(&delivery, trials)))
            }
        };
        let work = Arc::clone(&self.work);
        work.metrics.delivered();
        self.tasks.spawn(async move {
            // In a box, because every layer around it has room for a copy.
            let handle =
                Box::pin(work.handle((&message, &acks), &delivery, place, received, started));
            work.stop.hard.run_until_cancelled(handle.instrument(span)).await;
            work.metrics.left();
        });
        true
    }

    /// What was just taken tells how old the rest of the queue can be. Who comes back from a retry queue was told
    /// long ago, and stands behind others all the same.
    fn tell_age(&self, delivery: &Delivery, received: &Result<Received, Processed>) {
        let told_at = received.as_ref().map_or(delivery.sent_at, Received::told_at);
        if let Some(told_at) = told_at.filter(|_| delivery.retried_at.is_none()) {
            self.watch.taken(told_at);
        }
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

impl<I: Inbox, A: Addresses, B: Bookings, P: Publisher> Work<I, A, B, P> {
    /// Reads a delivery and takes its place in the order. A panic in one delivery stays in that delivery.
    /// Its text may quote the body, so it is not told; where it happened is in the log by the panic hook.
    fn receive(&self, delivery: Delivery) -> Result<Received, Processed> {
        let attempts = delivery.attempts;
        let receiving = AssertUnwindSafe(|| self.pipeline.receive(delivery));
        std::panic::catch_unwind(receiving).map_err(|_| panicked(attempts))
    }

    /// From a received delivery to its settlement.
    async fn handle(
        &self,
        (message, acks): (&Message, &Acks),
        delivery: &Delivery,
        place: Option<Place>,
        received: Result<Received, Processed>,
        started: Instant,
    ) {
        let processed = match received {
            Ok(received) => {
                let processing = AssertUnwindSafe(self.pipeline.process(received));
                processing.catch_unwind().await.unwrap_or_else(|_| panicked(delivery.attempts))
            }
            Err(processed) => processed,
        };
        if let Some(place) = place {
            let tried = !processed.disposition.is_wait(delivery);
            self.quarantine.leave(place, tried).await;
        }
        let settling = self.settler.settle(message, acks, delivery, &processed);
        let settled = settling.instrument(stage!("settle")).await;
        let took = started.elapsed();
        report::delivery(delivery, &processed, settled, took);
        self.metrics.settled(&processed, took);
    }
}

/// To the queue, at its old place. If that fails, the end of the channel does the same.
async fn give_back(message: &Message) {
    let back = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
    let _ = message.acker.nack(back).await;
}

fn died(delivery: &Delivery, trials: i32) -> Processed {
    let consumers = delivery.delivery_count;
    let error = format!("it died with {consumers} consumers, {trials} of them alone");
    poison(delivery.attempts, error)
}

fn panicked(attempts: u32) -> Processed {
    poison(attempts, Error::Panicked.to_string())
}

fn poison(attempts: u32, error: String) -> Processed {
    // Nobody is named: what the header says may be wrong, and the dead letter keeps it all the same.
    let attempts = attempts + 1;
    Processed::new(Disposition::DeadLetter { reason: Reason::Poison, error, attempts })
}
