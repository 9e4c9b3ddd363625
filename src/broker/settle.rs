//! Acting on a disposition: the only place that settles deliveries.

use std::sync::Arc;

use lapin::message::Delivery as Message;
use tracing::warn;

use super::{RabbitPublisher, Topology, acks::Acks, properties};
use crate::{
    clock::Clock,
    delivery::{Delivery, Disposition, Processed},
    metrics::Metrics,
    retry::Backoff,
};

/// Settles deliveries by their disposition.
pub(super) struct Settler {
    pub(super) publisher: RabbitPublisher,
    pub(super) topology: Topology,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
}

impl Settler {
    /// Acknowledges, after whatever has to be safe before. `false`: the delivery's channel is gone, and the broker
    /// will deliver it again.
    pub(super) async fn settle(
        &self,
        message: &Message,
        acks: &Acks,
        delivery: &Delivery,
        processed: &Processed,
    ) -> bool {
        let handed_over = match &processed.disposition {
            Disposition::Ack(_) => true,
            Disposition::Retry { delay, attempts, .. } => {
                let waits = processed.disposition.is_wait(delivery);
                let deliveries = if waits { delivery.delivery_count } else { 0 };
                let properties = properties::for_retry(
                    &message.properties,
                    *attempts,
                    deliveries,
                    processed.tenant.as_deref(),
                    (self.clock)(),
                );
                let retry = self.topology.retry(*delay);
                // In a box, as few deliveries get here, and each has room for what it may get to.
                Box::pin(self.hand_over(message, delivery, &retry, properties)).await
            }
            Disposition::DeadLetter { reason, error, attempts } => {
                let tenant = processed.tenant.as_deref();
                let properties = properties::for_dead_letter(
                    &message.properties,
                    *reason,
                    error,
                    *attempts,
                    tenant,
                    (self.clock)(),
                );
                let dead = self.topology.dead();
                Box::pin(self.hand_over(message, delivery, &dead, properties)).await
            }
        };
        let acked = handed_over && acks.ack(message.delivery_tag).await;
        if !acked {
            self.metrics.ack_lost();
        }
        acked
    }

    /// Puts a copy into another queue, for as long as that takes. `false`: the delivery's channel is
    /// gone, so the broker has it back and a copy would be one too many.
    async fn hand_over(
        &self,
        message: &Message,
        delivery: &Delivery,
        queue: &str,
        properties: lapin::BasicProperties,
    ) -> bool {
        let mut backoff = Backoff::reconnect();
        while message.acker.usable() {
            let body = delivery.body.clone();
            match self.publisher.publish_to_queue(queue, body, properties.clone()).await {
                Ok(()) => return true,
                Err(error) => {
                    warn!(queue, %error, "cannot put a message into {queue}; trying again");
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
        false
    }
}
