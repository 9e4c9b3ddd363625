//! One publishing channel, from its opening to its end.
//!
//! Hazards of confirms that this file is written around:
//! - The client pairs a returned message with whichever confirm it resolves next, so a return is
//!   matched by our own header (see `matching`), and everything that is ready is read before
//!   anything is concluded.
//! - A confirm may never come. After the deadline the channel is given up, so that a late one
//!   cannot be taken for another message's.

use std::{
    collections::BTreeMap,
    pin::{Pin, pin},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt, Stream, StreamExt,
    future::{BoxFuture, Fuse, FusedFuture},
    stream::FuturesUnordered,
};
use lapin::{
    Channel, Confirmation, Connection, Event as ConnectionEvent,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    super::{BrokerError, PublishError, Topology, connection::step, properties},
    Request,
    absent::Absent,
    matching::Matching,
};
use crate::{health::Health, retry::chain};

/// How often deadlines are looked at; a confirm is late by at most this much more.
const DEADLINE_TICK: Duration = Duration::from_millis(100);

/// A returned message means that a queue is missing; it is looked for at most this often.
const MEND_PAUSE: Duration = Duration::from_secs(1);

/// Why a session ended.
pub(super) enum End {
    Stopped,
    ChannelLost,
    ConnectionLost,
}

/// A channel with its unconfirmed messages.
pub(super) struct Session {
    channel: Channel,
    events: Pin<Box<dyn Stream<Item = ConnectionEvent> + Send>>,
    confirm_timeout: Duration,
    next_id: u64,
    pending: BTreeMap<u64, Pending>,
    confirms: FuturesUnordered<BoxFuture<'static, (u64, lapin::Result<Confirmation>)>>,
    blocked: bool,
    confirmed_any: bool,
    matching: Matching,
    /// A message was returned since the topology was last looked at.
    returned_any: bool,
    mended_at: Option<Instant>,
}

struct Pending {
    request: Request,
    sent_at: Instant,
}

impl Session {
    pub(super) async fn open(
        connection: &Connection,
        confirm_timeout: Duration,
    ) -> Result<Self, BrokerError> {
        let events = Box::pin(connection.events_listener());
        let channel = step("cannot open a channel", connection.create_channel()).await?;
        let select = channel.confirm_select(ConfirmSelectOptions::default());
        step("cannot turn on confirms", select).await?;
        Ok(Self {
            channel,
            events,
            confirm_timeout,
            next_id: 0,
            pending: BTreeMap::new(),
            confirms: FuturesUnordered::new(),
            blocked: connection.status().blocked(),
            confirmed_any: false,
            matching: Matching::default(),
            returned_any: false,
            mended_at: None,
        })
    }

    pub(super) async fn run(
        &mut self,
        again: Vec<Request>,
        (requests, absent): (&mut mpsc::Receiver<Request>, &Absent),
        (connection, topology): (&Connection, &Topology),
        health: &Health,
        stop: &CancellationToken,
    ) -> End {
        // Others publish on meanwhile.
        let mut mending = pin!(Fuse::terminated());
        for request in again {
            self.publish(request);
        }
        let mut tick = tokio::time::interval(DEADLINE_TICK);
        loop {
            tokio::select! {
                biased;
                Some(confirm) = self.confirms.next(), if !self.confirms.is_empty() => {
                    if let Err(end) = self.conclude(confirm) {
                        return end;
                    }
                }
                event = self.events.next() => match event {
                    Some(ConnectionEvent::ConnectionBlocked(reason)) => {
                        warn!(reason, "the broker blocks publishing; waiting");
                        self.blocked(true, health);
                    }
                    Some(ConnectionEvent::ConnectionUnblocked) => {
                        info!("the broker takes events again");
                        self.blocked(false, health);
                    }
                    // Those of single channels are told here, too.
                    Some(ConnectionEvent::Error(error)) if !connection.status().connected() => {
                        warn!(error = %error, "publishing connection is lost");
                        return End::ConnectionLost;
                    }
                    None => return End::ConnectionLost,
                    Some(_) => {}
                },
                mended = &mut mending, if !mending.is_terminated() => match mended {
                    Ok(()) => info!("a message was returned; what was missing is declared again"),
                    Err(error) => warn!(error = %chain(&error), "a message was returned, the topology is not complete"),
                },
                _ = tick.tick() => {
                    if self.give_up_late_ones() {
                        return End::ChannelLost;
                    }
                    if topology.declares() && mending.is_terminated() && self.should_mend() {
                        mending.set(topology.ensure(connection).fuse());
                    }
                }
                request = requests.recv(), if !self.blocked => match request {
                    Some(request) if absent.has(&request.exchange) => request.has_no_exchange(),
                    Some(request) => self.publish(request),
                    None => return End::Stopped,
                },
                () = stop.cancelled() => return End::Stopped,
            }
        }
    }

