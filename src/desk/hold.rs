//! Holding letters while they are looked at.
//!
//! What a quorum queue does, and this file is written around:
//! - There is no reading without taking. What is taken and not acknowledged goes back when its channel ends, in its
//!   old order: each consumer's share together, and the shares in the order of the consumers' tags, as long as there
//!   are at most 32 of them. (A `basic.nack` of more than 32 letters at once shuffles them.)
//! - A consumer gets as many letters as its prefetch allows, and no more until some are acknowledged. One that is to
//!   read a long queue to its end would have to be sent all of it at once. So letters are taken in portions, each by a
//!   consumer of its own: only one portion is in memory.
//! - Whoever holds a letter for longer than the broker's `consumer_timeout` (30 minutes, unless configured) loses
//!   its channel. So everything is given back in time and taken again, and what was passed before is passed again.

use std::{
    mem::take,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    Channel, Confirmation, Connection, Consumer, ErrorKind,
    message::Delivery as Message,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions,
        BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::time::{sleep, timeout};

use super::{DeskError, Letter};
use crate::{
    broker::{ACKS_PASS_ON, BrokerError, PublishError, Topology, connect, properties, step},
    config::BrokerSettings,
    tenants::Tenants,
};

/// Less than the 32 up to which a queue keeps consumers in order.
const MOST_PORTIONS: u32 = 30;

/// A round trip each, so they should not be small; 1,000 bodies of 1.5 kB are nothing.
const SMALLEST_PORTION: u32 = 1000;

/// Acknowledgements that are on their way at once. A crash may leave as many letters that were put back in both queues;
/// so it is none while letters are put back.
const UNDER_WAY: usize = 200;

/// When nothing comes for so long, the broker is asked whether there is anything left.
const SILENCE: Duration = Duration::from_secs(1);

/// For letters to be back in the queue after their channel was closed; 100,000 take less than a second.
const BACK_WITHIN: Duration = Duration::from_secs(10);

const SOFT_ERROR_ACCESS_REFUSED: u16 = 403;
const SOFT_ERROR_NOT_FOUND: u16 = 404;
const SOFT_ERROR_RESOURCE_LOCKED: u16 = 405;

/// The desk, with one person at it.
pub struct Desk {
    connection: Connection,
    tenants: Tenants,
    /// The queue with the letters.
    dead: String,
    /// The queue that they are put back into.
    incoming: String,
    confirm_timeout: Duration,
    /// How long a letter may be held.
    longest_hold: Duration,
    /// Opened when the first letter is put back.
    publishing: Option<Channel>,
    pass: Pass,
    /// How many letters are looked at: those that lay there at the beginning, without those that were taken away.
    total: u32,
    /// How many of them were passed, and lie there still.
    passed: u32,
    /// How many were passed before this pass began.
    to_skip: u32,
    warnings: Vec<String>,
}

/// A letter that is held.
pub struct Held {
    /// What it tells.
    pub letter: Letter,
    message: Message,
}

/// From the head of the queue on, until everything is given back.
struct Pass {
    channel: Channel,
    portion: u16,
    consumer: Option<Consumer>,
    /// How many letters the consumer has that are not acknowledged.
    taken: u16,
    portions: u32,
    /// On their way to the broker. Awaiting each by itself would make the network the pace of a large discard.
    acknowledgements: FuturesUnordered<BoxFuture<'static, lapin::Result<bool>>>,
    has_acknowledged: bool,
    since: Instant,
}

impl Desk {
    /// Opens the desk, if nobody else is at it. `longest_hold` has to be shorter than the broker's
    /// `consumer_timeout`.
    ///
    /// # Errors
    ///
    /// If somebody is, if there is no such queue, or if the broker is away or refuses.
    pub async fn open(
        settings: &BrokerSettings,
        tenants: Tenants,
        longest_hold: Duration,
    ) -> Result<Self, DeskError> {
        let topology = Topology::new(settings, []);
        let dead = topology.dead();
        let connection = connect(settings, "dead-letters").await?;
        lock(&connection, &dead).await?;
        let (total, consumers) = look_at(&connection, &dead).await?;
        let mut warnings = Vec::new();
        if consumers > 0 {
            warnings.push(format!(
                "{consumers} other consumers take letters out of {dead} (a shovel, say); what they hold is not here"
            ));
        }
        if !topology.dead_is_as_declared(&connection).await? {
            warnings.push(format!(
                "{dead} was declared with other arguments than `topology declare` gives it. Each look counts as a \
                 delivery of every letter: if the queue has a delivery limit (RabbitMQ 4 sets 20 by itself), letters \
                 are lost after that many"
            ));
        }
        let pass = Pass::begin(&connection, total).await?;
        Ok(Self {
            connection,
            tenants,
            incoming: topology.incoming().to_owned(),
            dead,
            confirm_timeout: settings.confirm_timeout,
            longest_hold,
            publishing: None,
            pass,
            total,
            passed: 0,
            to_skip: 0,
            warnings,
        })
    }

    /// What whoever works here should know, taken out.
    pub fn warnings(&mut self) -> Vec<String> {
        take(&mut self.warnings)
    }

    /// How many letters there were at the beginning, without those that were taken away since.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The next letter, the oldest first. Dropped, it stays where it is.
    ///
    /// # Errors
    ///
    /// If the broker goes away. Everything is at its place then.
    pub async fn next(&mut self) -> Result<Option<Held>, DeskError> {
        if self.pass.since.elapsed() > self.longest_hold {
            self.give_back().await?;
            self.to_skip = self.passed;
            self.pass = Pass::begin(&self.connection, self.total).await?;
        }
        while self.to_skip > 0 || self.passed < self.total {
            let Some(mut message) = self.pass.next(&self.connection, &self.dead).await? else {
                // Somebody else has taken them.
                self.total = self.passed;
                return Ok(None);
            };
            if self.to_skip > 0 {
                self.to_skip -= 1;
                continue;
            }
            self.passed += 1;
            let (properties, body) = (take(&mut message.properties), take(&mut message.data));
            let letter = Letter::read(properties, body, &self.tenants);
            return Ok(Some(Held { letter, message }));
        }
        Ok(None)
    }

    /// Puts a letter back into the incoming queue. It is taken out of this one after the broker has the copy, so a
    /// crash in between leaves two, of which the inbox publishes one.
    ///
    /// # Errors
    ///
    /// If the broker does not take the copy; the letter stays where it is then.
    pub async fn put_back(&mut self, held: Held, now: DateTime<Utc>) -> Result<(), DeskError> {
        let channel = self.publishing().await?;
        let copy = properties::for_replay(&held.letter.properties, now);
        let publishing = async {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let queue = self.incoming.as_str().into();
            let body = held.letter.body.bytes();
            channel.basic_publish("".into(), queue, options, body, copy).await?.await
        };
        let confirmed = timeout(self.confirm_timeout, publishing).await;
        // One is under way at a time, so a return that comes with a confirm belongs to it.
        let failed = match confirmed {
            Ok(Ok(Confirmation::Ack(None))) => None,
            Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)))) => {
                Some(PublishError::Returned)
            }
            Ok(Ok(Confirmation::Nack(None) | Confirmation::NotRequested)) => {
                Some(PublishError::Refused)
            }
            Ok(Err(source)) => {
                return Err(BrokerError::Refused { step: "cannot publish", source }.into());
            }
            Err(_) => Some(PublishError::TimedOut),
        };
        match failed {
            Some(error) => Err(DeskError::NotPutBack { queue: self.incoming.clone(), error }),
            None => self.take_out(held, 0).await,
        }
    }

    /// Throws a letter away.
    ///
    /// # Errors
    ///
    /// If the broker is gone; the letter is still there then.
    pub async fn throw_away(&mut self, held: Held) -> Result<(), DeskError> {
        self.take_out(held, UNDER_WAY).await
    }

    async fn take_out(&mut self, held: Held, under_way: usize) -> Result<(), DeskError> {
        self.pass.acknowledge(held.message, under_way).await?;
        self.passed -= 1;
        self.total -= 1;
        Ok(())
    }

    /// Starts over from the oldest letter, with those that were there at the beginning.
    ///
    /// # Errors
    ///
    /// If the broker goes away.
    pub async fn start_over(&mut self) -> Result<(), DeskError> {
        self.give_back().await?;
        (self.passed, self.to_skip) = (0, 0);
        self.pass = Pass::begin(&self.connection, self.total).await?;
        Ok(())
    }

    /// Leaves the desk, with every letter at its place.
    ///
    /// # Errors
    ///
    /// If the broker is gone; it puts the letters back by itself then.
    pub async fn leave(mut self) -> Result<(), DeskError> {
        self.give_back().await?;
        let close = self.connection.close(200, "done".into());
        Ok(step("cannot close the connection", close).await?)
    }

    /// Puts what is held back into the queue, and waits until it is there: whoever comes next should find it.
    async fn give_back(&mut self) -> Result<(), DeskError> {
        self.pass.settle(0).await?;
        if self.pass.has_acknowledged {
            sleep(ACKS_PASS_ON).await;
        }
        let close = self.pass.channel.close(200, "back to the queue".into());
        step("cannot close a channel", close).await?;
        let back = async {
            while look_at(&self.connection, &self.dead).await?.0 < self.total {
                sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        timeout(BACK_WITHIN, back).await.unwrap_or(Ok(()))
    }

    async fn publishing(&mut self) -> Result<Channel, DeskError> {
        if let Some(channel) = &self.publishing {
            return Ok(channel.clone());
        }
        let channel = step("cannot open a channel", self.connection.create_channel()).await?;
        let select = channel.confirm_select(ConfirmSelectOptions::default());
        step("cannot turn on confirms", select).await?;
        Ok(self.publishing.insert(channel).clone())
    }
}

impl Pass {
    async fn begin(connection: &Connection, total: u32) -> Result<Self, DeskError> {
        let channel = step("cannot open a channel", connection.create_channel()).await?;
        let portion = total.div_ceil(MOST_PORTIONS).max(SMALLEST_PORTION);
        Ok(Self {
            channel,
            portion: portion.try_into().unwrap_or(u16::MAX),
            consumer: None,
            taken: 0,
            portions: 0,
            acknowledgements: FuturesUnordered::new(),
            has_acknowledged: false,
            since: Instant::now(),
        })
    }

    /// The next message of the queue. `None`: there is none.
    async fn next(
        &mut self,
        connection: &Connection,
        queue: &str,
    ) -> Result<Option<Message>, DeskError> {
        if self.taken == self.portion
            && let Some(full) = self.consumer.take()
        {
            // It has all that it may have, so nothing is on its way to it.
            let cancel = self.channel.basic_cancel(full.tag(), BasicCancelOptions::default());
            step("cannot end a portion", cancel).await?;
        }
        if self.consumer.is_none() {
            self.consumer = Some(self.take_portion(queue).await?);
        }
        let Some(consumer) = &mut self.consumer else { return Ok(None) };
        loop {
            match timeout(SILENCE, consumer.next()).await {
                Ok(Some(Ok(message))) => {
                    self.taken += 1;
                    return Ok(Some(message));
                }
                Ok(Some(Err(source))) => {
                    let step = "the letters went back to the queue";
                    return Err(BrokerError::Refused { step, source }.into());
                }
                Ok(None) => return Err(BrokerError::Cancelled.into()),
                Err(_) if look_at(connection, queue).await?.0 == 0 => return Ok(None),
                Err(_) => {}
            }
        }
    }

    /// Takes a letter out of the queue, with at most so many others on their way.
    async fn acknowledge(&mut self, message: Message, under_way: usize) -> Result<(), DeskError> {
        let acker = message.acker;
        let ack = async move { acker.ack(BasicAckOptions::default()).await };
        self.acknowledgements.push(ack.boxed());
        self.taken = self.taken.saturating_sub(1);
        self.has_acknowledged = true;
        self.settle(under_way).await
    }

    /// Waits until only so many acknowledgements are on their way.
    async fn settle(&mut self, under_way: usize) -> Result<(), DeskError> {
        // The first look at one sends it, and the broker counts on it before it sends more letters.
        while let Some(Some(acknowledged)) = self.acknowledgements.next().now_or_never() {
            reached(acknowledged)?;
        }
        while self.acknowledgements.len() > under_way
            && let Some(acknowledged) = self.acknowledgements.next().await
        {
            reached(acknowledged)?;
        }
        Ok(())
    }

    async fn take_portion(&mut self, queue: &str) -> Result<Consumer, DeskError> {
        let qos = self.channel.basic_qos(self.portion, BasicQosOptions::default());
        step("cannot set the prefetch", qos).await?;
        self.taken = 0;
        self.portions += 1;
        // Letters go back in the order of these names.
        let tag = format!("portion-{:05}", self.portions);
        let consume = self.channel.basic_consume(
            queue.into(),
            tag.as_str().into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        Ok(step("cannot consume", consume).await?)
    }
}

/// Takes the place at the desk: a queue that belongs to this connection alone, and goes with it. Consuming
/// exclusively would be no lock, because a quorum queue lets several do so.
async fn lock(connection: &Connection, dead: &str) -> Result<(), DeskError> {
    let name = format!("{dead}.desk");
    let channel = step("cannot open a channel", connection.create_channel()).await?;
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let declare = channel.queue_declare(name.as_str().into(), options, FieldTable::default());
    match step("cannot take the place at the desk", declare).await {
        Ok(_) => Ok(()),
        Err(error) => Err(match refusal(&error) {
            Some(SOFT_ERROR_RESOURCE_LOCKED) => DeskError::Taken(dead.to_owned()),
            Some(SOFT_ERROR_ACCESS_REFUSED) => DeskError::MayNotLock(name),
            _ => error.into(),
        }),
    }
}

/// How many letters wait in the queue, and how many consumers it has.
async fn look_at(connection: &Connection, queue: &str) -> Result<(u32, u32), DeskError> {
    // A channel of its own: the broker closes it if there is no such queue.
    let channel = step("cannot open a channel", connection.create_channel()).await?;
    let passive =
        QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    let declare = channel.queue_declare(queue.into(), passive, FieldTable::default());
    let found =
        step("cannot look at the queue", declare).await.map_err(|error| match refusal(&error) {
            Some(SOFT_ERROR_NOT_FOUND) => DeskError::NoQueue(queue.to_owned()),
            _ => error.into(),
        })?;
    step("cannot close a channel", channel.close(200, "looked".into())).await?;
    Ok((found.message_count(), found.consumer_count()))
}

/// Whether an acknowledgement reached the broker. `Ok(false)` is the same as an error.
fn reached(acknowledged: lapin::Result<bool>) -> Result<(), DeskError> {
    match acknowledged {
        Ok(true) => Ok(()),
        Ok(false) => Err(BrokerError::Cancelled.into()),
        Err(source) => {
            Err(BrokerError::Refused { step: "cannot take a letter out", source }.into())
        }
    }
}

/// The number of the broker's refusal.
fn refusal(error: &BrokerError) -> Option<u16> {
    match error {
        BrokerError::Refused { source, .. } => match source.kind() {
            ErrorKind::ProtocolError(error) => Some(error.get_id()),
            _ => None,
        },
        _ => None,
    }
}
