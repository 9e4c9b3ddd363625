//! Where the video call is.

use std::time::{Duration, Instant};

use docplanner_worker::simulator::api::Fault;
use serde_json::{Value, json};

use super::{BOOKINGS, VIDEO_CALL, booking, booking_with_call, insert, next, told};
use crate::support::{
    Story,
    clinic::{self, ONLINE, ONSITE},
};

/// What the event of a new booking says of its call.
async fn call_of(story: &mut Story, notification: &Value) -> Value {
    story.deliver(notification).await;
    story.next_event().await.body["data"]["video_call"].clone()
}

fn open() -> Value {
    json!({ "url": VIDEO_CALL, "patient_access_from": "2099-05-26T15:00:00+02:00" })
}

fn none() -> Value {
    json!({ "url": null, "patient_access_from": null })
}

#[tokio::test]
async fn a_call_that_is_told_is_not_asked_for() {
    let mut story = Story::begin().await;
    let _worker = story.worker().await;
    insert(&story);
    assert_eq!(call_of(&mut story, &told("slot-booked", booking_with_call())).await, open());
    assert_eq!(story.docplanner.count(BOOKINGS), 0);
}

#[tokio::test]
async fn a_call_that_is_not_told_is_asked_for_once() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    insert(&story);
    assert_eq!(call_of(&mut story, &told("slot-booked", booking())).await, open());
    story.deliver(&told("slot-booked", booking())).await;
    worker.until_settled("duplicate", 1).await;
    story.deliver(&told("booking-confirmed", booking())).await;
    next(&mut story, "booking.confirmed").await;
    assert_eq!(clinic::bookings_told(&story.docplanner), 1);
}

#[tokio::test]
async fn a_visit_at_the_clinic_has_no_call() {
    let mut story = Story::begin().await;
    let _worker = story.worker().await;
    insert(&story);
    let notification = clinic::told("slot-booked", ONSITE, booking());
    assert_eq!(call_of(&mut story, &notification).await, none());
    assert_eq!(story.docplanner.count(BOOKINGS), 0);
}

#[tokio::test]
async fn a_tenant_may_do_without() {
    let mut story = Story::begin().await;
    story.settings.more = "[tenants.video]\nfetch_missing_url = false\n".into();
    let _worker = story.worker().await;
    insert(&story);
    assert_eq!(call_of(&mut story, &told("slot-booked", booking())).await, none());
    assert_eq!(story.docplanner.count(BOOKINGS), 0);
}

#[tokio::test]
async fn an_event_does_not_wait_long_for_its_call() {
    for fault in [Fault::hang(), Fault::status(503), Fault::garbage(), Fault::status(404)] {
        let mut story = Story::begin().await;
        let worker = story.worker().await;
        insert(&story);
        story.docplanner.fault(fault.clone().on(BOOKINGS));
        let begun = Instant::now();
        assert_eq!(call_of(&mut story, &told("slot-booked", booking())).await, none(), "{fault:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{fault:?}: {:?}", begun.elapsed());
        worker.until_settled("published", 1).await;
        worker.assert_metric("deliveries_total", &["disposition=\"retry\""], 0).await;
    }
}

#[tokio::test]
async fn a_call_stays_where_it_is_when_its_visit_moves() {
    let mut story = Story::begin().await;
    let _worker = story.worker().await;
    let mut new = booking();
    new["id"] = "78".into();
    new["start_at"] = "2099-05-27T10:00:00+02:00".into();
    let call = call_of(&mut story, &clinic::moved(ONLINE, booking_with_call(), new)).await;
    let moved = json!({ "url": VIDEO_CALL, "patient_access_from": "2099-05-27T09:00:00+02:00" });
    assert_eq!(call, moved);
    assert_eq!(story.docplanner.count(BOOKINGS), 0);
}
