//! Every kind of notification, from the relay's queue to the partner's.
//!
//! The fixtures have the shapes of the API's reference, with invented people. One is the example of the
//! online-features guide as it is printed there: only its `// …` comments, which JSON does not
//! know, are left out.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use docplanner_worker::notification::Kind;
use lapin::types::ShortString;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::support::{
    Story,
    broker::{DEAD, INCOMING, Published},
    golden::{assert_golden_json, fixture as text, names, notification},
};

/// The fixture, the queue that gets its event, and the event's routing key.
const PUBLISHED: [(&str, &str, &str); 27] = [
    ("slot-booked", "partner.onsite", "acme.onsite.no_payment.booking.created"),
    ("slot-booked-by-doctor", "partner.onsite", "acme.onsite.no_payment.booking.created"),
    ("slot-booked-with-nulls", "partner.onsite", "acme.onsite.no_payment.booking.created"),
    ("slot-booked-with-payment", "partner.onsite.payment", "acme.onsite.payment.booking.created"),
    ("slot-booked-with-video", "partner.online", "acme.online.no_payment.booking.created"),
    (
        "slot-booked-with-payment-and-video",
        "partner.online.payment",
        "acme.online.payment.booking.created",
    ),
    ("slot-booked-of-the-guide", "partner.online.payment", "acme.online.payment.booking.created"),
    ("booking-canceled", "partner.onsite", "acme.onsite.no_payment.booking.canceled"),
    (
        "booking-canceled-by-doctor",
        "partner.onsite.payment",
        "acme.onsite.payment.booking.canceled",
    ),
    ("booking-moved", "partner.onsite", "acme.onsite.no_payment.booking.moved"),
    (
        "booking-moved-with-payment-and-video",
        "partner.online.payment",
        "acme.online.payment.booking.moved",
    ),
    ("booking-confirmed", "partner.online", "acme.online.no_payment.booking.confirmed"),
    (
        "booking-payment-status-changed",
        "partner.onsite.payment",
        "acme.onsite.payment.payment.status_changed",
    ),
    (
        "booking-payment-status-changed-to-refunded",
        "partner.onsite.payment",
        "acme.onsite.payment.payment.status_changed",
    ),
    ("presence-marked", "partner.onsite", "acme.onsite.no_payment.booking.presence_marked"),
    ("presence-marked-present", "partner.onsite", "acme.onsite.no_payment.booking.presence_marked"),
    ("break-created", "partner.onsite", "acme.onsite.no_payment.break.created"),
    ("break-moved", "partner.onsite", "acme.onsite.no_payment.break.moved"),
    ("break-removed", "partner.onsite", "acme.onsite.no_payment.break.removed"),
    ("address-service-created", "partner.online", "acme.online.no_payment.address_service.created"),
    ("address-service-changed", "partner.online", "acme.online.no_payment.address_service.changed"),
    ("address-service-deleted", "partner.online", "acme.online.no_payment.address_service.deleted"),
    (
        "address-commercial-type-changed",
        "partner.onsite",
        "acme.onsite.no_payment.address.commercial_type_changed",
    ),
    ("address-assigned", "partner.online.payment", "acme.online.payment.address.assigned"),
    ("address-unassigned", "partner.onsite.payment", "acme.onsite.payment.address.unassigned"),
    ("waiting-list-joined", "partner.online", "acme.online.no_payment.notification.unrecognized"),
    ("terms-updated", "partner.unclassified", "acme.unknown.unknown.notification.unrecognized"),
];

/// Fixtures that more events follow from, and their actions.
const FOLLOWED: [(&str, &[&str]); 2] = [
    ("booking-payment-status-changed", &["paid"]),
    ("booking-payment-status-changed-to-refunded", &["paid", "refunded"]),
];

/// These ask whether something may happen, and state no fact.
const QUESTIONS: [&str; 2] = ["slot-booking", "booking-moving"];

