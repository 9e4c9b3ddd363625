//! The API says no: to the address, or to us.

use docplanner_worker::simulator::api::{Client, Fault, Options};
use serde_json::{Value, json};

use super::{ADDRESSES, TOKEN, TRIES, alone, assert_no_retry, of, story};
use crate::support::{Story, clinic};

/// An address that the API never heard of.
const NOWHERE: &str = "999";

#[tokio::test]
async fn an_address_never_known_is_a_dead_letter_at_once() {
    for status in [403, 404] {
        let mut story = story().await;
        story.docplanner.fault(Fault::status(status).on(alone(NOWHERE)));
        let worker = story.worker().await;

        story.deliver(&clinic::slot_booked("b1", NOWHERE)).await;

        let dead_letter = story.next_dead_letter().await;
        assert_eq!(dead_letter.header("x-reason").as_deref(), Some("enrichment-failed"));
        assert_eq!(dead_letter.header("x-attempts").as_deref(), Some("1"));
        let error = dead_letter.header("x-error").unwrap();
        assert!(error.contains(&status.to_string()), "{error}");
        assert_eq!(story.docplanner.count(alone(NOWHERE)), 1, "{status} is not asked again");
        assert_no_retry(&worker).await;
        assert!(worker.stop().await.success());
        story.assert_nothing_is_left().await;
    }
}

#[tokio::test]
async fn an_address_never_known_is_published_unclassified_if_the_tenant_wants_it() {
    let mut story = story().await;
    story.settings.tenant.push(r#"on_enrichment_failure = "publish""#.into());
    let worker = story.worker().await;

    story.deliver(&clinic::slot_booked("b1", NOWHERE)).await;

    let event = story.next_event().await;
    assert_eq!(event.queue, "partner.unclassified");
    assert_eq!(event.body["data"]["modality"], "unknown");
    for flag in ["online_only", "visit_payment", "flags_as_of"] {
        assert_eq!(event.body["data"]["address"][flag], Value::Null, "{flag}");
    }
    assert_eq!(story.docplanner.count(alone(NOWHERE)), 1);
    assert_no_retry(&worker).await;
}

#[tokio::test]
async fn an_address_that_is_gone_keeps_its_last_known_flags() {
    for status in [403, 404] {
        let mut story = story().await;
        story.settings.tenant.push(r#"flags_ttl = "1ms""#.into());
        let worker = story.worker().await;
        story.deliver(&clinic::slot_booked("b1", clinic::ONLINE_PAYMENT)).await;
        let known = story.next_event().await;
        story.docplanner.fault(Fault::status(status).on("GET /doctors/*/addresses"));

        story.deliver(&clinic::booking_canceled("b1", clinic::ONLINE_PAYMENT)).await;

        let canceled = story.next_event().await;
        assert_eq!(canceled.body["type"], "docplanner.booking.canceled.v1");
        assert_eq!(canceled.queue, "partner.online.payment", "{status}");
        let as_of = |event: &Value| event["data"]["address"]["flags_as_of"].clone();
        assert_eq!(as_of(&canceled.body), as_of(&known.body), "the age is told");
        assert!(as_of(&canceled.body).is_string());
        assert_no_retry(&worker).await;
    }
}

#[tokio::test]
async fn that_an_address_is_unassigned_is_told_even_if_nothing_is_known_of_it() {
    let mut story = story().await;
    let _worker = story.worker().await;

    story.deliver(&clinic::notification("address-unassigned", NOWHERE, json!({}))).await;
    let gone = story.next_event().await;
    assert_eq!(story.docplanner.count(alone(NOWHERE)), 1, "no retries");

    story.docplanner.fault(Fault::status(503).on(of(clinic::OTHER_DOCTOR)));
    let unassigned = clinic::notification("address-unassigned", clinic::ELSEWHERE, json!({}));
    story.deliver(&clinic::with_doctor(unassigned, clinic::OTHER_DOCTOR)).await;
    let unreachable = story.next_event().await;
    let asked = story.docplanner.count(of(clinic::OTHER_DOCTOR));
    assert_eq!(asked, 3 * TRIES, "after the last retry");

    for event in [gone, unreachable] {
        assert_eq!(event.queue, "partner.unclassified");
        assert_eq!(event.routing_key, "acme.unknown.unknown.address.unassigned");
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_request_repeated_once() {
    let mut story = story().await;
    story.docplanner.fault(Fault::status(401).on(ADDRESSES).times(1));
    let worker = story.worker().await;

    story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;

    assert_eq!(story.next_event().await.queue, "partner.online");
    assert_eq!(story.docplanner.count(TOKEN), 2);
    assert_eq!(story.docplanner.count(ADDRESSES), 2);
    assert_no_retry(&worker).await;
}

#[tokio::test]
async fn wrong_credentials_are_a_dead_letter_that_does_not_tell_them() {
    let options = Options {
        world: clinic::world(),
        clients: vec![Client::new("demo", "another secret")],
        ..Options::default()
    };
    let mut story = Story::begin_with(options).await;
    let worker = story.worker().await;

    story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;

    let dead_letter = story.next_dead_letter().await;
    assert_eq!(dead_letter.header("x-reason").as_deref(), Some("enrichment-failed"));
    assert_eq!(dead_letter.header("x-attempts").as_deref(), Some("3"));
    let error = dead_letter.header("x-error").unwrap();
    assert!(error.contains("credentials") && !error.contains("secret"), "{error}");
    assert_eq!(story.docplanner.count(ADDRESSES), 0, "nothing is asked without a token");
    assert!(!worker.log().text().contains("Bearer"));
}
