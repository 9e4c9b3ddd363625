//! The database goes away, freezes, restarts or was never migrated: deliveries wait in the worker, which is not ready
//! meanwhile, and waiting costs no attempt.

use std::collections::HashSet;

use docplanner_worker::simulator::api::{Fault, Options};

use crate::support::{
    Story, clinic,
    proxy::ANY,
    servers,
    worker::{self, Worker},
};

#[tokio::test]
async fn a_worker_started_without_a_database_waits_and_consumes_once_it_is_there() {
    let mut story = Story::begin().await;
    let network = story.proxy_before_database().await;
    network.take_away();
    let worker = story.worker_not_ready().await;
    worker.until_logged("the database does not answer").await;
    assert!(worker.is_alive().await);
    assert!(!worker.is_ready().await);

    deliver(&story, 3).await;
    network.bring_back();

    expect_each_once(&mut story, &worker, 3).await;
}

#[tokio::test]
async fn a_worker_started_before_the_migrations_says_what_to_run_and_goes_on_after_it() {
    let mut story = Story::begin().await;
    story.forget_migrations().await;
    let worker = story.worker_not_ready().await;
    let told = worker.until_logged("the database does not answer").await;
    assert!(told.contains("run `docplanner-worker migrate`"), "{told}");
    assert!(worker.is_alive().await);
    assert!(!worker.is_ready().await);

    let config = story.config_file();
    let migrated = worker::run(&["migrate", "--config", config.to_str().unwrap()], "").await;
    assert_eq!(migrated.code, 0, "{}", migrated.stderr);

    worker.until_ready().await;
    deliver(&story, 3).await;
    expect_each_once(&mut story, &worker, 3).await;
}

#[tokio::test]
async fn a_database_frozen_at_the_start_is_used_once_it_answers() {
    let mut story = Story::begin().await;
    let network = story.proxy_before_database().await;
    network.stall_answers(ANY);
    let worker = story.worker_not_ready().await;
    worker.until_logged("the database does not answer").await;
    assert!(!worker.is_ready().await);

    network.flow();

    worker.until_ready().await;
    deliver(&story, 3).await;
    expect_each_once(&mut story, &worker, 3).await;
}

#[tokio::test]
async fn deliveries_wait_for_a_database_that_is_gone() {
    let mut story = Story::begin().await;
    let network = story.proxy_before_database().await;
    let worker = story.worker().await;

    network.take_away();
    deliver(&story, 3).await;
    worker.until_not_ready().await;
    assert!(worker.is_alive().await);
    network.bring_back();

    expect_each_once(&mut story, &worker, 3).await;
}

#[tokio::test]
async fn an_event_published_before_the_database_went_is_completed_and_not_repeated() {
    let mut story = Story::begin().await;
    let network = story.proxy_before_database().await;
    let worker = story.worker().await;
    story.docplanner.fault(Fault::hang().on("/addresses/"));
    deliver(&story, 3).await;
    story.docplanner.wait_for_request("/addresses/").await;

    network.take_away();
    story.docplanner.clear_faults();
    worker.until_not_ready().await;
    network.bring_back();

    expect_each_once(&mut story, &worker, 3).await;
}

#[tokio::test]
async fn deliveries_wait_for_a_database_that_does_not_answer() {
    let mut story = Story::begin().await;
    let network = story.proxy_before_database().await;
    let worker = story.worker().await;

    network.stall_answers(ANY);
    deliver(&story, 3).await;
    worker.until_not_ready().await;
    assert!(worker.is_alive().await);
    network.flow();

    expect_each_once(&mut story, &worker, 3).await;
}

#[tokio::test]
async fn deliveries_wait_for_a_server_that_is_frozen() {
    let chaos = servers::chaos().await;
    let mut story = begin_on(&chaos).await;
    let worker = story.worker().await;

    chaos.servers.control(&["pause", "postgresql"]).await;
    deliver(&story, 3).await;
    worker.until_not_ready().await;
    chaos.servers.control(&["resume", "postgresql"]).await;

    expect_each_once(&mut story, &worker, 3).await;
}

#[tokio::test]
async fn deliveries_wait_for_a_server_that_restarts() {
    let chaos = servers::chaos().await;
    let mut story = begin_on(&chaos).await;
    let worker = story.worker().await;
    story.docplanner.fault(Fault::hang().on("/addresses/"));
    deliver(&story, 3).await;
    story.docplanner.wait_for_request("/addresses/").await;

    chaos.servers.control(&["kill", "postgresql"]).await;
    story.docplanner.clear_faults();
    worker.until_not_ready().await;
    chaos.servers.control(&["start", "postgresql"]).await;

    expect_each_once(&mut story, &worker, 3).await;
}

async fn begin_on(chaos: &servers::Chaos) -> Story {
    let options = Options { world: clinic::world(), ..Options::default() };
    Story::begin_on(chaos.servers, options).await
}

/// Bookings 1 to `count`.
async fn deliver(story: &Story, count: u32) {
    for booking in 1..=count {
        story.deliver(&clinic::slot_booked(&booking.to_string(), clinic::ONSITE)).await;
    }
}

/// Bookings 1 to `count` are published once each, at the first attempt; and the worker is ready again.
async fn expect_each_once(story: &mut Story, worker: &Worker, count: u32) {
    worker.until_settled("published", count).await;
    worker.until_ready().await;
    let mut bookings = HashSet::new();
    for _ in 0..count {
        assert!(bookings.insert(story.next_event().await.booking()));
    }
    assert!(story.broker.further_events().is_empty());
    assert!(story.broker.further_dead_letters().is_empty());
    worker.assert_metric("deliveries_total", &["disposition=\"retry\""], 0).await;
}
