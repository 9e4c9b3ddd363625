//! One fact each, through the real worker.

use docplanner_worker::simulator::{api::Fault, world::Address};
use serde_json::{Value, json};

use crate::support::{Story, broker::Published, clinic};

/// The partition key, the sequence and the type of an event.
fn place(event: &Published) -> (String, u32, String) {
    let text = |name: &str| event.body[name].as_str().unwrap().to_owned();
    let sequence = text("sequence");
    assert_eq!(sequence.len(), 10);
    let kind = text("type").trim_start_matches("docplanner.").trim_end_matches(".v1").to_owned();
    (text("partitionkey"), sequence.parse().unwrap(), kind)
}

async fn assert_next(story: &mut Story, partition_key: &str, sequence: u32, kind: &str) {
    let event = story.next_event().await;
    assert_eq!(place(&event), (partition_key.to_owned(), sequence, kind.to_owned()));
}

/// Delivers, and waits for the event.
async fn assert_told(story: &mut Story, told: &Value, key: &str, sequence: u32, kind: &str) {
    story.deliver(told).await;
    assert_next(story, key, sequence, kind).await;
}

fn moved(from: &str, to: &str, address: &str) -> Value {
    let data = json!({
        "old_visit_booking": clinic::booked(from), "new_visit_booking": clinic::booked(to),
    });
    clinic::notification("booking-moved", address, data)
}

fn confirmed(booking: &str, address: &str) -> Value {
    let data = json!({ "visit_booking": clinic::booked(booking) });
    clinic::notification("booking-confirmed", address, data)
}

/// The API does not know this address yet.
const NEW_ADDRESS: &str = "990";

fn open_new_address(story: &Story) {
    story.docplanner.world(|world| world.insert_address(Address::new(NEW_ADDRESS, "123", "1")));
}

#[tokio::test]
async fn what_happens_to_a_booking_is_counted() {
    let mut story = Story::begin().await;
    let _worker = story.worker().await;

    story.deliver(&clinic::slot_booked("77", clinic::ONLINE)).await;
    story.deliver(&confirmed("77", clinic::ONLINE)).await;
    story.deliver(&clinic::booking_canceled("77", clinic::ONLINE)).await;

    assert_next(&mut story, "77", 1, "booking.created").await;
    assert_next(&mut story, "77", 2, "booking.confirmed").await;
    assert_next(&mut story, "77", 3, "booking.canceled").await;
    assert_told(&mut story, &clinic::slot_booked("78", clinic::ONLINE), "78", 1, "booking.created")
        .await;
}

#[tokio::test]
async fn a_cancellation_waits_for_its_booking_without_costing_an_attempt_and_no_other_booking_does()
{
    let mut story = Story::begin().await;
    story.settings.broker = vec![r#"retry_delays = ["200ms", "1h"]"#.into()];
    story.docplanner.fault(Fault::status(503).on(format!("/doctors/{}", clinic::OTHER_DOCTOR)));
    let worker = story.worker().await;
    let booked = clinic::slot_booked("77", clinic::ELSEWHERE);
    story.deliver(&clinic::with_doctor(booked, clinic::OTHER_DOCTOR)).await;
    let booking = story.take_from("docplanner.notifications.retry.1h").await;

    story.deliver(&clinic::booking_canceled("77", clinic::ONLINE)).await;
    let other = clinic::slot_booked("78", clinic::ONLINE);
    assert_told(&mut story, &other, "78", 1, "booking.created").await;
    // More often than it could fail. In between it is not in the prefetch window, but in a queue.
    worker.until_settled("retry", 6).await;
    assert!(story.broker.further_events().is_empty(), "it still waits");
    assert!(worker.metric("order_waits_total", &[]).await >= 4.0);

    story.docplanner.clear_faults();
    story.broker.deliver(&booking.body, &[]).await;
    assert_next(&mut story, "77", 1, "booking.created").await;
    assert_next(&mut story, "77", 2, "booking.canceled").await;
    assert!(story.broker.further_dead_letters().is_empty());
}

#[tokio::test]
async fn a_dead_letter_leaves_a_gap_that_its_replay_fills() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    story.deliver(&clinic::slot_booked("77", NEW_ADDRESS)).await;
    let dead = story.next_dead_letter().await;
    assert_eq!(dead.header("x-reason").as_deref(), Some("enrichment-failed"));
    worker.assert_metric("sequence_gaps_total", &[], 1).await;

    let canceled = clinic::booking_canceled("77", clinic::ONLINE);
    assert_told(&mut story, &canceled, "77", 2, "booking.canceled").await;

    open_new_address(&story);
    story.broker.deliver(&dead.body, &[]).await;
    assert_next(&mut story, "77", 1, "booking.created").await;
    let confirmed = confirmed("77", clinic::ONLINE);
    assert_told(&mut story, &confirmed, "77", 3, "booking.confirmed").await;
}