/// The one notification of the group that a trace came with, and the trace.
const TRACED: (&str, &str) =
    ("slot-booked", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

/// What one worker made of all fixtures.
struct Group {
    events: BTreeMap<&'static str, Published>,
    /// By fixture and action.
    followed: BTreeMap<String, Published>,
    /// Anything that was published or set aside beyond one event for each fixture.
    more: usize,
    ignored: f64,
    left_in_queues: u32,
    began: DateTime<Utc>,
}

#[tokio::test]
async fn every_kind_becomes_the_event_of_its_golden_file() {
    let group = group().await;
    let events = group.events.iter().map(|(fixture, event)| (fixture.to_string(), event));
    let followed = group.followed.iter().map(|(name, event)| (name.clone(), event));
    for (fixture, event) in events.chain(followed) {
        let mut body = event.body.clone();
        replace_moment_of_look_up(&mut body);
        assert_golden_json(&format!("events/{fixture}.json"), &body);
    }
}

/// When the flags were looked up is another moment in every run.
fn replace_moment_of_look_up(body: &mut Value) {
    let as_of = &mut body["data"]["address"]["flags_as_of"];
    if let Some(text) = as_of.as_str() {
        let moment = DateTime::parse_from_rfc3339(text).unwrap();
        assert!(moment <= Utc::now(), "{moment} is past");
        *as_of = "(when they were looked up)".into();
    }
}

#[tokio::test]
async fn an_event_goes_to_the_queue_of_its_addresss_flags() {
    let events = &group().await.events;
    for (fixture, queue, routing_key) in PUBLISHED {
        let event = &events[fixture];
        assert_eq!((event.queue, event.routing_key.as_str()), (queue, routing_key), "{fixture}");
    }
}

#[tokio::test]
async fn an_events_properties_tell_what_it_is_without_its_body() {
    let group = group().await;
    for (fixture, event) in &group.events {
        let (properties, body) = (&event.properties, &event.body);
        let content_type = properties.content_type().as_ref().map(ShortString::as_str);
        assert_eq!(content_type, Some("application/cloudevents+json; charset=utf-8"), "{fixture}");
        assert_eq!(*properties.delivery_mode(), Some(2), "{fixture}");
        let id = properties.message_id().as_ref().map(ShortString::as_str);
        assert_eq!(id, body["id"].as_str(), "{fixture}");
        let event_type = properties.kind().as_ref().map(ShortString::as_str);
        assert_eq!(event_type, body["type"].as_str(), "{fixture}");
        let app = properties.app_id().as_ref().map(ShortString::as_str);
        assert_eq!(app, Some("docplanner-worker"), "{fixture}");
        let began = u64::try_from(group.began.timestamp()).unwrap();
        let published_at = properties.timestamp().unwrap();
        assert!(published_at >= began, "{fixture}: published at {published_at}, after {began}");
        assert_eq!(event.header("tenant").as_deref(), Some("acme"), "{fixture}");
    }
}

#[tokio::test]
async fn the_trace_of_a_notification_goes_on_in_its_event() {
    for (fixture, event) in &group().await.events {
        let expected = (*fixture == TRACED.0).then(|| TRACED.1.to_owned());
        assert_eq!(event.header("traceparent"), expected, "{fixture}");
    }
}

#[tokio::test]
async fn every_event_has_an_id_of_its_own() {
    let events = &group().await.events;
    let ids: BTreeSet<_> = events.values().map(|event| event.body["id"].to_string()).collect();
    assert_eq!(ids.len(), PUBLISHED.len());
}

#[tokio::test]
async fn questions_are_acknowledged_and_counted_and_not_published() {
    let group = group().await;
    assert!((group.ignored - 2.0).abs() < f64::EPSILON, "{} are ignored", group.ignored);
    assert_eq!((group.more, group.left_in_queues), (0, 0));
}

#[test]
fn every_kind_has_a_fixture_and_every_fixture_a_row() {
    let told: BTreeSet<_> = PUBLISHED.map(|(name, ..)| name).into_iter().chain(QUESTIONS).collect();
    let files = names("notifications");
    assert_eq!(files.iter().map(String::as_str).collect::<BTreeSet<_>>(), told);

    let kinds: BTreeSet<_> = files
        .iter()
        .map(|file| Kind::from_name(notification(file)["name"].as_str().unwrap()))
        .collect();
    assert_eq!(kinds, Kind::ALL.into_iter().collect());
}

#[test]
fn no_golden_file_is_left_over() {
    let published = PUBLISHED.into_iter().map(|(name, ..)| name.to_owned());
    let followed = FOLLOWED.into_iter().flat_map(|(fixture, actions)| {
        actions.iter().map(move |action| follow_up(fixture, action))
    });
    assert_eq!(names("events"), published.chain(followed).collect());
}

/// The golden file of an event that follows from a fixture's own.
fn follow_up(fixture: &str, action: &str) -> String {
    format!("{fixture}-then-{action}")
}

/// Delivers every fixture to one worker, once for all tests.
async fn group() -> &'static Group {
    static GROUP: OnceCell<Group> = OnceCell::const_new();
    GROUP.get_or_init(deliver_all).await
}

async fn deliver_all() -> Group {
    let began = Utc::now();
    let mut story = Story::begin().await;
    // What time brings is another story; these bookings are years old, so that would be at once.
    story
        .sql(
            "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER timeless BEFORE INSERT ON timers FOR EACH ROW EXECUTE FUNCTION forget()",
        )
        .await;
    let worker = story.worker().await;
    let (mut events, mut followed) = (BTreeMap::new(), BTreeMap::new());
    for (delivered, (fixture, ..)) in (1..).zip(PUBLISHED) {
        let trace = [("traceparent", TRACED.1)];
        let headers = if fixture == TRACED.0 { trace.as_slice() } else { &[] };
        let body = text(&format!("notifications/{fixture}.json"));
        story.broker.deliver(body.as_bytes(), headers).await;
        events.insert(fixture, story.next_event().await);
        let follows = FOLLOWED.into_iter().find(|(followed, _)| *followed == fixture);
        for action in follows.iter().flat_map(|(_, actions)| *actions) {
            followed.insert(follow_up(fixture, action), story.next_event().await);
        }
        worker.until_settled("published", delivered).await;
        // Several are about the same booking; here each is the first that is heard of it.
        story.sql("WITH gone AS (DELETE FROM chains) DELETE FROM inbox RETURNING 1").await;
    }
    for fixture in QUESTIONS {
        story.deliver(&notification(fixture)).await;
    }
    worker.until_settled("ignored", 2).await;
    let ignored = worker.metric("deliveries_total", &["disposition=\"ignored\""]).await;
    assert!(worker.stop().await.success());
    let more = story.broker.further_events().len() + story.broker.further_dead_letters().len();
    let left_in_queues = story.broker.depth(INCOMING).await + story.broker.depth(DEAD).await;
    Group { events, followed, more, ignored, left_in_queues, began }
}
