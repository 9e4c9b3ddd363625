//! What was known stays known: while the API is down, while the database is away, and for a while after.

use docplanner_worker::simulator::api::{Fault, Options};

use super::{ANY_ADDRESS, LISTS, as_of, asked, assert_looked_up, book, story, until_locked_out};
use crate::support::{Story, clinic, servers, until, worker::Worker};

/// A story in which the database alone knows the addresses, from long ago; and when that was.
async fn known_to_the_database_only(age: &str) -> (Story, String) {
    let mut story = story().await;
    let worker = story.worker().await;
    book(&mut story, "b1", clinic::ONLINE_PAYMENT).await;
    assert!(worker.stop().await.success());
    let earlier = format!("now() - interval '{age}'");
    story.sql(&format!("UPDATE address_flags SET fetched_at = {earlier}, as_of = {earlier}")).await;
    let as_of = r#"to_char(as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"#;
    let known = story.sql(&format!("SELECT {as_of} FROM address_flags LIMIT 1")).await;
    (story, known)
}

async fn assert_no_retry(worker: &Worker) {
    worker.assert_metric("deliveries_total", &["disposition=\"retry\""], 0).await;
}

#[tokio::test]
async fn a_worker_that_starts_while_the_api_is_down_uses_what_the_database_knows() {
    let (mut story, known) = known_to_the_database_only("23 hours").await;
    story.docplanner.fault(Fault::status(503));
    let worker = story.worker().await;

    let event = book(&mut story, "b2", clinic::ONLINE_PAYMENT).await;

    assert_eq!(event.queue, "partner.online.payment");
    assert_eq!(as_of(&event), known.as_str());
    assert_looked_up(&worker, "stale", 1).await;
    assert_no_retry(&worker).await;
}

#[tokio::test]
async fn flags_of_more_than_a_day_ago_are_not_used_while_the_api_is_down() {
    let (mut story, _) = known_to_the_database_only("25 hours").await;
    story.docplanner.fault(Fault::status(503));
    let worker = story.worker().await;

    story.deliver(&clinic::slot_booked("b2", clinic::ONLINE_PAYMENT)).await;

    let dead_letter = story.next_dead_letter().await;
    assert_eq!(dead_letter.header("x-reason").as_deref(), Some("enrichment-failed"));
    assert_looked_up(&worker, "none", 3).await;
}

#[tokio::test]
async fn an_address_that_is_gone_has_the_flags_that_only_the_database_knows() {
    for status in [403, 404] {
        let (mut story, known) = known_to_the_database_only("100 days").await;
        story.docplanner.fault(Fault::status(status).on(ANY_ADDRESS));
        let worker = story.worker().await;

        story.deliver(&clinic::booking_canceled("b1", clinic::ONLINE_PAYMENT)).await;

        let event = story.next_event().await;
        assert_eq!(event.queue, "partner.online.payment", "{status}");
        assert_eq!(as_of(&event), known.as_str());
        assert_no_retry(&worker).await;
    }
}

#[tokio::test]
async fn flags_older_than_their_time_to_live_are_asked_for_again() {
    let (mut story, known) = known_to_the_database_only("11 minutes").await;
    let worker = story.worker().await;

    let event = book(&mut story, "b2", clinic::ONLINE_PAYMENT).await;

    assert_ne!(as_of(&event), known.as_str());
    assert_looked_up(&worker, "miss", 1).await;
    assert_eq!(story.docplanner.count(LISTS), 2);
}

#[tokio::test]
async fn a_database_that_restarts_forgets_nothing() {
    let chaos = servers::chaos().await;
    let options = Options { world: clinic::world(), ..Options::default() };
    let mut story = Story::begin_on(chaos.servers, options).await;
    let worker = story.worker().await;
    worker.until_logged("listening to other pods").await;
    book(&mut story, "b1", clinic::ONLINE).await;
    let before = asked(&story);

    chaos.servers.control(&["kill", "postgresql"]).await;
    worker.until_not_ready().await;
    chaos.servers.control(&["start", "postgresql"]).await;
    worker.until_ready().await;

    assert_eq!(book(&mut story, "b2", clinic::ONLINE).await.queue, "partner.online");
    assert_looked_up(&worker, "database", 1).await;
    assert_eq!(asked(&story), before);
}

#[tokio::test]
async fn a_database_that_does_not_tell_is_done_without() {
    let mut story = story().await;
    let worker = story.worker().await;
    worker.until_logged("listening to other pods").await;
    book(&mut story, "b1", clinic::ONLINE).await;
    let database = story.servers.connect(story.database()).await;
    database.batch_execute("BEGIN; LOCK TABLE address_flags, address_fetches").await.unwrap();

    // What is in memory needs no database.
    assert_eq!(book(&mut story, "b2", clinic::ONSITE).await.queue, "partner.onsite");
    // What is not is asked for at the API.
    let elsewhere = clinic::slot_booked("b3", clinic::ELSEWHERE);
    story.deliver(&clinic::with_doctor(elsewhere, clinic::OTHER_DOCTOR)).await;
    until_locked_out(&story, 1).await;
    assert_eq!(story.next_event().await.queue, "partner.onsite");

    worker.until_logged("going on without the database").await;
    assert_looked_up(&worker, "hit", 1).await;
    assert_looked_up(&worker, "miss", 2).await;
    assert_no_retry(&worker).await;
    database.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn what_nobody_has_used_for_long_is_forgotten() {
    let mut story = story().await;
    let worker = story.worker().await;
    book(&mut story, "b1", clinic::ONLINE).await;
    assert!(worker.stop().await.success());
    story.sql("UPDATE address_flags SET written_at = now() - interval '201 days' WHERE address_id <> '111'").await;
    story.sql("UPDATE address_fetches SET leased_until = now() - interval '2 days'").await;

    let _worker = story.worker().await;

    until("the rest is forgotten", async || {
        let left = story.sql("SELECT string_agg(address_id, ',') FROM address_flags").await;
        let leases = story.sql("SELECT count(*) FROM address_fetches").await;
        (left == "111" && leases == "0").then_some(())
    })
    .await;
}