#[tokio::test]
async fn a_moved_booking_goes_on_counting_under_its_first_id() {
    let mut story = Story::begin().await;
    let _worker = story.worker().await;
    let [here, there] = [clinic::ONSITE, clinic::ONLINE_PAYMENT];

    assert_told(&mut story, &clinic::slot_booked("77", here), "77", 1, "booking.created").await;
    assert_told(&mut story, &moved("77", "78", there), "77", 2, "booking.moved").await;
    assert_told(&mut story, &confirmed("78", there), "77", 3, "booking.confirmed").await;
    assert_told(&mut story, &moved("78", "79", here), "77", 4, "booking.moved").await;
    assert_told(&mut story, &clinic::booking_canceled("79", here), "77", 5, "booking.canceled")
        .await;
}

#[tokio::test]
async fn a_chain_that_is_learned_backwards_ends_up_as_one() {
    let mut story = Story::begin().await;
    let _worker = story.worker().await;
    let here = clinic::ONLINE;

    assert_told(&mut story, &moved("78", "79", here), "78", 1, "booking.moved").await;
    assert_told(&mut story, &clinic::slot_booked("77", here), "77", 1, "booking.created").await;
    assert_told(&mut story, &moved("77", "78", here), "77", 2, "booking.moved").await;
    assert_told(&mut story, &clinic::booking_canceled("79", here), "77", 3, "booking.canceled")
        .await;
    // A repeat keeps the place that it had.
    story.deliver(&moved("78", "79", here)).await;
    assert_told(&mut story, &moved("80", "81", here), "80", 1, "booking.moved").await;
    assert_told(&mut story, &clinic::slot_booked("80", here), "80", 2, "booking.created").await;
}

#[tokio::test]
async fn breaks_services_and_addresses_count_by_themselves() {
    let mut story = Story::begin().await;
    let _worker = story.worker().await;
    let told = |name: &str, data: Value| clinic::notification(name, clinic::ONLINE, data);
    let service = |id: &str| json!({ "address_service": { "id": id, "name": "visit" } });
    let pause = json!({ "break": {
        "id": "5", "since": "2021-05-26T16:00:00+01:00", "till": "2021-05-26T16:30:00+01:00",
    }});

    let changed = told("address-service-changed", service("7"));
    assert_told(&mut story, &changed, clinic::ONLINE, 1, "address_service.changed").await;
    let deleted = told("address-service-deleted", service("7"));
    assert_told(&mut story, &deleted, clinic::ONLINE, 2, "address_service.deleted").await;
    let other = told("address-service-changed", service("8"));
    assert_told(&mut story, &other, clinic::ONLINE, 1, "address_service.changed").await;
    let unassigned = told("address-unassigned", json!({}));
    assert_told(&mut story, &unassigned, clinic::ONLINE, 1, "address.unassigned").await;
    assert_told(&mut story, &told("break-created", pause.clone()), "5", 1, "break.created").await;
    assert_told(&mut story, &told("break-removed", pause), "5", 2, "break.removed").await;
}

#[tokio::test]
async fn what_the_relay_delivers_out_of_order_is_counted_and_told_as_it_came() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let mut canceled = clinic::booking_canceled("77", clinic::ONLINE);
    canceled["created_at"] = "2021-05-12T12:00:00+01:00".into();

    story.deliver(&canceled).await;
    let first = story.next_event().await;
    story.deliver(&clinic::slot_booked("77", clinic::ONLINE)).await;
    let second = story.next_event().await;

    assert_eq!(place(&first), ("77".into(), 1, "booking.canceled".into()));
    assert_eq!(place(&second), ("77".into(), 2, "booking.created".into()));
    let time = |event: &Published| event.body["time"].as_str().unwrap().to_owned();
    assert!(time(&second) < time(&first), "time and sequence disagree");
    worker.assert_metric("out_of_order_total", &[], 1).await;
}
