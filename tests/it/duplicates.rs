//! The same notification more than once: redelivered, repeated, in another dialect, or while the
//! first one is still being worked on.

use docplanner_worker::simulator::{api::Fault, world::Address};
use lapin::BasicProperties;
use serde_json::{Value, json};

use crate::support::{
    Story,
    broker::INCOMING,
    clinic,
    many::distinct,
    until,
    worker::{Worker, signal_process},
};

/// How many of the workers' deliveries were settled in this way.
async fn settled(workers: &[&Worker], disposition: &str) -> f64 {
    let label = format!("disposition=\"{disposition}\"");
    let mut sum = 0.0;
    for worker in workers {
        sum += worker.metric("deliveries_total", &[&label]).await;
    }
    sum
}

async fn until_settled(workers: &[&Worker], disposition: &str, count: u32) {
    until(&format!("{count} deliveries are {disposition}"), async || {
        (settled(workers, disposition).await >= f64::from(count)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_notification_delivered_twice_is_published_once() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let notification = clinic::slot_booked("b1", clinic::ONLINE);

    story.deliver(&notification).await;
    story.next_event().await;
    worker.until_settled("published", 1).await;
    story.deliver(&notification).await;

    worker.until_settled("duplicate", 1).await;
    let counted = worker.metric("duplicates_total", &["kind=\"slot-booked\""]).await;
    assert!((counted - 1.0).abs() < 0.5, "{counted} duplicates");
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn three_hundred_notifications_three_times_each_are_published_once_each_by_two_workers() {
    let mut story = Story::begin().await;
    let addresses =
        [clinic::ONSITE, clinic::ONSITE_PAYMENT, clinic::ONLINE, clinic::ONLINE_PAYMENT];
    let notifications: Vec<Value> = (0..300)
        .map(|nth| clinic::slot_booked(&format!("b{nth}"), addresses[nth % addresses.len()]))
        .collect();
    let (one, other) = (story.worker().await, story.worker().await);

    let thrice = [&notifications[..], &notifications, &notifications].concat();
    story.deliver_all(&thrice).await;

    let events = story.next_events(300).await;
    assert_eq!(distinct(&events), 300);
    until_settled(&[&one, &other], "duplicate", 600).await;
    assert!(settled(&[&one], "published").await > 0.0, "both had a share");
    assert!(settled(&[&other], "published").await > 0.0, "both had a share");
    assert!(one.stop().await.success() && other.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_repeat_in_another_dialect_is_a_duplicate() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    story.deliver(&clinic::slot_booked("600", clinic::ONLINE)).await;
    story.next_event().await;
    worker.until_settled("published", 1).await;

    let mut repeat = clinic::slot_booked("600", clinic::ONLINE);
    repeat["created_at"] = "2021-05-14T08:00:00+01:00".into();
    repeat["_links"] = json!({});
    let data = &mut repeat["data"];
    data["facility"]["id"] = 1.into();
    data["address"]["id"] = 113.into();
    let booking = &mut data["visit_booking"];
    booking["id"] = 600.into();
    booking["duration"] = "30".into();
    booking["canceled_by"] = Value::Null;
    booking["patient"]["nin"] = 85_010_112_345_u64.into();
    story.deliver(&repeat).await;

    worker.until_settled("duplicate", 1).await;
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_repeat_waits_for_the_first_without_losing_an_attempt() {
    const WAITING: &str = "docplanner.notifications.retry.1h";
    let mut story = Story::begin().await;
    story.settings.broker = vec!["prefetch = 1".into(), r#"retry_delays = ["1h"]"#.into()];
    story.docplanner.fault(Fault::hang().on("GET /addresses"));
    let (one, other) = (story.worker().await, story.worker().await);
    let notification = clinic::slot_booked("b1", clinic::ONLINE);
    story.deliver(&notification).await;
    story.docplanner.wait_for_request("GET /addresses").await;

    // The first worker is full, so the repeat is the other's.
    story.deliver(&notification).await;
    let repeat = story.take_from(WAITING).await;
    assert!(matches!(repeat.header("x-attempts").as_deref(), None | Some("0")));

    story.docplanner.clear_faults();
    story.next_event().await;
    until_settled(&[&one, &other], "published", 1).await;
    story.broker.publish(INCOMING, &repeat.body, repeat.properties).await;
    until_settled(&[&one, &other], "duplicate", 1).await;
    assert!(one.stop().await.success() && other.stop().await.success());
    assert_eq!(story.broker.depth(WAITING).await, 0);
    assert!(story.broker.further_events().is_empty());
    assert!(story.broker.further_dead_letters().is_empty());
}

#[tokio::test]
async fn a_repeat_of_a_dead_letter_gets_its_chance() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let notification = clinic::slot_booked("b1", "999");
    story.deliver(&notification).await;
    let dead_letter = story.next_dead_letter().await;
    assert_eq!(dead_letter.header("x-reason").as_deref(), Some("enrichment-failed"));
    worker.until_settled("dead_letter", 1).await;

    story.docplanner.world(|world| world.insert_address(Address::new("999", "123", "1").online()));
    story.broker.publish(INCOMING, &dead_letter.body, BasicProperties::default()).await;
    assert_eq!(story.next_event().await.queue, "partner.online");

    story.deliver(&notification).await;
    worker.until_settled("duplicate", 1).await;
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_worker_that_slept_past_its_lease_publishes_nothing_more() {
    let mut story = Story::begin().await;
    story.settings.broker.extend(["prefetch = 1".into(), r#"confirm_timeout = "1s""#.into()]);
    story.settings.database.push(r#"lease = "2s""#.into());
    story.docplanner.fault(Fault::hang().on("GET /addresses").times(1));
    let sleeper = story.worker().await;
    let notification = clinic::slot_booked("b1", clinic::ONLINE);
    story.deliver(&notification).await;
    story.docplanner.wait_for_request("GET /addresses").await;
    sleeper.signal("STOP");
    let asleep = Awakened(sleeper.pid());

    let other = story.worker().await;
    story.deliver(&notification).await;
    let event = story.next_event().await;
    other.until_settled("published", 1).await;
    story.docplanner.clear_faults();
    drop(asleep);

    // What it held comes back through a retry queue, and is a duplicate by then.
    until_settled(&[&sleeper, &other], "duplicate", 1).await;
    assert!(settled(&[&sleeper], "published").await < 1.0, "its lease had run out");
    assert_eq!(story.sql("SELECT count(*) FROM inbox WHERE completed_at IS NOT NULL").await, "1");
    assert!(sleeper.stop().await.success() && other.stop().await.success());
    assert!(!event.id().is_empty());
    story.assert_nothing_is_left().await;
}

/// A stopped process that goes on when this is dropped, also by a failing test.
struct Awakened(u32);

impl Drop for Awakened {
    fn drop(&mut self) {
        signal_process(self.0, "CONT");
    }
}
