//! Publishing with confirms: one task owns the connection, everybody else hands it messages.
//!
//! One task, because lapin numbers publishes in one step and sends them in another, and because a
//! returned message can only be matched by someone who sees every confirm of the channel.

mod absent;
mod matching;
mod session;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lapin::{BasicProperties, Connection, types::ShortString};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, info, warn};

use self::{
    absent::Absent,
    session::{End, Session},
};
use super::{BrokerError, PublishError, Publisher, Topology, connect, properties};
use crate::{
    clock::Clock,
    config::BrokerSettings,
    event::Event,
    health::Health,
    metrics::Metrics,
    retry::{Backoff, chain},
    route::{Route, Target},
    traces,
};

/// What most events fit into. Growing step by step would copy each several times.
const USUAL_EVENT_BYTES: usize = 2048;

/// A message on its way to the broker.
struct Request {
    exchange: String,
    routing_key: String,
    body: Bytes,
    properties: BasicProperties,
    answer: oneshot::Sender<Result<(), PublishError>>,
}

impl Request {
    fn has_no_exchange(self) {
        // Who no longer waits has given up.
        let _ = self.answer.send(Err(PublishError::NoExchange));
    }
}

/// Hands messages to the publishing task. Cheap to clone.
#[derive(Clone)]
pub struct RabbitPublisher {
    requests: mpsc::Sender<Request>,
    exchange: String,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// The task that owns the publishing connection.
pub struct PublisherTask {
    requests: mpsc::Receiver<Request>,
    /// Taken from `requests`, but not confirmed: the next channel's first.
    unconfirmed: Vec<Request>,
    absent: Absent,
    settings: BrokerSettings,
    topology: Topology,
    health: Arc<Health>,
}

impl RabbitPublisher {
    /// A publisher, and the task that has to run for it.
    #[must_use]
    pub fn new(
        settings: BrokerSettings,
        topology: Topology,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> (Self, PublisherTask) {
        // As many as can be in flight: a sender waits only while the broker is away.
        let (sender, requests) = mpsc::channel(settings.prefetch.into());
        let exchange = settings.exchange.clone();
        let publisher = Self { requests: sender, exchange, clock, metrics };
        let (unconfirmed, absent) = (Vec::new(), Absent::default());
        let task = PublisherTask { requests, unconfirmed, absent, settings, topology, health };
        (publisher, task)
    }

    /// Puts a message into a queue and waits until the broker has confirmed it.
    pub(super) async fn publish_to_queue(
        &self,
        queue: &str,
        body: Bytes,
        properties: BasicProperties,
    ) -> Result<(), PublishError> {
        let message_id = properties.message_id().as_ref().map(ShortString::as_str);
        let span = traces::send("", queue, message_id);
        let published = self.publish(String::new(), queue.to_owned(), body, properties);
        traced(published, span).await
    }

    /// Exchange and routing key; `None` is nowhere.
    fn destination(&self, route: &Route) -> Option<(String, String)> {
        match route {
            Route::Default { routing_key } => Some((self.exchange.clone(), routing_key.clone())),
            Route::Rule { target, .. } => match target {
                // The default exchange takes a queue's name.
                Target::Queue(queue) => Some((String::new(), queue.clone())),
                Target::Exchange { name, routing_key } => Some((name.clone(), routing_key.clone())),
                Target::Drop => None,
            },
        }
    }

    async fn publish(
        &self,
        exchange: String,
        routing_key: String,
        body: Bytes,
        properties: BasicProperties,
    ) -> Result<(), PublishError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { exchange, routing_key, body, properties, answer };
        self.requests.send(request).await.map_err(|_| PublishError::Interrupted)?;
        answered.await.unwrap_or(Err(PublishError::Interrupted))
    }
}

impl Publisher for RabbitPublisher {
    async fn publish_event(
        &self,
        event: &Event,
        route: &Route,
        traceparent: Option<&str>,
    ) -> Result<(), PublishError> {
        let Some((exchange, routing_key)) = self.destination(route) else {
            self.metrics.event(&event.tenant, event.kind, "dropped");
            return Ok(());
        };
        // Strings, numbers and raw JSON, all of which serialize.
        let mut body = Vec::with_capacity(USUAL_EVENT_BYTES);
        serde_json::to_writer(&mut body, event).map_err(|_| PublishError::Interrupted)?;
        let id = event.id.to_string();
        let span = traces::send(&exchange, &routing_key, Some(&id));
        // The consumer's parent is this publish; while traces are off, whoever sent the notification.
        let own = traces::traceparent(&span);
        let traceparent = own.as_deref().or(traceparent);
        let properties = properties::of_event(event, traceparent, (self.clock)());
        let published = self.publish(exchange, routing_key, body.into(), properties);
        let result = traced(published, span).await;
        let label = result.as_ref().map_or_else(PublishError::label, |()| "confirmed");
        self.metrics.event(&event.tenant, event.kind, label);
        result
    }
}

/// Publishes within a span that tells how it went.
async fn traced(
    publishing: impl Future<Output = Result<(), PublishError>>,
    span: Span,
) -> Result<(), PublishError> {
    let result = publishing.instrument(span.clone()).await;
    if let Err(error) = &result {
        traces::failed(&span, error.label());
    }
    result
}

impl PublisherTask {
    /// Connects, publishes and reconnects until stopped, or until every publisher is dropped.
    /// What is not confirmed when a connection breaks is published again on the next one.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::reconnect();
        let mut told_down = false;
        loop {
            let Some(connected) = stop.run_until_cancelled(self.open()).await else { return };
            let connection = match connected {
                Ok(connection) => connection,
                Err(error) => {
                    if !told_down {
                        warn!(error = %chain(&*error), "cannot publish; waiting for the broker");
                        told_down = true;
                    }
                    pause(&stop, backoff.next_delay()).await;
                    continue;
                }
            };
            info!("publishing connection is open");
            told_down = false;
            self.health.publishing(true);
            let end = self.serve(&connection, &stop, &mut backoff).await;
            self.health.publishing(false);
            if let End::Stopped = end {
                // The broker closes what we do not.
                let _ = super::connection::step(
                    "cannot close the connection",
                    connection.close(200, "worker stops".into()),
                )
                .await;
                return;
            }
            pause(&stop, backoff.next_delay()).await;
        }
    }

