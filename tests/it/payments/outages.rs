//! Processes and servers that go away while a payment is being decided.

use docplanner_worker::simulator::api::{Fault, Options};

use super::{
    BOOKINGS, assert_over, assert_payment, book, everything_is_due, expect, insert, until_timers,
};
use crate::support::{Story, clinic, proxy::PUBLISHING, servers, until};

/// Leases that run out while a test waits.
fn short_leases(story: &mut Story) {
    story.settings.broker.push(r#"confirm_timeout = "2s""#.into());
    story.settings.database.push(r#"lease = "3s""#.into());
}

#[tokio::test]
async fn a_worker_that_is_killed_while_it_asks_leaves_the_payment_to_another() {
    let mut story = Story::begin().await;
    short_leases(&mut story);
    let worker = story.worker().await;
    insert(&story, "77", Some("failed"));
    book(&mut story, "77").await;
    story.docplanner.fault(Fault::hang().on(BOOKINGS));
    everything_is_due(&story).await;
    story.docplanner.wait_for_request(BOOKINGS).await;
    worker.kill().await;
    story.docplanner.clear_faults();

    let fresh = story.worker().await;
    let event = expect(&mut story, "77", 2, "payment.not_paid").await;
    assert_payment(&event, "not_paid", Some("api_status"));
    assert_over(story, fresh).await;
}

/// The partner may have the event already: what is repeated must be the same, whatever the API says by then.
#[tokio::test]
async fn a_worker_that_is_killed_after_its_decision_does_not_change_it() {
    let mut story = Story::begin().await;
    short_leases(&mut story);
    let direct = story.settings.amqp_url.clone();
    let broker = story.proxy_before_broker().await;
    let worker = story.worker().await;
    insert(&story, "77", Some("successful"));
    book(&mut story, "77").await;
    broker.stall_answers(PUBLISHING);
    everything_is_due(&story).await;
    let paid = expect(&mut story, "77", 2, "payment.paid").await;
    worker.kill().await;
    broker.cut_connections();
    story.settings.amqp_url = direct;
    assert_eq!(story.sql("SELECT outcome || ' ' || basis FROM timers").await, "paid api_status");
    story.docplanner.world(|world| world.set_payment_status("77", "failed"));

    let fresh = story.worker().await;
    let repeat = expect(&mut story, "77", 2, "payment.paid").await;
    assert_eq!(repeat.id(), paid.id());
    assert_payment(&repeat, "paid", Some("api_status"));
    assert_over(story, fresh).await;
}

#[tokio::test]
async fn a_decision_that_is_written_down_holds_when_the_api_does_not_answer() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    insert(&story, "77", Some("successful"));
    book(&mut story, "77").await;
    story.docplanner.fault(Fault::status(503).on(BOOKINGS));
    story
        .sql("UPDATE timers SET outcome = 'not_paid', basis = 'api_status', fire_at = now()")
        .await;
    let event = expect(&mut story, "77", 2, "payment.not_paid").await;
    assert_payment(&event, "not_paid", Some("api_status"));
    assert_over(story, worker).await;
}

#[tokio::test]
async fn a_payment_that_is_due_waits_for_a_broker_that_is_gone() {
    let mut story = Story::begin().await;
    let broker = story.proxy_before_broker().await;
    let worker = story.worker().await;
    insert(&story, "77", None);
    book(&mut story, "77").await;
    broker.take_away();
    worker.until_not_ready().await;
    everything_is_due(&story).await;
    story.docplanner.wait_for_request(BOOKINGS).await;
    broker.bring_back();
    expect(&mut story, "77", 2, "payment.paid").await;
    worker.until_ready().await;
    until_timers(&story, 0).await;
    for event in story.broker.further_events() {
        assert_eq!(event.body["sequence"], "0000000002", "a repeat");
    }
    assert_over(story, worker).await;
}

#[tokio::test]
async fn a_payment_that_is_due_survives_a_restart_of_the_database() {
    let chaos = servers::chaos().await;
    let options = Options { world: clinic::world(), ..Options::default() };
    let mut story = Story::begin_on(chaos.servers, options).await;
    let worker = story.worker().await;
    insert(&story, "77", Some("failed"));
    book(&mut story, "77").await;
    story.docplanner.fault(Fault::hang().on(BOOKINGS));
    everything_is_due(&story).await;
    story.docplanner.wait_for_request(BOOKINGS).await;

    chaos.servers.control(&["kill", "postgresql"]).await;
    story.docplanner.clear_faults();
    worker.until_not_ready().await;
    chaos.servers.control(&["start", "postgresql"]).await;

    expect(&mut story, "77", 2, "payment.not_paid").await;
    worker.until_ready().await;
    until("it is done", async || {
        (story.sql("SELECT count(*) FROM timers").await == "0").then_some(())
    })
    .await;
    assert_over(story, worker).await;
}
