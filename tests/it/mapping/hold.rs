//! `on_missing = "hold"`: what the partner does not know waits among the dead letters until it is
//! imported and put back.

use docplanner_worker::simulator::api::Fault;
use serde_json::{Value, json};

use super::{
    HEADER, ONLINE, REGULAR, REGULAR_VISIT, booked, identifiers, import, import_everything, story,
    until_follows,
};
use crate::support::{
    Story,
    broker::{DeadLetter, INCOMING},
    clinic,
};

async fn holding() -> Story {
    let mut story = story().await;
    story.settings.more = "[tenants.mapping]\non_missing = \"hold\"\n".into();
    story
}

/// What a shovel does: the message as it is, into the incoming queue.
async fn put_back(story: &Story, dead: DeadLetter) {
    story.broker.publish(INCOMING, &dead.body, dead.properties).await;
}

#[tokio::test]
async fn what_is_not_mapped_is_held_and_comes_through_in_order_after_the_import() {
    let mut story = holding().await;
    let worker = story.worker().await;
    let notifications: Vec<Value> = vec![
        booked("1", ONLINE, REGULAR_VISIT),
        clinic::booking_canceled("1", ONLINE),
        booked("2", ONLINE, REGULAR_VISIT),
    ];
    let mut held = Vec::new();
    for notification in &notifications {
        story.deliver(notification).await;
        held.push(story.next_dead_letter().await);
    }
    for (dead, notification) in held.iter().zip(&notifications) {
        assert_eq!(dead.header("x-reason").as_deref(), Some("unmapped"));
        assert_eq!(dead.header("x-docplanner-tenant").as_deref(), Some("acme"));
        assert_eq!(dead.body, notification.to_string().into_bytes());
    }
    let error = "not mapped: facility 1, doctor 123, address 234, service 112233 at address 234";
    assert_eq!(held[0].header("x-error").as_deref(), Some(error));
    // A dead letter arrives before it is settled and counted.
    worker.until_settled("dead_letter", 3).await;
    worker.assert_metric("dead_letters_total", &["reason=\"unmapped\""], 3).await;
    assert!(story.broker.further_events().is_empty());

    import_everything(&story).await;
    import(&story, &format!("{HEADER}service,{ONLINE},243665,K,true\n")).await;
    until_follows(&worker, 7).await;
    for dead in held {
        put_back(&story, dead).await;
    }
    let mut told = Vec::new();
    for event in story.next_events(3).await {
        assert_eq!(event.body["data"]["unmapped"], json!([]));
        told.push((event.booking(), event.body["type"].as_str().unwrap().to_owned()));
    }
    told.retain(|(booking, _)| booking == "1");
    let types: Vec<&str> = told.iter().map(|(_, event_type)| event_type.as_str()).collect();
    assert_eq!(types, ["docplanner.booking.created.v1", "docplanner.booking.canceled.v1"]);
    worker.until_settled("published", 3).await;
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_is_mapped_is_not_held() {
    let mut story = holding().await;
    import_everything(&story).await;
    let worker = story.worker().await;
    story.deliver(&booked("1", REGULAR, REGULAR_VISIT)).await;
    assert_eq!(identifiers(&story.next_event().await), json!(["A", "S", []]));
    // A booking without a service names none that could be missing.
    let mut without = booked("2", REGULAR, REGULAR_VISIT);
    without["data"]["visit_booking"]["address_service"] = Value::Null;
    story.deliver(&without).await;
    assert_eq!(identifiers(&story.next_event().await), json!(["A", null, []]));
    // A service of the previous booking that nobody maps any more is no reason either.
    let booking =
        |id: &str, service: &str| booked(id, REGULAR, service)["data"]["visit_booking"].clone();
    let bookings = json!({
        "old_visit_booking": booking("1", "gone"), "new_visit_booking": booking("3", REGULAR_VISIT),
    });
    story.deliver(&clinic::notification("booking-moved", REGULAR, bookings)).await;
    assert_eq!(identifiers(&story.next_event().await), json!(["A", "S", []]));
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn that_something_is_gone_is_published_whether_or_not_it_is_mapped() {
    let mut story = holding().await;
    let worker = story.worker().await;
    let service = json!({ "address_service": { "id": "9", "name": "Visit" } });
    for (name, data, unmapped) in [
        ("address-unassigned", json!({}), json!(["facility", "doctor", "address"])),
        (
            "address-service-deleted",
            service.clone(),
            json!(["facility", "doctor", "address", "service"]),
        ),
    ] {
        story.deliver(&clinic::notification(name, REGULAR, data)).await;
        assert_eq!(story.next_event().await.body["data"]["unmapped"], unmapped, "{name}");
    }
    story.deliver(&clinic::notification("address-service-created", REGULAR, service)).await;
    assert_eq!(story.next_dead_letter().await.header("x-reason").unwrap(), "unmapped");
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn a_dead_letter_that_is_put_back_has_all_its_attempts_again() {
    let mut story = story().await;
    let worker = story.worker().await;
    story.docplanner.fault(Fault::status(503).on("/addresses"));
    story.deliver(&booked("1", REGULAR, REGULAR_VISIT)).await;
    let dead = story.next_dead_letter().await;
    assert_eq!(dead.header("x-reason").as_deref(), Some("enrichment-failed"));
    assert_eq!(dead.header("x-attempts").as_deref(), Some("3"), "two retry queues");

    // Put back too early: it is tried as often as the first time, and then set aside again.
    put_back(&story, dead).await;
    let dead = story.next_dead_letter().await;
    assert_eq!(dead.header("x-attempts").as_deref(), Some("3"));

    story.docplanner.clear_faults();
    put_back(&story, dead).await;
    assert_eq!(story.next_event().await.booking(), "1");
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}
