//! Many notifications at once, and what is left of them.

use std::{collections::HashSet, fmt::Write as _};

use futures_util::future::join_all;
use lapin::options::BasicGetOptions;
use serde_json::Value;

use super::{
    Story,
    broker::{DEAD, DeadLetter, INCOMING, Published},
    until,
    worker::Worker,
};

const RETRY_QUEUES: [&str; 2] =
    ["docplanner.notifications.retry.200ms", "docplanner.notifications.retry.400ms"];

impl Story {
    /// Puts all of them into the queue, without one waiting for the other.
    pub async fn deliver_all(&self, notifications: &[Value]) {
        join_all(notifications.iter().map(|notification| self.deliver(notification))).await;
    }

    /// The next events, this many.
    pub async fn next_events(&mut self, count: usize) -> Vec<Published> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            events.push(self.next_event().await);
        }
        events
    }

    /// The next message of a queue that nobody consumes, taken out of it.
    pub async fn take_from(&self, queue: &str) -> DeadLetter {
        until(&format!("{queue} has a message"), async || {
            let options = BasicGetOptions { no_ack: true };
            let got = self.broker.channel.basic_get(queue.into(), options).await.unwrap()?;
            let delivery = got.delivery;
            Some(DeadLetter { body: delivery.data, properties: delivery.properties })
        })
        .await
    }

    /// Waits until so many messages are in the incoming queue with nobody holding them.
    pub async fn until_waiting(&self, count: u32) {
        until(&format!("{count} notifications wait"), async || {
            (self.broker.depth(INCOMING).await == count).then_some(())
        })
        .await;
    }

    /// Messages in queues, and deliveries in flight; empty if there are none.
    pub async fn what_waits(&self, workers: &[Worker]) -> String {
        let mut waiting = String::new();
        for queue in [INCOMING, DEAD].iter().chain(&RETRY_QUEUES) {
            let depth = self.broker.depth(queue).await;
            if depth > 0 {
                write!(waiting, "{depth} in {queue}, ").unwrap();
            }
        }
        for worker in workers {
            let in_flight = worker.metric("deliveries_in_flight", &[]).await;
            if in_flight > 0.0 {
                write!(waiting, "{in_flight} in flight, ").unwrap();
            }
        }
        waiting
    }

    /// Nothing is left to do, and nothing was published or set aside but what was looked at. For
    /// when no worker runs any more.
    pub async fn assert_nothing_is_left(&mut self) {
        for queue in [INCOMING].iter().chain(&RETRY_QUEUES) {
            assert_eq!(self.broker.depth(queue).await, 0, "{queue} is empty");
        }
        let events = self.broker.further_events();
        assert!(events.is_empty(), "{} events too many", events.len());
        let dead_letters = self.broker.further_dead_letters();
        assert!(dead_letters.is_empty(), "{dead_letters:?}");
    }
}

/// How many different events these are.
pub fn distinct(events: &[Published]) -> usize {
    events.iter().map(Published::id).collect::<HashSet<_>>().len()
}
