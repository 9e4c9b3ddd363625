//! Every way that a delivery can take through the worker.

use docplanner_worker::simulator::{
    api::{Client, Fault, Options, Simulator},
    world::{Booking, Patient},
};
use serde_json::{Value, json};

use super::{
    BROKER_PASSWORD, CLIENT_SECRET, DATABASE_PASSWORD, PRIVATE, assert_clean, booked, canaries,
    slot_booked, story,
};
use crate::support::{
    Story,
    broker::{DeadLetter, Published},
    clinic,
    collector::Collector,
};

const LIMIT: usize = 8192;

#[tokio::test]
async fn patients_and_secrets_are_in_event_and_dead_letter_bodies_only() {
    let mut story = story().await;
    connect_with_passwords(&mut story).await;
    story.settings.broker.push(format!("max_body_bytes = {LIMIT}"));
    let collector = Collector::start().await;
    story.settings.more = collector.settings();
    story
        .docplanner
        .fault(Fault::status(503).on(&format!("/doctors/{}/addresses", clinic::OTHER_DOCTOR)[..]));
    let worker = story.worker().await;

    publish_repeat_and_contradict(&mut story).await;
    worker.until_settled("duplicate", 1).await;
    let mut dead = Vec::new();
    for body in set_aside() {
        story.broker.deliver(&body, &[]).await;
        dead.push(story.next_dead_letter().await);
    }
    assert_bodies_are_whole(&dead);

    let mut canaries = canaries();
    canaries.extend(tokens().await);
    assert_clean("a metric", &worker.metrics().await, &canaries);
    for dead in &dead {
        assert_clean("a header of a dead letter", &headers(dead), &canaries);
    }
    for (table, rows) in tables(&story).await {
        assert_clean(&format!("table {table}"), &rows, &canaries);
    }
    let log = worker.log();
    assert!(worker.stop().await.success());
    let log = log.text();
    assert!(log.contains("dead-lettered") && log.contains("will try again"), "{log}");
    assert_clean("the log", &log, &canaries);
    assert_traces_are_clean(&collector, &canaries);
    story.servers.management("DELETE", &format!("users/{}", user(&story)), "").await;
}

/// What is remembered until it is due, and what is asked for then.
#[tokio::test]
async fn patients_and_calls_are_not_remembered_for_what_is_due_later() {
    let mut story = story().await;
    let collector = Collector::start().await;
    story.settings.more =
        format!("[tenants.video]\nreminders = [\"1h\"]\n{}", collector.settings());
    story.docplanner.world(|world| world.insert_booking(booking_of_canaries()));
    let worker = story.worker().await;
    let mut booking = booked("77");
    for (key, far) in
        [("start_at", "2099-05-26T16:00:00+02:00"), ("end_at", "2099-05-26T16:30:00+02:00")]
    {
        booking[key] = far.into();
    }
    booking["booked_at"] = "2099-05-12T10:18:24+02:00".into();
    booking["visit_payment"] = true.into();
    story.deliver(&clinic::told("slot-booked", clinic::ONLINE_PAYMENT, booking)).await;
    assert_event_tells_all(&story.next_event().await);
    worker.until_settled("published", 1).await;
    assert_eq!(story.sql("SELECT count(*) FROM timers").await, "2");
    assert_nothing_is_remembered(&story).await;

    for kind in ["reminder", "payment"] {
        story.sql(&format!("UPDATE timers SET fire_at = now() WHERE kind = '{kind}'")).await;
        let event = story.next_event().await;
        let body = event.body.to_string();
        assert!(body.contains(PRIVATE[0].1) && body.contains(PRIVATE[9].1), "{body}");
        assert_clean("a property of an event", &format!("{:?}", event.properties), &canaries());
    }
    assert_nothing_is_remembered(&story).await;
    assert_clean("a metric", &worker.metrics().await, &canaries());
    let log = worker.log();
    assert!(worker.stop().await.success());
    assert_clean("the log", &log.text(), &canaries());
    assert_traces_are_clean(&collector, &canaries());
}

fn assert_traces_are_clean(collector: &Collector, canaries: &[String]) {
    let spans = format!("{:?}", collector.received());
    for name in ["\"process docplanner.notifications\"", "\"send docplanner.events\"", "\"GET /"] {
        assert!(spans.contains(name), "{name} is among the spans");
    }
    assert_clean("a span", &spans, canaries);
}

async fn assert_nothing_is_remembered(story: &Story) {
    for (table, rows) in tables(story).await {
        assert_clean(&format!("table {table}"), &rows, &canaries());
    }
}

/// Booking 77 as the API knows it.
fn booking_of_canaries() -> Booking {
    let start_at = "2099-05-26T16:00:00+02:00".parse().unwrap();
    let booking = Booking::new("77", clinic::ONLINE_PAYMENT, start_at).with_payment("successful");
    let patient = Patient {
        name: PRIVATE[0].1.to_owned(),
        surname: PRIVATE[1].1.to_owned(),
        email: Some(PRIVATE[2].1.to_owned()),
        phone: Some(PRIVATE[3].1.to_owned()),
        ..Patient::sample()
    };
    let comment = Some(PRIVATE[8].1.to_owned());
    Booking { patient, comment, ..booking.with_video_call(PRIVATE[9].1) }
}

/// A user of the broker for this story alone.
fn user(story: &Story) -> String {
    format!("canary_{}", story.vhost())
}

