//! Stopping: what is in flight is finished, what is not goes back, and the exit code is 0.

use std::collections::HashSet;

use docplanner_worker::simulator::api::Fault;
use serde_json::Value;

use crate::support::{
    Story,
    broker::Published,
    clinic,
    proxy::{ANY, Proxy},
    until,
    worker::Worker,
};

const IN_FLIGHT: u32 = 100;
const WAITING: u32 = 50;

fn bookings(count: u32) -> Vec<Value> {
    (0..count).map(|nth| clinic::slot_booked(&format!("b{nth}"), clinic::ONLINE)).collect()
}

fn assert_each_booking_once(events: &[Published], count: u32) {
    let bookings: HashSet<String> = events.iter().map(Published::booking).collect();
    assert_eq!(bookings.len(), events.len(), "no event twice");
    assert_eq!(bookings.len(), count as usize);
}

/// A worker with as many deliveries in flight as it takes, all of which wait for the API; the rest
/// are in the queue.
async fn busy_worker(story: &mut Story, in_queue: u32) -> Worker {
    story.settings.broker.push(format!("prefetch = {IN_FLIGHT}"));
    story.docplanner.fault(Fault::hang());
    story.deliver_all(&bookings(IN_FLIGHT + in_queue)).await;
    let worker = story.worker().await;
    until("all are in flight", async || {
        let in_flight = worker.metric("deliveries_in_flight", &[]).await;
        (in_flight >= f64::from(IN_FLIGHT)).then_some(())
    })
    .await;
    worker
}

#[tokio::test]
async fn what_is_in_flight_is_finished_and_nothing_else_is_begun() {
    let mut story = Story::begin().await;
    let worker = busy_worker(&mut story, WAITING).await;
    let log = worker.log();

    worker.signal("TERM");
    worker.until_logged("draining").await;
    story.docplanner.clear_faults();

    assert!(worker.ended().await.success());
    assert!(log.find("\"drained\"").is_some(), "{}", log.text());
    let mut events = story.next_events(IN_FLIGHT as usize).await;
    assert!(story.broker.further_events().is_empty(), "nothing new was taken");
    story.until_waiting(WAITING).await;

    let next = story.worker().await;
    events.extend(story.next_events(WAITING as usize).await);
    next.until_settled("published", WAITING).await;
    let duplicates = next.metric("duplicates_total", &[]).await;
    assert!(duplicates < 1.0, "what was finished is not delivered again");
    assert_each_booking_once(&events, IN_FLIGHT + WAITING);
    assert!(next.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_cannot_be_finished_in_time_goes_back_and_is_published_by_the_next_worker() {
    let mut story = Story::begin().await;
    story.settings.broker.push(r#"drain_timeout = "300ms""#.into());
    let worker = busy_worker(&mut story, 0).await;

    assert!(worker.stop().await.success());
    assert!(story.broker.further_events().is_empty());
    story.until_waiting(IN_FLIGHT).await;
    let held = "SELECT count(*) FROM inbox WHERE leased_until > now()";
    assert_eq!(story.sql(held).await, "0", "nobody has to wait for a lease to run out");

    story.docplanner.clear_faults();
    let next = story.worker().await;
    let events = story.next_events(IN_FLIGHT as usize).await;
    assert_each_booking_once(&events, IN_FLIGHT);
    next.until_settled("published", IN_FLIGHT).await;
    assert!(next.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_second_signal_leaves_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let mut story = Story::begin().await;
        story.settings.broker.push(r#"drain_timeout = "1h""#.into());
        let worker = busy_worker(&mut story, 0).await;

        worker.signal(first);
        worker.until_logged("draining").await;
        worker.signal(second);

        assert!(worker.ended().await.success(), "{first}, {second}");
        story.until_waiting(IN_FLIGHT).await;
    }
}

#[tokio::test]
async fn sigint_drains_like_sigterm() {
    let mut story = Story::begin().await;
    let worker = busy_worker(&mut story, 0).await;

    worker.signal("INT");
    worker.until_logged("draining").await;
    story.docplanner.clear_faults();

    assert!(worker.ended().await.success());
    assert_each_booking_once(&story.next_events(IN_FLIGHT as usize).await, IN_FLIGHT);
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_worker_that_never_reached_its_servers_stops_cleanly() {
    let mut story = Story::begin().await;
    let (broker, database) = (story.servers.broker_address(), story.servers.database_address());
    let to_broker = Proxy::before(&broker).await;
    let to_database = Proxy::before(&database).await;
    let settings = &mut story.settings;
    settings.amqp_url = to_broker.instead_of(&broker, &settings.amqp_url);
    settings.database_url = to_database.instead_of(&database, &settings.database_url);

    for server in [&to_broker, &to_database] {
        server.take_away();
        let worker = story.worker_not_ready().await;
        worker.until_logged("waiting for").await;
        assert!(worker.stop().await.success(), "refused");
        server.bring_back();
    }
    // Connected, and never answered.
    for server in [&to_broker, &to_database] {
        server.stall_answers(ANY);
        let worker = story.worker_not_ready().await;
        assert!(worker.stop().await.success(), "silent");
        server.cut_connections();
        server.flow();
    }
}