    async fn open(&mut self) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
        let connection = connect(&self.settings, "publish").await?;
        // What was deleted while we were away has to be back before the first publish.
        self.topology.ensure(&connection).await?;
        self.absent.look(&self.topology, &connection).await?;
        Ok(connection)
    }

    /// What goes to an exchange that is not there would close the next channel, too.
    async fn give_up_without_exchange(
        &mut self,
        connection: &Connection,
    ) -> Result<(), BrokerError> {
        self.absent.look(&self.topology, connection).await?;
        let absent = &self.absent;
        let (hopeless, rest) = std::mem::take(&mut self.unconfirmed)
            .into_iter()
            .partition(|request: &Request| absent.has(&request.exchange));
        self.unconfirmed = rest;
        hopeless.into_iter().for_each(Request::has_no_exchange);
        Ok(())
    }

    /// One channel after the other on one connection, until it breaks or we stop.
    async fn serve(
        &mut self,
        connection: &Connection,
        stop: &CancellationToken,
        backoff: &mut Backoff,
    ) -> End {
        loop {
            let timeout = self.settings.confirm_timeout;
            let mut session = match Session::open(connection, timeout).await {
                Ok(session) => session,
                Err(error) => {
                    warn!(error = %chain(&error), "cannot open a publishing channel");
                    return End::ConnectionLost;
                }
            };
            self.health.blocked(session.is_blocked());
            let again = std::mem::take(&mut self.unconfirmed);
            let requests = (&mut self.requests, &self.absent);
            let end = session
                .run(again, requests, (connection, &self.topology), &self.health, stop)
                .await;
            if session.confirmed_any() {
                backoff.reset();
            }
            self.unconfirmed = session.into_unconfirmed();
            match end {
                End::Stopped | End::ConnectionLost => return end,
                End::ChannelLost => {
                    warn!("publishing channel is lost; opening another one");
                    pause(stop, backoff.next_delay()).await;
                    // A missing exchange or queue closes channels, and comes back only if declared.
                    if let Err(error) = self.topology.ensure(connection).await {
                        warn!(error = %chain(&error), "the topology is not as it should be");
                        return End::ConnectionLost;
                    }
                    if let Err(error) = self.give_up_without_exchange(connection).await {
                        warn!(error = %chain(&error), "cannot look for exchanges of routes");
                        return End::ConnectionLost;
                    }
                }
            }
        }
    }
}

async fn pause(stop: &CancellationToken, delay: Duration) {
    stop.run_until_cancelled(tokio::time::sleep(delay)).await;
}
