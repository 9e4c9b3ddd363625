//! What becomes of an event that the broker does not simply confirm: no answer, a refusal, a return, a blocked
//! connection. It is published later, with the same id, and nobody else's event suffers.

use std::{collections::HashMap, time::Duration};

use docplanner_worker::simulator::api::{Fault, Options};
use serde_json::json;

use crate::support::{
    Story,
    broker::{INCOMING, Published},
    clinic,
    proxy::{ANY, PUBLISHING},
    servers, until,
};

#[tokio::test]
async fn a_confirm_that_never_comes_gives_up_the_channel_and_the_event_is_published_again() {
    let mut story = Story::begin().await;
    story.settings.broker.push(r#"confirm_timeout = "1s""#.into());
    let network = story.proxy_before_broker().await;
    let worker = story.worker().await;

    network.stall_answers(PUBLISHING);
    story.deliver(&clinic::slot_booked("1", clinic::ONSITE)).await;
    let event = story.next_event().await;
    worker.until_logged("publishing channel is lost").await;
    network.flow();

    worker.until_settled("published", 1).await;
    assert_eq!(story.next_event().await.id(), event.id(), "the worker could not know");
    assert!(story.broker.further_dead_letters().is_empty());
    until_idle(&story).await;
}

#[tokio::test]
async fn a_refused_event_is_tried_again_and_published_once_there_is_room() {
    let mut story = Story::begin().await;
    story.settings.broker = vec![r#"retry_delays = ["300ms", "1s", "2s", "3s"]"#.into()];
    story.declare_topology().await;
    bind_a_queue_for_one(&story).await;
    let worker = story.worker().await;
    deliver(&story, ["1"]).await;
    worker.until_settled("published", 1).await;

    deliver(&story, ["2"]).await;
    let told = worker.until_logged("will try again").await;
    assert!(told.contains("the broker refused it"), "{told}");
    assert!(told.contains(r#""attempts":1"#), "{told}");
    let path = format!("queues/{}/narrow/contents", story.vhost());
    story.servers.management("DELETE", &path, "").await;

    worker.until_settled("published", 2).await;
    assert!(story.broker.further_dead_letters().is_empty());
    let ids = counted(story.broker.further_events());
    assert_eq!(ids.len(), 2, "a repeat has the id of the first: {ids:?}");
}

#[tokio::test]
async fn an_event_that_is_always_refused_is_dead_lettered() {
    let mut story = Story::begin().await;
    bind_a_queue_for_one(&story).await;
    let worker = story.worker().await;
    deliver(&story, ["1"]).await;
    worker.until_settled("published", 1).await;

    deliver(&story, ["2"]).await;

    let dead = story.next_dead_letter().await;
    assert_eq!(dead.header("x-reason").unwrap(), "publish-failed");
    assert_eq!(dead.header("x-attempts").unwrap(), "3");
    worker.assert_metric("events_published_total", &["result=\"refused\""], 3).await;
}

#[tokio::test]
async fn a_returned_event_is_told_from_hundreds_that_are_confirmed_at_the_same_time() {
    let mut story = Story::begin().await;
    story.settings.broker.push("declare_topology = false\nprefetch = 600".into());
    let database = story.proxy_before_database().await;
    let worker = story.worker().await;
    for address in [clinic::ONSITE, clinic::ONLINE] {
        story.deliver(&clinic::slot_booked(&format!("{address}-known"), address)).await;
        story.next_event().await;
    }
    worker.until_settled("published", 2).await;
    for queue in ["partner.online", "partner.unrouted"] {
        story.delete("queues", queue).await;
    }

    // All at once and mixed: the database answers their claims together.
    database.stall_answers(ANY);
    for nth in 0..600 {
        let address = if nth % 3 == 0 { clinic::ONLINE } else { clinic::ONSITE };
        story.deliver(&clinic::slot_booked(&format!("{address}-{nth}"), address)).await;
    }
    until("all are in flight", async || {
        (worker.metric("deliveries_in_flight", &[]).await >= 600.0).then_some(())
    })
    .await;
    database.flow();

    for _ in 0..200 {
        let dead = story.next_dead_letter().await;
        assert_eq!(dead.header("x-reason").unwrap(), "publish-failed");
        let body: serde_json::Value = serde_json::from_slice(&dead.body).unwrap();
        assert_eq!(body["data"]["address"]["id"], clinic::ONLINE);
    }
    worker.until_settled("published", 402).await;
    // Two tries more for each that was returned, and for no other.
    worker.assert_metric("deliveries_total", &["disposition=\"retry\""], 400).await;
    let ids = counted(story.broker.further_events());
    assert_eq!(ids.len(), 400);
    assert!(ids.values().all(|count| *count == 1), "{ids:?}");
}

#[tokio::test]
async fn while_the_broker_blocks_everything_waits_and_nothing_is_retried() {
    let chaos = servers::chaos().await;
    let options = Options { world: clinic::world(), ..Options::default() };
    let mut story = Story::begin_on(chaos.servers, options).await;
    story.settings.broker.push("prefetch = 5\nconfirm_timeout = \"1s\"".into());
    let worker = story.worker().await;
    story.docplanner.fault(Fault::hang().on("/addresses/"));
    deliver(&story, (0..20).map(|nth| nth.to_string())).await;
    story.docplanner.wait_for_request("/addresses/").await;

    chaos
        .servers
        .control(&["rabbitmqctl", "set_vm_memory_high_watermark", "absolute", "1MB"])
        .await;
    story.docplanner.clear_faults();
    worker.until_logged("the broker blocks publishing").await;
    worker.until_not_ready().await;
    // Long enough for every deadline that must not apply now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(story.broker.depth(INCOMING).await, 15, "no more than the prefetch is taken");
    assert!(worker.is_alive().await);
    chaos.servers.control(&["rabbitmqctl", "set_vm_memory_high_watermark", "0.4"]).await;

    worker.until_settled("published", 20).await;
    worker.until_ready().await;
    worker.assert_metric("deliveries_total", &["disposition=\"retry\""], 0).await;
    let mut events = vec![story.next_event().await];
    while events.len() < 20 {
        events.push(story.next_event().await);
    }
    let ids = counted(events);
    assert!(ids.values().all(|count| *count == 1), "{ids:?}");
}

async fn deliver(story: &Story, bookings: impl IntoIterator<Item = impl AsRef<str>>) {
    for booking in bookings {
        story.deliver(&clinic::slot_booked(booking.as_ref(), clinic::ONSITE)).await;
    }
}

/// A partner's queue that takes every event, as long as it is empty.
async fn bind_a_queue_for_one(story: &Story) {
    let arguments = json!({ "x-max-length": 1, "x-overflow": "reject-publish" });
    let queue = json!({ "durable": true, "arguments": arguments }).to_string();
    let path = format!("queues/{}/narrow", story.vhost());
    story.servers.management("PUT", &path, &queue).await;
    let path = format!("bindings/{}/e/docplanner.events/q/narrow", story.vhost());
    story.servers.management("POST", &path, r##"{"routing_key":"#"}"##).await;
}

async fn until_idle(story: &Story) {
    until("the incoming queue is empty", async || {
        (story.broker.depth(INCOMING).await == 0).then_some(())
    })
    .await;
}

/// How often each event id was seen.
fn counted(events: Vec<Published>) -> HashMap<String, u32> {
    let mut ids = HashMap::new();
    for event in events {
        *ids.entry(event.id()).or_default() += 1;
    }
    ids
}
