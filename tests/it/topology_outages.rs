//! Queues and exchanges disappear, or are not what they should be: nothing is lost, and the worker goes on once they
//! are mended, by itself or by whoever owns them.

use docplanner_worker::simulator::api::Fault;

use crate::support::{Story, broker::INCOMING, clinic, until};

const CONSUMES: &str = "consuming docplanner.notifications";

#[tokio::test]
async fn a_deleted_incoming_queue_is_declared_and_consumed_again() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;

    story.delete("queues", INCOMING).await;
    worker.until_logged("the broker cancelled the consumer").await;
    worker.until_logged_times(CONSUMES, 2).await;

    expect_onsite(&mut story, "partner.onsite").await;
    worker.until_ready().await;
}

#[tokio::test]
async fn a_worker_that_declares_nothing_waits_until_somebody_declares_the_queue() {
    let mut story = Story::begin().await;
    story.settings.broker.push("declare_topology = false".into());
    let worker = story.worker().await;

    story.delete("queues", INCOMING).await;
    let told = worker.until_logged("not consuming; waiting for the broker").await;
    assert!(told.contains("no queue 'docplanner.notifications'"), "{told}");
    assert!(worker.is_alive().await);
    assert!(!worker.is_ready().await);
    assert!(!story.broker.has(INCOMING).await);

    story.declare_topology().await;
    worker.until_ready().await;
    expect_onsite(&mut story, "partner.onsite").await;
}

#[tokio::test]
async fn a_deleted_exchange_is_declared_and_bound_again() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;

    story.delete("exchanges", "docplanner.events").await;

    expect_onsite(&mut story, "partner.onsite").await;
    worker.until_settled("published", 1).await;
    assert!(story.broker.further_dead_letters().is_empty());
}

#[tokio::test]
async fn a_deleted_retry_queue_is_declared_again_for_what_has_to_wait_in_it() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    story.docplanner.fault(Fault::status(503).on("/addresses/"));

    story.delete("queues", "docplanner.notifications.retry.200ms").await;
    story.deliver(&clinic::slot_booked("1", clinic::ONSITE)).await;
    worker.until_logged("cannot put a message into docplanner.notifications.retry.200ms").await;
    story.docplanner.clear_faults();

    assert_eq!(story.next_event().await.booking(), "1");
}

#[tokio::test]
async fn what_a_deleted_partner_queue_should_get_goes_to_the_alternate_exchange() {
    let mut story = Story::begin().await;
    let _worker = story.worker().await;

    story.delete("queues", "partner.onsite").await;

    expect_onsite(&mut story, "partner.unrouted").await;
}

#[tokio::test]
async fn an_event_that_no_queue_takes_is_tried_again_and_its_queue_is_declared_again() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    story.delete("queues", "partner.onsite").await;
    story.delete("queues", "partner.unrouted").await;

    story.deliver(&clinic::slot_booked("1", clinic::ONSITE)).await;
    let told = worker.until_logged("will try again in 200ms").await;
    assert!(told.contains("no queue is bound for it"), "{told}");

    until("partner.onsite is declared again", async || {
        story.broker.has("partner.onsite").await.then_some(())
    })
    .await;
    story.broker.consume_again("partner.onsite").await;
    assert_eq!(story.next_event().await.booking(), "1");
    worker.until_settled("published", 1).await;
    assert!(story.broker.further_dead_letters().is_empty());
}

#[tokio::test]
async fn without_declaring_an_event_that_no_queue_takes_is_dead_lettered_in_the_end() {
    let mut story = Story::begin().await;
    story.settings.broker.push("declare_topology = false".into());
    let worker = story.worker().await;
    story.delete("queues", "partner.onsite").await;
    story.delete("queues", "partner.unrouted").await;

    story.deliver(&clinic::slot_booked("1", clinic::ONSITE)).await;
    let dead = story.next_dead_letter().await;
    assert_eq!(dead.header("x-reason").unwrap(), "publish-failed");
    assert_eq!(dead.header("x-attempts").unwrap(), "3");

    story.declare_topology().await;
    story.broker.consume_again("partner.onsite").await;
    story.broker.publish(INCOMING, &dead.body, lapin::BasicProperties::default()).await;
    assert_eq!(story.next_event().await.booking(), "1", "put back, it is as good as new");
    worker.until_settled("published", 1).await;
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_named_and_waited_for() {
    let mut story = Story::begin().await;
    story.delete("queues", "partner.online").await;
    let path = format!("queues/{}/partner.online", story.vhost());
    story.servers.management("PUT", &path, r#"{"durable":true,"arguments":{}}"#).await;

    let worker = story.worker_not_ready().await;
    let told = worker.until_logged("not consuming; waiting for the broker").await;
    assert!(told.contains("partner.online"), "{told}");
    assert!(told.contains("x-queue-type"), "{told}");
    assert!(worker.is_alive().await);
    assert!(!worker.is_ready().await);

    story.delete("queues", "partner.online").await;
    worker.until_ready().await;
    expect_onsite(&mut story, "partner.onsite").await;
}

/// A notification for an onsite address becomes an event in this queue.
async fn expect_onsite(story: &mut Story, queue: &str) {
    story.deliver(&clinic::slot_booked("1", clinic::ONSITE)).await;
    let event = story.next_event().await;
    assert_eq!((event.queue, event.booking()), (queue, "1".to_owned()));
}