/// The worker logs in to broker and database with passwords that are canaries.
async fn connect_with_passwords(story: &mut Story) {
    let (user, vhost) = (user(story), story.vhost().to_owned());
    let password = format!(r#"{{"password": "{BROKER_PASSWORD}", "tags": ""}}"#);
    story.servers.management("PUT", &format!("users/{user}"), &password).await;
    let all = r#"{"configure":".*","write":".*","read":".*"}"#;
    story.servers.management("PUT", &format!("permissions/{vhost}/{user}"), all).await;
    let with_password = |url: &str, user: &str, password: &str| {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (_, server) = rest.split_once('@').unwrap();
        format!("{scheme}://{user}:{password}@{server}")
    };
    let Story { settings, .. } = story;
    settings.amqp_url = with_password(&settings.amqp_url, &user, BROKER_PASSWORD);
    settings.database_url = with_password(&settings.database_url, "postgres", DATABASE_PASSWORD);
}

/// A booking, the same again, the same with another time, and a kind that nobody knows.
async fn publish_repeat_and_contradict(story: &mut Story) {
    let booking = slot_booked("1", clinic::ONSITE);
    story.deliver(&booking).await;
    assert_event_tells_all(&story.next_event().await);
    story.deliver(&booking).await;
    let mut other = booking.clone();
    other["data"]["visit_booking"]["start_at"] = "2021-05-26T17:00:00+01:00".into();
    story.deliver(&other).await;
    assert_eq!(story.next_dead_letter().await.header("x-reason").unwrap(), "conflict");

    let unknown = json!({ "visit_booking": booked("2"), "note": PRIVATE[0].1 });
    story.deliver(&clinic::notification("brand-new", clinic::ONSITE, unknown)).await;
    assert_event_tells_all(&story.next_event().await);
}

/// Bodies of every kind that is set aside: cut, wrong, nobody's, without flags, too large.
pub(super) fn set_aside() -> Vec<Vec<u8>> {
    let whole = slot_booked("3", clinic::ONSITE).to_string();
    let cut = |at: &str| whole.as_bytes()[..whole.find(at).unwrap() + at.len() / 2].to_vec();
    let mut bodies: Vec<_> = PRIVATE.iter().map(|(_, value)| cut(value)).collect();
    for place in
        ["", "/id", "/start_at", "/duration", "/patient", "/patient/birth_date", "/visit_payment"]
    {
        let mut wrong = slot_booked("4", clinic::ONSITE);
        let booking = &mut wrong["data"]["visit_booking"];
        booking["visit_payment"] = true.into();
        *booking.pointer_mut(place).unwrap() = json!([PRIVATE[1].1]);
        bodies.push(wrong.to_string().into_bytes());
    }
    let gone = slot_booked("5", "404404");
    let unavailable =
        clinic::with_doctor(slot_booked("6", clinic::ELSEWHERE), clinic::OTHER_DOCTOR);
    let mut large = slot_booked("7", clinic::ONSITE);
    large["data"]["visit_booking"]["comment"] = PRIVATE[8].1.repeat(LIMIT / 20).into();
    bodies.extend([gone, unavailable, large].map(|body| body.to_string().into_bytes()));
    bodies
}

fn assert_event_tells_all(event: &Published) {
    let body = event.body.to_string();
    for (place, value) in PRIVATE {
        assert!(body.contains(value), "the event has {place}");
    }
    let canaries = canaries();
    assert_clean("a routing key", &event.routing_key, &canaries);
    assert_clean("a property of an event", &format!("{:?}", event.properties), &canaries);
}

fn assert_bodies_are_whole(dead: &[DeadLetter]) {
    for (dead, body) in dead.iter().zip(set_aside()) {
        assert_eq!(dead.body, body);
    }
    let reasons: Vec<_> = dead.iter().map(|dead| dead.header("x-reason").unwrap()).collect();
    for reason in ["malformed", "invalid", "enrichment-failed", "too-large"] {
        assert!(reasons.iter().any(|told| told == reason), "{reason} is among {reasons:?}");
    }
}

fn headers(dead: &DeadLetter) -> String {
    let headers = dead.properties.headers().clone().unwrap();
    let names = headers.inner().keys().map(ToString::to_string);
    names.map(|name| dead.header(&name).unwrap()).collect::<Vec<_>>().join("\n")
}

/// All rows of every table, as text.
async fn tables(story: &Story) -> Vec<(String, String)> {
    let list = "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'";
    let mut tables = Vec::new();
    for table in story.sql(list).await.split(',') {
        let rows = format!("SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {table} t");
        tables.push((table.to_owned(), story.sql(&rows).await));
    }
    assert!(tables.iter().any(|(table, rows)| table == "inbox" && !rows.is_empty()));
    tables
}

/// The tokens that the API has given: the same as any simulator with this seed gives.
async fn tokens() -> Vec<String> {
    let clients = vec![Client::new("demo", CLIENT_SECRET)];
    let twin = Simulator::start(Options { clients, ..Options::default() }).await.unwrap();
    let http = reqwest::Client::builder().user_agent("canary").build().unwrap();
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let request = http
            .post(format!("{}/oauth/v2/token", twin.base_url()))
            .basic_auth("demo", Some(CLIENT_SECRET))
            .form(&[("grant_type", "client_credentials"), ("scope", "integration")]);
        let answer = request.send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        tokens.push(answer["access_token"].as_str().unwrap().to_owned());
    }
    tokens
}
