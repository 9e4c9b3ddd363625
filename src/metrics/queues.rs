//! What the worker sees of its queues.

use std::{
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use chrono::{DateTime, Utc};
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::labels::QueueLabels;

type Seconds = Gauge<f64, AtomicU64>;

/// One queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSeen {
    /// Messages that wait. What consumers hold without an acknowledgement is not among them.
    pub messages: u32,
    /// Consumers.
    pub consumers: u32,
    /// How long the oldest of the messages has waited, at most; `None` for queues whose ages nobody looks at.
    pub oldest: Option<Duration>,
    /// When it was looked at.
    pub at: DateTime<Utc>,
}

/// The gauges of queues, the same in every pod but for the age.
#[derive(Default)]
pub struct QueueMetrics {
    names: Mutex<Vec<String>>,
    messages: Family<QueueLabels, Gauge>,
    consumers: Family<QueueLabels, Gauge>,
    oldest: Family<QueueLabels, Seconds>,
    observed: Family<QueueLabels, Seconds>,
}

impl QueueMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "queue_messages",
            "Messages that wait in a queue, those in flight aside, when it was last looked at",
            self.messages.clone(),
        );
        registry.register(
            "queue_consumers",
            "Consumers of a queue when it was last looked at",
            self.consumers.clone(),
        );
        registry.register(
            "queue_oldest_seconds",
            "How long the oldest message of a queue has waited at most; 0 if none waits",
            self.oldest.clone(),
        );
        registry.register(
            "queue_observed_timestamp_seconds",
            "When a queue was last looked at; 0 before the first look",
            self.observed.clone(),
        );
    }

    /// From now on these queues are looked at, and no others: new ones are there at zero, what is told of those
    /// that are gone is forgotten. `aged` are those whose oldest message is known.
    pub fn watch(&self, queues: &[String], aged: &[&str]) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in names.iter().filter(|name| !queues.contains(name)) {
            let labels = QueueLabels { queue: gone.clone() };
            self.messages.remove(&labels);
            self.consumers.remove(&labels);
            self.oldest.remove(&labels);
            self.observed.remove(&labels);
        }
        for queue in queues {
            let labels = QueueLabels { queue: queue.clone() };
            drop(self.messages.get_or_create(&labels));
            drop(self.consumers.get_or_create(&labels));
            drop(self.observed.get_or_create(&labels));
            if aged.contains(&queue.as_str()) {
                drop(self.oldest.get_or_create(&labels));
            }
        }
        *names = queues.to_vec();
    }

    /// A queue was looked at.
    pub fn seen(&self, queue: &str, seen: QueueSeen) {
        let labels = QueueLabels { queue: queue.to_owned() };
        self.messages.get_or_create(&labels).set(seen.messages.into());
        self.consumers.get_or_create(&labels).set(seen.consumers.into());
        if let Some(oldest) = seen.oldest {
            self.oldest.get_or_create(&labels).set(oldest.as_secs_f64());
        }
        let at = Duration::from_millis(u64::try_from(seen.at.timestamp_millis()).unwrap_or(0));
        self.observed.get_or_create(&labels).set(at.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn told(metrics: &QueueMetrics) -> String {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn queues_are_there_at_zero_and_gone_with_the_queue() {
        let metrics = QueueMetrics::default();
        metrics.watch(&["in", "dead", "partner"].map(str::to_owned), &["in", "dead"]);
        let text = told(&metrics);
        for series in ["messages", "consumers", "observed_timestamp_seconds"] {
            assert!(text.contains(&format!("queue_{series}{{queue=\"partner\"}} 0")), "{text}");
        }
        assert!(text.contains("queue_oldest_seconds{queue=\"dead\"} 0"), "{text}");
        assert!(!text.contains("queue_oldest_seconds{queue=\"partner\"}"), "{text}");

        let seen = QueueSeen { messages: 3, consumers: 1, oldest: None, at: DateTime::UNIX_EPOCH };
        metrics.seen("in", seen);
        metrics.watch(&["in".to_owned()], &["in"]);
        let text = told(&metrics);
        assert!(text.contains("queue_messages{queue=\"in\"} 3"), "what is known stays: {text}");
        assert!(!text.contains("partner") && !text.contains("dead"), "{text}");
    }
}
