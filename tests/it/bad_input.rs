//! What becomes of a message that is no good notification: set aside as it came, with the reason.

mod conflicts;
mod tenants;

use chrono::{DateTime, Utc};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};

use crate::support::{
    Story,
    broker::{DeadLetter, INCOMING},
    golden::{fixture, notification},
    until,
};

const DATE_TIME: &str = "not a date-time such as 2021-05-26T16:00:00+01:00";

#[tokio::test]
async fn what_is_no_notification_is_malformed_with_the_position_of_the_error() {
    let good = fixture("notifications/slot-booked.json");
    let within_the_phone = good.find("+48500600700").unwrap() + 5;
    let cut = &good.as_bytes()[..within_the_phone];
    set_aside(
        "malformed",
        &[
            (b"", "the body is empty"),
            (b" ", "not a notification: EOF while parsing a value at line 1 column 1"),
            (b"{\"name\": \"Zofia \xff\"}", "not UTF-8 at byte 16"),
            (b"Zofia", "not a notification: expected value at line 1 column 1"),
            (b"{\"name\": Zofia}", "not a notification: expected value at line 1 column 10"),
            (cut, "not a notification: EOF while parsing a string at line 39 column 23"),
            (b"{} Zofia", "not a notification: trailing characters at line 1 column 4"),
            (b"[\"Zofia\"]", "not a JSON object"),
            (b"\"Zofia\"", "not a JSON object"),
            (b"48500600700", "not a JSON object"),
            (b"null", "not a JSON object"),
            (b"{\"data\": {}}", "there is no `name`"),
            (b"{\"name\": null, \"data\": {}}", "there is no `name`"),
            (b"{\"name\": [\"Zofia\"], \"data\": {}}", "`name` is not a string"),
            (b"{\"name\": \"slot-booked\"}", "there is no `data`"),
            (b"{\"name\": \"slot-booked\", \"data\": null}", "there is no `data`"),
            (
                b"{\"name\": \"slot-booked\", \"name\": \"Zofia\"}",
                "not a notification: duplicate field `name` at line 1 column 30",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_known_kind_without_what_it_needs_is_invalid_and_the_field_is_named() {
    let booked = |field: &str, value: Value| {
        with("slot-booked", &format!("/data/visit_booking{field}"), value)
    };
    let zofia = || json!("Zofia Wiśniewska");
    let cases = [
        (booked("/id", json!("")), "data.visit_booking.id: is missing".to_owned()),
        (
            booked("/id", json!(["Zofia"])),
            "data.visit_booking.id: expected a string or a number".into(),
        ),
        (
            // PostgreSQL keeps no NUL in a text.
            booked("/id", json!("6263715\u{0}")),
            "data.visit_booking.id: contains a control character".into(),
        ),
        (booked("", zofia()), "data.visit_booking: expected an object".into()),
        (booked("", Value::Null), "data.visit_booking: is missing".into()),
        (
            booked("/start_at", json!("2024-02-30T16:00:00+01:00")),
            format!("data.visit_booking.start_at: {DATE_TIME}"),
        ),
        (booked("/end_at", zofia()), format!("data.visit_booking.end_at: {DATE_TIME}")),
        (booked("/duration", zofia()), "data.visit_booking.duration: expected a number".into()),
        (
            booked("/duration", json!(-30)),
            "data.visit_booking.duration: expected a whole number of minutes".into(),
        ),
        (booked("/patient", zofia()), "data.visit_booking.patient: expected an object".into()),
        (
            booked("/patient/birth_date", json!("31.01.1985")),
            "data.visit_booking.patient.birth_date: not a date of the form YYYY-MM-DD".into(),
        ),
        (
            booked("/visit_payment", zofia()),
            "data.visit_booking.visit_payment: expected true or false".into(),
        ),
        (with("slot-booked", "/data", zofia()), "data: expected an object".into()),
        (with("slot-booked", "/data/facility", json!({})), "data.facility.id: is missing".into()),
        (with("slot-booked", "/data/doctor", Value::Null), "data.doctor: is missing".into()),
        (
            with("slot-booked", "/data/address/id", json!(true)),
            "data.address.id: expected a string or a number".into(),
        ),
        (with("slot-booked", "/created_at", zofia()), format!("created_at: {DATE_TIME}")),
        (
            with("booking-moved", "/data/new_visit_booking/id", Value::Null),
            "data.new_visit_booking.id: is missing".into(),
        ),
        (
            with("booking-payment-status-changed", "/data/visit_payment_status", json!({})),
            "data.visit_payment_status.status_to: is missing".into(),
        ),
        (
            with("presence-marked", "/data/presence", zofia()),
            "data.presence: expected PRESENT or ABSENT".into(),
        ),
        (with("presence-marked", "/created_at", Value::Null), "created_at: is missing".into()),
        (with("break-moved", "/data/break/id", json!("")), "data.break.id: is missing".into()),
        (
            with("address-service-changed", "/data/address_service/id", Value::Null),
            "data.address_service.id: is missing".into(),
        ),
        (with("address-assigned", "/created_at", json!("")), "created_at: is missing".into()),
    ];
    let cases: Vec<_> = cases.map(|(body, error)| (body.to_string(), error)).into();
    let cases: Vec<_> =
        cases.iter().map(|(body, error)| (body.as_bytes(), error.as_str())).collect();
    set_aside("invalid", &cases).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_set_aside_unread() {
    let mut story = Story::begin().await;
    let good = fixture("notifications/slot-booked.json");
    story.settings.broker.push(format!("max_body_bytes = {}", good.len()));
    let worker = story.worker().await;

    story.broker.deliver(good.as_bytes(), &[]).await;
    assert_eq!(story.next_event().await.body["type"], "docplanner.booking.created.v1");

    let larger = format!("{good} ");
    story.broker.deliver(larger.as_bytes(), &[]).await;
    let dead = story.next_dead_letter().await;
    assert_eq!(dead.body, larger.as_bytes());
    assert_eq!(dead.header("x-reason").unwrap(), "too-large");
    let error = format!("the body has {} bytes, the limit is {}", larger.len(), good.len());
    assert_eq!(dead.header("x-error").unwrap(), error);
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn a_dead_letter_keeps_what_it_came_with() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let mut headers = FieldTable::default();
    headers.insert("x-relay".into(), AMQPValue::LongString("relay-7".into()));
    headers.insert("x-received".into(), AMQPValue::LongLongInt(1_709_543_914));
    headers.insert("x-docplanner-tenant".into(), AMQPValue::LongString("acme".into()));
    let original = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("identity".into())
        .with_correlation_id("correlation-1".into())
        .with_reply_to("relay.answers".into())
        .with_message_id("message-1".into())
        .with_timestamp(1_709_543_914)
        .with_type("docplanner.notification".into())
        .with_app_id("relay".into())
        .with_priority(3)
        .with_headers(headers.clone());
    // A time to live of its own would let the dead letter vanish.
    let delivered = original.clone().with_delivery_mode(1).with_expiration("600000".into());

    story.broker.publish(INCOMING, b"not a notification", delivered).await;

    let dead = story.next_dead_letter().await;
    let kept = dead.properties.clone().with_headers(headers.clone());
    assert_eq!(kept, original.with_delivery_mode(2));
    let all = dead.properties.headers().clone().unwrap();
    for (name, value) in headers.inner() {
        assert_eq!(all.inner().get(name), Some(value), "{name}");
    }
    assert_eq!(dead.body, b"not a notification");
    assert!(worker.stop().await.success());
}

/// Delivers each body and expects it back as a dead letter with this reason and its error.
async fn set_aside(reason: &str, cases: &[(&[u8], &str)]) {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    for (body, error) in cases {
        let delivered_at = Utc::now();
        story.broker.deliver(body, &[("x-relay", "relay-7")]).await;
        let dead = story.next_dead_letter().await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(dead.header("x-error").as_deref(), Some(*error), "{shown}");
        assert_eq!(dead.header("x-reason").as_deref(), Some(reason), "{shown}");
        assert_eq!(dead.header("x-relay").as_deref(), Some("relay-7"), "{shown}");
        let tenant = dead.header("x-docplanner-tenant");
        assert_eq!(tenant.as_deref(), Some("acme"), "the only one there is: {shown}");
        assert_eq!(dead.body, *body, "{shown}");
        assert_failed_once_since(&dead, delivered_at);
    }
    // A dead letter is counted once it is settled, which may be after it was seen here.
    let series = format!("reason=\"{reason}\"");
    until("every dead letter is counted", async || {
        let count = worker.metric("dead_letters_total", &[&series]).await;
        (count.to_string() == cases.len().to_string()).then_some(())
    })
    .await;
    assert!(story.broker.further_events().is_empty());
    assert!(worker.stop().await.success());
}

fn assert_failed_once_since(dead: &DeadLetter, delivered_at: DateTime<Utc>) {
    assert_eq!(dead.header("x-attempts").as_deref(), Some("1"));
    let failed_at = dead.header("x-failed-at").unwrap();
    let failed_at = DateTime::parse_from_rfc3339(&failed_at).unwrap();
    assert!(failed_at.timestamp_millis() >= delivered_at.timestamp_millis(), "{failed_at}");
}

/// A fixture with another value at a place (a JSON pointer); the place need not exist.
fn with(name: &str, place: &str, value: Value) -> Value {
    let mut changed = notification(name);
    let (parent, key) = place.rsplit_once('/').unwrap();
    changed.pointer_mut(parent).unwrap()[key] = value;
    changed
}
