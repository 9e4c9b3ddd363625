//! The operator's desk: `dead-letters list|show|replay|discard` on real queues.

mod discard;
mod large;
mod looks;
mod replay;
mod turns;

use docplanner_worker::{config::BrokerSettings, private::Secret};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;

use crate::support::{
    Story,
    broker::{DEAD, INCOMING},
    clinic,
    worker::{Ran, run},
};

/// A story whose dead letters stay where they are.
async fn story() -> Story {
    let story = Story::begin().await;
    story.broker.leave_dead_letters().await;
    story
}

/// Runs `dead-letters …` to its end.
async fn desk(story: &Story, arguments: &[&str]) -> Ran {
    let config = story.config_file();
    let config = ["--config", config.to_str().unwrap()];
    run(&[&["dead-letters"], arguments, &config].concat(), "").await
}

/// The same, and it has to work; what it prints.
async fn told(story: &Story, arguments: &[&str]) -> String {
    let ran = desk(story, arguments).await;
    assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// The letters as `list` tells them to machines.
async fn listed(story: &Story, arguments: &[&str]) -> Vec<Value> {
    let text = told(story, &[&["list", "--output", "json"], arguments].concat()).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The bookings of letters, in their order.
async fn bookings(story: &Story, arguments: &[&str]) -> Vec<String> {
    listed(story, arguments).await.iter().map(|letter| text(letter, "booking_id")).collect()
}

fn text(letter: &Value, field: &str) -> String {
    letter[field].as_str().unwrap_or("-").to_owned()
}

/// A dead letter as a worker sets it aside.
struct Letter {
    body: Vec<u8>,
    headers: Vec<(&'static str, AMQPValue)>,
}

impl Letter {
    /// A booking that was set aside at this time.
    fn of_booking(id: &str, reason: &str, failed_at: &str) -> Self {
        let body = clinic::slot_booked(id, clinic::ONSITE).to_string().into_bytes();
        Self { body, headers: vec![] }
            .with("x-reason", reason)
            .with("x-error", "the API said 503")
            .with("x-failed-at", failed_at)
            .with("x-docplanner-tenant", "acme")
            .with_value("x-attempts", AMQPValue::LongUInt(3))
    }

    fn with(self, name: &'static str, value: &str) -> Self {
        self.with_value(name, AMQPValue::LongString(value.into()))
    }

    fn with_value(mut self, name: &'static str, value: AMQPValue) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        self
    }

    async fn lies_in(self, story: &Story) {
        story.broker.publish(DEAD, &self.body, self.properties()).await;
    }

    fn properties(&self) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, value) in &self.headers {
            table.insert((*name).into(), value.clone());
        }
        BasicProperties::default().with_delivery_mode(2).with_headers(table)
    }
}

/// Letters of these bookings, all set aside for the same.
async fn lie(story: &Story, bookings: std::ops::RangeInclusive<u32>, reason: &str) {
    for booking in bookings {
        let letter = Letter::of_booking(&booking.to_string(), reason, "2026-01-02T03:04:05.678Z");
        letter.lies_in(story).await;
    }
}

fn numbers(range: std::ops::RangeInclusive<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// The bookings in the incoming queue, taken out of it.
async fn replayed(story: &Story) -> Vec<String> {
    let mut bookings = Vec::new();
    for _ in 0..story.broker.depth(INCOMING).await {
        let message = story.take_from(INCOMING).await;
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        bookings.push(text(&body["data"]["visit_booking"], "id"));
    }
    bookings
}

/// The settings of the broker, for the desk without its command.
fn broker_settings(story: &Story) -> BrokerSettings {
    let url = Secret::new(&story.settings.amqp_url).into();
    BrokerSettings { url, ..BrokerSettings::default() }
}
