//! Acknowledging many deliveries with few frames.
//!
//! What is settled at about the same time is acknowledged together. One by one, each acknowledgement is a task of the
//! client, a frame, and a method for the broker's channel to run.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use lapin::{Channel, options::BasicAckOptions};
use tokio::sync::{mpsc, oneshot};

/// How many are acknowledged at once; more than any prefetch that makes sense.
const AT_ONCE: usize = 1024;

/// Acknowledges the deliveries of one channel. Cheap to clone.
#[derive(Clone)]
pub(super) struct Acks {
    settled: mpsc::UnboundedSender<Settled>,
}

struct Settled {
    tag: u64,
    written: oneshot::Sender<bool>,
}

/// Which deliveries of a channel are settled. The broker numbers them from 1, without a gap.
#[derive(Debug, Default)]
struct Window {
    /// All up to this one.
    up_to: u64,
    /// Others.
    beyond: BTreeSet<u64>,
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ack {
    tag: u64,
    /// With all before it.
    multiple: bool,
}

impl Acks {
    /// Whoever acknowledges, and the task that has to run for it. The task ends when nobody is left who could.
    pub(super) fn new(channel: Channel) -> (Self, impl Future<Output = ()> + Send + use<>) {
        // At most one for each delivery in flight.
        let (sender, settled) = mpsc::unbounded_channel();
        (Self { settled: sender }, acknowledge(channel, settled))
    }

    /// Acknowledges one delivery, together with whatever else is settled by now, and waits until that is written to
    /// the connection. `false`: the channel is gone, and the broker has the delivery back.
    pub(super) async fn ack(&self, tag: u64) -> bool {
        let (written, is_written) = oneshot::channel();
        self.settled.send(Settled { tag, written }).is_ok() && is_written.await.unwrap_or(false)
    }
}

async fn acknowledge(channel: Channel, mut settled: mpsc::UnboundedReceiver<Settled>) {
    let mut window = Window::default();
    let mut together = Vec::new();
    while settled.recv_many(&mut together, AT_ONCE).await > 0 {
        let acks = window.settle(together.iter().map(|settled| settled.tag));
        let frames = acks
            .into_iter()
            .map(|Ack { tag, multiple }| channel.basic_ack(tag, BasicAckOptions { multiple }));
        let written = join_all(frames).await.iter().all(Result::is_ok);
        for settled in together.drain(..) {
            // Who no longer waits was told to stop.
            let _ = settled.written.send(written);
        }
    }
}

impl Window {
    /// The fewest frames for these: each is acknowledged once, and no other that is not settled. The tag of each frame
    /// is one of these, because the broker closes the channel for one that it does not wait for any more.
    fn settle(&mut self, tags: impl Iterator<Item = u64>) -> Vec<Ack> {
        let mut tags: Vec<u64> = tags.collect();
        tags.sort_unstable();
        self.beyond.extend(&tags);
        while self.beyond.remove(&(self.up_to + 1)) {
            self.up_to += 1;
        }
        let within = tags.partition_point(|tag| *tag <= self.up_to);
        let (together, alone) = tags.split_at(within);
        let together = together.last().map(|tag| Ack { tag: *tag, multiple: true });
        let alone = alone.iter().map(|tag| Ack { tag: *tag, multiple: false });
        together.into_iter().chain(alone).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_settled_without_a_gap_takes_one_frame() {
        let mut window = Window::default();
        assert_eq!(window.settle([2, 1, 3].into_iter()), [Ack { tag: 3, multiple: true }]);
    }

    #[test]
    fn behind_one_that_is_not_settled_each_takes_a_frame() {
        let mut window = Window::default();
        let alone = |tag| Ack { tag, multiple: false };
        assert_eq!(
            window.settle([1, 3, 4].into_iter()),
            [Ack { tag: 1, multiple: true }, alone(3), alone(4)]
        );
        // The broker does not wait for 4 any more.
        assert_eq!(window.settle([2].into_iter()), [Ack { tag: 2, multiple: true }]);
        assert_eq!(window.settle([5].into_iter()), [Ack { tag: 5, multiple: true }]);
    }

    proptest! {
        #[test]
        fn each_is_acknowledged_once_and_no_other_however_they_come_together(
            order in Just((1..=60).collect::<Vec<u64>>()).prop_shuffle(),
            sizes in prop::collection::vec(1..10_usize, 60),
        ) {
            let mut window = Window::default();
            let mut unsettled: BTreeSet<u64> = (1..=60).collect();
            let mut unacked = unsettled.clone();
            let mut left = order.as_slice();
            for size in sizes {
                let (together, rest) = left.split_at(size.min(left.len()));
                left = rest;
                for tag in together {
                    unsettled.remove(tag);
                }
                for Ack { tag, multiple } in window.settle(together.iter().copied()) {
                    prop_assert!(unacked.remove(&tag), "{} is not waited for", tag);
                    if multiple {
                        unacked.retain(|other| *other > tag);
                    }
                }
                prop_assert_eq!(&unacked, &unsettled);
            }
        }
    }
}
