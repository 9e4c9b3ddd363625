//! What waits in the queues, as the broker tells it: looked at every few seconds, so that neither dashboards nor
//! autoscaling need its management plugin.
//!
//! Deliveries are not disturbed: each look is a passive declaration on a channel of its own, which a queue that is
//! missing or locked closes and nothing else. Only dead letters are ever taken out, one at a time and seldom.

mod head;

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use lapin::{
    Channel, Connection,
    options::{BasicGetOptions, BasicNackOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use self::head::Head;
use super::{
    BrokerError, Topology,
    connection::{STEP_TIMEOUT, step},
    properties,
};
use crate::{
    clock::Clock,
    metrics::{Metrics, QueueSeen},
    retry::chain,
};

/// What a gauge tells is old by this much at most. Each look asks the broker once for each queue.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks at the queues of the topology.
pub(super) struct QueueWatch {
    topology: Topology,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// When the notification that was taken last had been told, in milliseconds: nothing that still waits is older.
    taken: AtomicI64,
}

/// What is remembered from one look to the next, on one connection.
struct Looks {
    incoming: Head,
    dead: Head,
    /// Those that cannot be looked at; told once.
    hidden: HashSet<String>,
    /// Dead letters cannot be looked at; told once.
    peek_refused: bool,
}

impl QueueWatch {
    pub(super) fn new(topology: Topology, metrics: Arc<Metrics>, clock: Clock) -> Self {
        Self { topology, metrics, clock, taken: AtomicI64::new(i64::MIN) }
    }

    /// A notification was taken from the incoming queue that had been told at `told_at`.
    pub(super) fn taken(&self, told_at: DateTime<Utc>) {
        self.taken.store(told_at.timestamp_millis(), Ordering::Relaxed);
    }

    /// Looks again and again. Whoever owns the connection drops this with it.
    pub(super) async fn run(&self, connection: &Connection) -> Infallible {
        let now = (self.clock)();
        let mut looks = Looks {
            incoming: Head::new(now),
            dead: Head::new(now),
            hidden: HashSet::new(),
            peek_refused: false,
        };
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut channel = None;
        loop {
            every.tick().await;
            let queues = self.topology.queue_names();
            self.metrics.queues.watch(&queues, &[self.topology.incoming(), &self.topology.dead()]);
            for queue in &queues {
                let opened = match channel.take() {
                    Some(opened) => opened,
                    None => match open(connection).await {
                        Ok(opened) => opened,
                        // The connection is lost, and its owner notices that by itself.
                        Err(_) => break,
                    },
                };
                match self.look(&opened, queue, &mut looks).await {
                    Ok(()) => {
                        channel = Some(opened).filter(|opened| opened.status().connected());
                        if looks.hidden.remove(queue) {
                            info!(queue, "the queue {queue} can be looked at again");
                        }
                    }
                    Err(error) => {
                        if looks.hidden.insert(queue.clone()) {
                            let error = chain(&error);
                            warn!(queue, error, "cannot look at the queue {queue}");
                        }
                        close(&opened).await;
                    }
                }
            }
        }
    }

    async fn look(
        &self,
        channel: &Channel,
        queue: &str,
        looks: &mut Looks,
    ) -> Result<(), BrokerError> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.into(), passive, FieldTable::default());
        let declared = step("cannot look at a queue", declared).await?;
        let (messages, consumers) = (declared.message_count(), declared.consumer_count());
        let at = (self.clock)();
        let seen = |oldest| {
            self.metrics.queues.seen(queue, QueueSeen { messages, consumers, oldest, at });
        };
        if queue == self.topology.incoming() {
            looks.incoming.seen(messages, at);
            if let Some(told_at) =
                DateTime::from_timestamp_millis(self.taken.load(Ordering::Relaxed))
            {
                looks.incoming.is_not_older_than(told_at);
            }
            seen(Some(looks.incoming.age(at)));
        } else if queue == self.topology.dead() {
            looks.dead.seen(messages, at);
            // Somebody who consumes dead letters gets them in order, which a peek could disturb.
            if consumers == 0 && looks.dead.wants_peek(at) {
                let since = peek(channel, queue, &mut looks.peek_refused).await;
                looks.dead.peeked(since, at);
            }
            seen(Some(looks.dead.age(at)));
        } else {
            seen(None);
        }
        Ok(())
    }
}

/// When the oldest dead letter became one, if that can be had. What went wrong costs the channel.
async fn peek(channel: &Channel, queue: &str, refused: &mut bool) -> Option<DateTime<Utc>> {
    match dead_since(channel, queue).await {
        Ok(since) => {
            *refused = false;
            since
        }
        Err(error) => {
            if !std::mem::replace(refused, true) {
                let error = chain(&error);
                warn!(queue, error, "cannot tell how old the dead letters are");
            }
            close(channel).await;
            None
        }
    }
}

/// The oldest dead letter's time. It is back at its place afterwards.
async fn dead_since(channel: &Channel, queue: &str) -> Result<Option<DateTime<Utc>>, BrokerError> {
    let get = channel.basic_get(queue.into(), BasicGetOptions::default());
    let Some(letter) = step("cannot look at a dead letter", get).await? else { return Ok(None) };
    let back = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
    step("cannot put a dead letter back", channel.basic_nack(letter.delivery_tag, back)).await?;
    Ok(properties::dead_since(&letter.properties))
}

async fn open(connection: &Connection) -> Result<Channel, BrokerError> {
    step("cannot open a channel", connection.create_channel()).await
}

/// After an error the broker has closed it already; after a timeout it has not, and might answer late.
async fn close(channel: &Channel) {
    if channel.status().connected() {
        let closing = channel.close(200, "no answer".into());
        let _ = tokio::time::timeout(STEP_TIMEOUT, closing).await;
    }
}
