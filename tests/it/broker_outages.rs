//! The broker goes away, or only seems to be there: the worker lives on, not ready, and comes back by itself.

use std::collections::HashSet;

use docplanner_worker::simulator::api::Fault;
use serde_json::Value;

use crate::support::{
    Story,
    broker::INCOMING,
    clinic,
    proxy::{ANY, CONSUMING, PUBLISHING, Proxy},
    until,
    worker::Worker,
};

const CONSUMES: &str = "consuming docplanner.notifications";

#[tokio::test]
async fn a_worker_started_without_a_broker_waits_and_consumes_once_it_is_there() {
    let mut story = Story::begin().await;
    let network = story.proxy_before_broker().await;
    network.take_away();
    let worker = story.worker_not_ready().await;
    worker.until_logged("not consuming; waiting for the broker").await;
    assert!(worker.is_alive().await);
    assert!(!worker.is_ready().await);

    deliver(&story, 1).await;
    network.bring_back();

    assert_eq!(story.next_event().await.booking(), "1");
    worker.until_ready().await;
}

#[tokio::test]
async fn a_cut_in_the_middle_of_the_work_loses_nothing_and_repeats_nothing() {
    let mut story = Story::begin().await;
    let network = story.proxy_before_broker().await;
    let worker = story.worker().await;
    story.docplanner.fault(Fault::hang().on("/addresses/"));
    deliver(&story, 3).await;
    story.docplanner.wait_for_request("/addresses/").await;

    network.cut_connections();
    worker.until_logged_times(CONSUMES, 2).await;
    story.docplanner.clear_faults();

    expect_events(&mut story, 3).await;
    worker.until_settled("duplicate", 3).await;
    assert!(story.broker.further_events().is_empty());
    assert!(story.broker.further_dead_letters().is_empty());
}

#[tokio::test]
async fn after_a_reconnect_the_prefetch_still_bounds_what_is_in_flight() {
    let mut story = Story::begin().await;
    story.settings.broker.push("prefetch = 1".into());
    let network = story.proxy_before_broker().await;
    let worker = story.worker().await;
    story.docplanner.fault(Fault::hang().on("/addresses/"));

    network.take_away();
    worker.until_not_ready().await;
    deliver(&story, 5).await;
    network.bring_back();

    story.docplanner.wait_for_request("/addresses/").await;
    assert_eq!(story.broker.depth(INCOMING).await, 4, "exactly one is unacknowledged");
    story.docplanner.clear_faults();
    expect_events(&mut story, 5).await;
}

#[tokio::test]
async fn connections_that_the_broker_closes_are_opened_again() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;

    for name in [CONSUMING, PUBLISHING] {
        close_connection(&story, name).await;
    }
    worker.until_logged_times(CONSUMES, 2).await;
    worker.until_logged_times("publishing connection is open", 2).await;
    worker.until_ready().await;

    deliver(&story, 1).await;
    expect_events(&mut story, 1).await;
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_noticed_and_used_again_once_it_speaks() {
    let (mut story, network, worker) = with_short_heartbeat().await;

    stall(&network, ANY);
    worker.until_not_ready().await;
    assert!(worker.is_alive().await);
    deliver(&story, 3).await;
    network.flow();

    expect_events(&mut story, 3).await;
    worker.until_ready().await;
}

#[tokio::test]
async fn a_silent_consuming_connection_is_replaced() {
    let (mut story, network, worker) = with_short_heartbeat().await;

    stall(&network, CONSUMING);
    worker.until_not_ready().await;
    deliver(&story, 3).await;
    network.flow();

    expect_events(&mut story, 3).await;
    worker.until_ready().await;
}

#[tokio::test]
async fn a_silent_publishing_connection_is_replaced_and_nothing_is_lost() {
    let (mut story, network, worker) = with_short_heartbeat().await;

    stall(&network, PUBLISHING);
    deliver(&story, 3).await;
    worker.until_not_ready().await;
    network.flow();

    expect_events(&mut story, 3).await;
    worker.until_settled("published", 3).await;
    worker.until_ready().await;
}

/// Bookings 1 to `count`.
async fn deliver(story: &Story, count: u32) {
    for booking in 1..=count {
        story.deliver(&clinic::slot_booked(&booking.to_string(), clinic::ONSITE)).await;
    }
}

/// Bookings 1 to `count`, in any order. An event may be repeated after an outage, with its id.
async fn expect_events(story: &mut Story, count: u32) {
    let mut awaited: HashSet<String> = (1..=count).map(|booking| booking.to_string()).collect();
    let mut ids = HashSet::new();
    while !awaited.is_empty() {
        let event = story.next_event().await;
        assert_eq!(event.queue, "partner.onsite");
        assert!(
            awaited.remove(&event.booking()) || ids.contains(&event.id()),
            "a repeat has its id"
        );
        ids.insert(event.id());
    }
}

async fn with_short_heartbeat() -> (Story, std::sync::Arc<Proxy>, Worker) {
    let mut story = Story::begin().await;
    story.settings.amqp_url.push_str("?heartbeat=2");
    let network = story.proxy_before_broker().await;
    let worker = story.worker().await;
    (story, network, worker)
}

/// Half open: both ends think that they are connected, and no byte arrives.
fn stall(network: &Proxy, connections: &str) {
    network.stall_requests(connections);
    network.stall_answers(connections);
}

/// As an operator would in the management pages.
async fn close_connection(story: &Story, name: &str) {
    let path = format!("vhosts/{}/connections", story.vhost());
    let connection = until(&format!("the broker lists {name}"), async || {
        let listed = story.servers.management("GET", &path, "").await;
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        let found =
            listed.into_iter().find(|connection| connection["user_provided_name"] == name)?;
        Some(found["name"].as_str()?.to_owned())
    })
    .await;
    story.servers.management("DELETE", &format!("connections/{connection}"), "").await;
}
