//! What the worker measures of its queues.

use docplanner_worker::simulator::api::Fault;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use crate::support::{Story, clinic, until, worker::Worker};

/// Not the queue that the harness consumes the dead letters of.
const INCOMING: &str = "clinic.notifications";
const DEAD: &str = "clinic.notifications.dead";

const HOUR: f64 = 3600.0;

async fn story() -> Story {
    let mut story = Story::begin().await;
    story.settings.broker.push(format!("queue = {INCOMING:?}"));
    story.declare_topology().await;
    story
}

async fn of(worker: &Worker, metric: &str, queue: &str) -> f64 {
    worker.metric(&format!("queue_{metric}"), &[&format!("queue=\"{queue}\"")]).await
}

async fn until_is(worker: &Worker, metric: &str, queue: &str, is: impl Fn(f64) -> bool) {
    until(&format!("{metric} of {queue} is as expected"), async || {
        is(of(worker, metric, queue).await).then_some(())
    })
    .await;
}

fn an_hour_ago() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now() - chrono::TimeDelta::hours(1)
}

/// As a pod of an hour ago has set it aside.
async fn set_aside_an_hour_ago(story: &Story) {
    let mut headers = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(text.into());
    headers.insert("x-reason".into(), text("malformed"));
    headers.insert("x-failed-at".into(), text(&an_hour_ago().to_rfc3339()));
    let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
    story.broker.publish(DEAD, b"nonsense", properties).await;
}

#[tokio::test]
async fn depth_and_age_are_measured_and_dead_letters_stay_where_they_are() {
    let mut story = story().await;
    set_aside_an_hour_ago(&story).await;
    story.settings.broker.push("prefetch = 1".into());
    story.docplanner.fault(Fault::hang());
    for booking in ["1", "2", "3"] {
        let sent_at = u64::try_from(an_hour_ago().timestamp()).unwrap();
        let properties = BasicProperties::default().with_delivery_mode(2).with_timestamp(sent_at);
        let body = clinic::slot_booked(booking, clinic::ONSITE).to_string();
        story.broker.publish(INCOMING, body.as_bytes(), properties).await;
    }

    let worker = story.worker().await;
    until_is(&worker, "messages", INCOMING, |messages| messages > 1.5).await;
    until_is(&worker, "messages", DEAD, |messages| messages > 0.5).await;
    let is_an_hour = |age: f64| (HOUR..HOUR + 120.0).contains(&age);
    until_is(&worker, "oldest_seconds", DEAD, is_an_hour).await;
    until_is(&worker, "oldest_seconds", INCOMING, is_an_hour).await;
    worker.assert_metric("queue_consumers", &[&format!("queue=\"{INCOMING}\"")], 1).await;
    worker.assert_metric("queue_consumers", &["queue=\"partner.onsite\""], 1).await;
    assert_eq!(story.broker.depth(DEAD).await, 1, "it was put back");

    story.docplanner.clear_faults();
    worker.until_settled("published", 3).await;
    until_is(&worker, "messages", INCOMING, |messages| messages < 0.5).await;
    assert!(of(&worker, "oldest_seconds", INCOMING).await < 0.001);
}

#[tokio::test]
async fn a_queue_that_is_gone_is_told_once_and_disturbs_neither_deliveries_nor_other_queues() {
    let mut story = story().await;
    let worker = story.worker().await;
    until_is(&worker, "observed_timestamp_seconds", "partner.unrouted", |at| at > 0.0).await;
    story.delete("queues", DEAD).await;
    let gone = format!("cannot look at the queue {DEAD}");
    worker.until_logged(&gone).await;
    let last = of(&worker, "observed_timestamp_seconds", DEAD).await;
    let before = of(&worker, "observed_timestamp_seconds", "partner.unrouted").await;
    let is_later = |at: f64| at > before;
    until_is(&worker, "observed_timestamp_seconds", "partner.unrouted", is_later).await;
    let body = clinic::slot_booked("1", clinic::ONSITE).to_string();
    let properties = BasicProperties::default().with_delivery_mode(2);
    story.broker.publish(INCOMING, body.as_bytes(), properties).await;
    story.next_event().await;
    worker.until_settled("published", 1).await;
    let still = of(&worker, "observed_timestamp_seconds", DEAD).await;
    assert!((still - last).abs() < f64::EPSILON, "what is old is not told as fresh");

    story.declare_topology().await;
    worker.until_logged(&format!("the queue {DEAD} can be looked at again")).await;
    assert_eq!(worker.log().count(&gone), 1);
    assert!(worker.is_ready().await);
    assert_eq!(worker.log().count("not consuming"), 0);
}