    /// Whether the broker takes nothing at the moment.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether the channel worked at all.
    pub(super) fn confirmed_any(&self) -> bool {
        self.confirmed_any
    }

    /// What somebody still waits for.
    pub(super) fn into_unconfirmed(self) -> Vec<Request> {
        let pending = self.pending.into_values().map(|pending| pending.request);
        pending.filter(|request| !request.answer.is_closed()).collect()
    }

    /// Numbering and sending happen when the future is first polled, by this task alone, so that the
    /// broker's count and the client's agree.
    fn publish(&mut self, request: Request) {
        let id = self.next_id;
        self.next_id += 1;
        let channel = self.channel.clone();
        let exchange = request.exchange.as_str().into();
        let routing_key = request.routing_key.as_str().into();
        let body = request.body.clone();
        let properties = properties::with_publish_id(&request.properties, id);
        self.confirms.push(
            async move {
                let options = BasicPublishOptions { mandatory: true, immediate: false };
                let sent =
                    channel.basic_publish(exchange, routing_key, options, &body, properties).await;
                match sent {
                    Ok(confirm) => (id, confirm.await),
                    Err(error) => (id, Err(error)),
                }
            }
            .boxed(),
        );
        self.pending.insert(id, Pending { request, sent_at: Instant::now() });
    }

    /// Answers whoever waits for this confirm, and for all others that are certain by now.
    fn conclude(&mut self, first: (u64, lapin::Result<Confirmation>)) -> Result<(), End> {
        let mut ready = vec![first];
        while let Some(Some(confirm)) = self.confirms.next().now_or_never() {
            ready.push(confirm);
        }
        let mut end = Ok(());
        for (id, confirm) in ready {
            let (refused, message) = match confirm {
                Ok(Confirmation::Ack(message)) => (false, message),
                Ok(Confirmation::Nack(message)) => (true, message),
                Ok(Confirmation::NotRequested) | Err(_) => {
                    end = Err(self.why_lost());
                    continue;
                }
            };
            let carried = message.map(|message| properties::publish_id(&message.properties));
            if let Some(None) = carried {
                // Whose it is cannot be told: what has no answer yet is published again.
                return Err(End::ChannelLost);
            }
            self.returned_any |= carried.is_some();
            self.matching.confirm(id, refused, carried.flatten());
        }
        for (id, result) in self.matching.certain() {
            let Some(pending) = self.pending.remove(&id) else { continue };
            self.confirmed_any |= result.is_ok();
            // Who no longer waits has given up; the message is with the broker all the same.
            let _ = pending.request.answer.send(result);
        }
        end
    }

    fn should_mend(&mut self) -> bool {
        let due = self.mended_at.is_none_or(|at| at.elapsed() >= MEND_PAUSE);
        if !self.returned_any || self.blocked || !due {
            return false;
        }
        self.returned_any = false;
        self.mended_at = Some(Instant::now());
        true
    }

    fn why_lost(&self) -> End {
        if self.channel.status().connected() { End::ConnectionLost } else { End::ChannelLost }
    }

    /// While blocked, the broker confirms nothing, and that is nobody's fault: deadlines start over.
    fn blocked(&mut self, blocked: bool, health: &Health) {
        self.blocked = blocked;
        health.blocked(blocked);
        for pending in self.pending.values_mut() {
            pending.sent_at = Instant::now();
        }
    }

    /// Tells those who waited too long, and whether there was one.
    fn give_up_late_ones(&mut self) -> bool {
        if self.blocked {
            return false;
        }
        let mut late = false;
        while let Some(oldest) = self.pending.first_entry() {
            if oldest.get().sent_at.elapsed() < self.confirm_timeout {
                break;
            }
            late = true;
            let _ = oldest.remove().request.answer.send(Err(PublishError::TimedOut));
        }
        late
    }
}
