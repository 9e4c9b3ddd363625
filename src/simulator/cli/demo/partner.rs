//! The partner's side: consumes events and dead letters, and asks the worker what it has settled.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, message::Delivery};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::event::Event;

const QUEUES: [&str; 6] = [
    "partner.onsite",
    "partner.onsite.payment",
    "partner.online",
    "partner.online.payment",
    "partner.unclassified",
    "partner.unrouted",
];

/// A worker that needs longer than this for one notification is not at work.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often the worker is asked.
const ASK_EVERY: Duration = Duration::from_millis(10);

pub(super) struct Partner {
    events: mpsc::UnboundedReceiver<Event>,
    /// Events that came while another was waited for.
    early: VecDeque<Event>,
    dead_letters: mpsc::UnboundedReceiver<(String, String)>,
    metrics_url: String,
    http: reqwest::Client,
    _connection: Connection,
}

/// What became of a notification.
pub(super) enum Outcome {
    /// The notification's own event first, then what follows from it.
    Published(Vec<Event>),
    DeadLettered {
        reason: String,
        error: String,
    },
    Duplicate,
    Ignored,
}

/// How many deliveries the worker has settled for good.
#[derive(Clone, Copy)]
pub(super) struct Settled {
    published: u64,
    dead_lettered: u64,
    duplicates: u64,
    ignored: u64,
    /// Confirmed by the broker: a notification can have several.
    events: u64,
}

impl Partner {
    pub(super) async fn connect(
        amqp_url: &str,
        queue: &str,
        worker_url: &str,
    ) -> anyhow::Result<Self> {
        let connection = Connection::connect(amqp_url, ConnectionProperties::default())
            .await
            .context("cannot connect to the broker")?;
        let channel = connection.create_channel().await?;
        let (sender, events) = mpsc::unbounded_channel();
        for queue in QUEUES {
            let sender = sender.clone();
            consume(&channel, queue, move |delivery| {
                let text = String::from_utf8_lossy(&delivery.data).into_owned();
                let _ = sender.send(Event::new(queue, text));
            })
            .await?;
        }
        let (sender, dead_letters) = mpsc::unbounded_channel();
        consume(&channel, &format!("{queue}.dead"), move |delivery| {
            let _ = sender.send((header(delivery, "x-reason"), header(delivery, "x-error")));
        })
        .await?;
        Ok(Self {
            events,
            early: VecDeque::new(),
            dead_letters,
            metrics_url: format!("{}/metrics", worker_url.trim_end_matches('/')),
            http: reqwest::Client::new(),
            _connection: connection,
        })
    }

    pub(super) async fn settled(&self) -> anyhow::Result<Settled> {
        let answer = self.http.get(&self.metrics_url).send().await;
        let text = answer.context("cannot ask the worker for its metrics")?.text().await?;
        let count = |metric: &str, label: &str| {
            text.lines()
                .filter(|line| line.starts_with(metric) && line.contains(label))
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
                .sum()
        };
        let deliveries =
            |label: &str| count("docplanner_worker_deliveries_total", &format!("\"{label}\""));
        Ok(Settled {
            published: deliveries("published"),
            dead_lettered: deliveries("dead_letter"),
            duplicates: deliveries("duplicate"),
            ignored: deliveries("ignored"),
            events: count("docplanner_worker_events_published_total", "\"confirmed\""),
        })
    }

    /// Waits until the worker has counted so many more deliveries and events: an event arrives before its
    /// notification is settled.
    pub(super) async fn until_counted(
        &self,
        before: Settled,
        deliveries: u64,
        events: u64,
    ) -> anyhow::Result<()> {
        let counted = async {
            loop {
                let now = self.settled().await?;
                if now.deliveries() >= before.deliveries() + deliveries
                    && now.events >= before.events + events
                {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        timeout(PATIENCE, counted).await.context("the worker did not settle everything")?
    }

    /// The next event with this `partitionkey`.
    pub(super) async fn event_of(&mut self, chain: &str) -> anyhow::Result<Event> {
        if let Some(at) = self.early.iter().position(|event| event.partition_key() == chain) {
            return self.early.remove(at).context("it was there");
        }
        loop {
            let event = tokio::select! {
                event = timeout(PATIENCE, self.events.recv()) => event,
                Some((reason, error)) = self.dead_letters.recv() => {
                    bail!("a dead letter came: {reason}: {error}")
                }
            };
            let event = event.with_context(|| format!("no event of {chain} came"))?;
            let event = event.context("the connection is gone")?;
            if event.partition_key() == chain {
                return Ok(event);
            }
            self.early.push_back(event);
        }
    }

    /// An event that nobody has asked for.
    pub(super) fn left_over(&mut self) -> Option<Event> {
        self.early.pop_front().or_else(|| self.events.try_recv().ok())
    }

    /// Waits until the worker has settled one more delivery, and tells how.
    pub(super) async fn outcome(&mut self, before: Settled) -> anyhow::Result<Outcome> {
        let now = timeout(PATIENCE, self.until_changed(before)).await??;
        if now.published > before.published {
            let mut events = Vec::new();
            for _ in before.events..now.events {
                let event = timeout(PATIENCE, self.events.recv()).await?;
                events.push(event.context("the connection is gone")?);
            }
            // Each queue is consumed by itself.
            events.sort_by_key(Event::sequence);
            return Ok(Outcome::Published(events));
        }
        if now.dead_lettered > before.dead_lettered {
            let dead = timeout(PATIENCE, self.dead_letters.recv()).await?;
            let (reason, error) = dead.context("the connection is gone")?;
            return Ok(Outcome::DeadLettered { reason, error });
        }
        if now.duplicates > before.duplicates {
            return Ok(Outcome::Duplicate);
        }
        if now.ignored > before.ignored {
            return Ok(Outcome::Ignored);
        }
        bail!("the worker's counters ran backwards: was it restarted?")
    }

    async fn until_changed(&self, before: Settled) -> anyhow::Result<Settled> {
        loop {
            let now = self.settled().await?;
            if now.deliveries() > before.deliveries() {
                return Ok(now);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

impl Settled {
    fn deliveries(self) -> u64 {
        self.published + self.dead_lettered + self.duplicates + self.ignored
    }
}

async fn consume(
    channel: &Channel,
    queue: &str,
    mut take: impl FnMut(&Delivery) + Send + 'static,
) -> anyhow::Result<()> {
    let options = BasicConsumeOptions::default();
    let mut deliveries = channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await
        .with_context(|| {
            format!("cannot consume {queue}; run `docplanner-worker topology declare`")
        })?;
    tokio::spawn(async move {
        while let Some(Ok(delivery)) = deliveries.next().await {
            take(&delivery);
            let _ = delivery.acker.ack(BasicAckOptions::default()).await;
        }
    });
    Ok(())
}

fn header(delivery: &Delivery, name: &str) -> String {
    let headers = delivery.properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get(name)) {
        Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        _ => String::new(),
    }
}
