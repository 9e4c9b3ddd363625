//! The partner's side: consumes events and dead letters, and asks the worker what it has settled.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, message::Delivery};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

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
    dead_letters: mpsc::UnboundedReceiver<(String, String)>,
    metrics_url: String,
    http: reqwest::Client,
    _connection: Connection,
}

/// An event with the queue it came from.
pub(super) struct Event {
    pub(super) queue: &'static str,
    text: String,
}

/// What became of a notification.
pub(super) enum Outcome {
    Published(Event),
    DeadLettered { reason: String, error: String },
    Duplicate,
    Ignored,
}

/// How many deliveries the worker has settled for good.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Settled {
    published: f64,
    dead_lettered: f64,
    duplicates: f64,
    ignored: f64,
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
                let _ = sender.send(Event { queue, text });
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
            dead_letters,
            metrics_url: format!("{}/metrics", worker_url.trim_end_matches('/')),
            http: reqwest::Client::new(),
            _connection: connection,
        })
    }

    pub(super) async fn settled(&self) -> anyhow::Result<Settled> {
        let answer = self.http.get(&self.metrics_url).send().await;
        let text = answer.context("cannot ask the worker for its metrics")?.text().await?;
        let count = |disposition: &str| {
            text.lines()
                .filter(|line| line.starts_with("docplanner_worker_deliveries_total"))
                .filter(|line| line.contains(&format!("disposition=\"{disposition}\"")))
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
                .sum()
        };
        Ok(Settled {
            published: count("published"),
            dead_lettered: count("dead_letter"),
            duplicates: count("duplicate"),
            ignored: count("ignored"),
        })
    }

    /// Waits until the worker has settled one more delivery, and tells how.
    pub(super) async fn outcome(&mut self, before: Settled) -> anyhow::Result<Outcome> {
        let now = timeout(PATIENCE, self.until_changed(before)).await??;
        if now.published > before.published {
            let event = timeout(PATIENCE, self.events.recv()).await?;
            return Ok(Outcome::Published(event.context("the connection is gone")?));
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
            if now != before {
                return Ok(now);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

impl Event {
    /// Type and subject.
    pub(super) fn in_words(&self) -> String {
        let body: Value = serde_json::from_str(&self.text).unwrap_or(Value::Null);
        let text = |key: &str| body[key].as_str().unwrap_or("-").to_owned();
        format!("{:<40} {}", text("type"), text("subject"))
    }

    /// The body with line breaks, its keys in the order in which they came.
    pub(super) fn indented(&self) -> String {
        let mut lines = String::new();
        let (mut depth, mut in_string, mut escaped) = (0, false, false);
        for c in self.text.chars() {
            let is_structure = !in_string && !escaped;
            match c {
                '}' | ']' if is_structure => {
                    depth -= 1;
                    lines.push('\n');
                    lines.push_str(&"  ".repeat(depth));
                    lines.push(c);
                }
                _ => lines.push(c),
            }
            match c {
                '{' | '[' if is_structure => {
                    depth += 1;
                    lines.push('\n');
                    lines.push_str(&"  ".repeat(depth));
                }
                ',' if is_structure => {
                    lines.push('\n');
                    lines.push_str(&"  ".repeat(depth));
                }
                ':' if is_structure => lines.push(' '),
                '"' if !escaped => in_string = !in_string,
                _ => {}
            }
            escaped = in_string && c == '\\' && !escaped;
        }
        lines
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
