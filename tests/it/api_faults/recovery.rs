//! A fault that passes at once, one that lasts a little, and one that does not end.

use std::time::Duration;

use docplanner_worker::simulator::api::Fault;
use serde_json::Value;

use super::{
    ADDRESSES, TOKEN, TRIES, assert_no_retry, booked, booked_at, doctor_of, of, open_addresses,
    quick_faults, settled, story,
};
use crate::support::{Story, broker::Published, clinic};

/// Lets each fault strike an address of its own, this often; the addresses, in their order.
fn strike(story: &Story, faults: &[Fault], times: Option<u32>) -> Vec<String> {
    let addresses = open_addresses(story, faults.len());
    for (fault, address) in faults.iter().zip(&addresses) {
        let fault = fault.clone().on(of(&doctor_of(address)));
        story.docplanner.fault(match times {
            Some(times) => fault.times(times),
            None => fault,
        });
    }
    addresses
}

fn assert_requests(story: &Story, faults: &[Fault], addresses: &[String], expected: u64) {
    for (fault, address) in faults.iter().zip(addresses) {
        assert_eq!(story.docplanner.count(of(&doctor_of(address))), expected, "{fault:?}");
    }
}

fn assert_flags_are_known(events: &[Published]) {
    assert!(events.iter().all(|event| event.queue == "partner.online.payment"));
}

#[tokio::test]
async fn a_fault_that_passes_at_once_costs_one_more_request_and_no_retry() {
    let mut story = story().await;
    let mut faults = quick_faults();
    faults.extend([Fault::hang(), Fault::latency(Duration::from_mins(1))]);
    let addresses = strike(&story, &faults, Some(1));
    let worker = story.worker().await;

    story.deliver_all(&booked_at(&addresses)).await;

    assert_flags_are_known(&story.next_events(faults.len()).await);
    assert_requests(&story, &faults, &addresses, 2);
    worker.until_settled("published", u32::try_from(faults.len()).unwrap()).await;
    assert_no_retry(&worker).await;
}

#[tokio::test]
async fn a_fault_that_lasts_longer_is_waited_for_in_a_retry_queue() {
    let mut story = story().await;
    let mut faults = quick_faults();
    faults.push(Fault::hang());
    let addresses = strike(&story, &faults, Some(u32::try_from(TRIES).unwrap()));
    let worker = story.worker().await;

    story.deliver_all(&booked_at(&addresses)).await;

    assert_flags_are_known(&story.next_events(faults.len()).await);
    assert_requests(&story, &faults, &addresses, TRIES + 1);
    let each_once = u32::try_from(faults.len()).unwrap();
    worker.until_settled("published", each_once).await;
    let retries = settled(&worker, "retry").await;
    assert!((retries - f64::from(each_once)).abs() < 0.5, "{retries} retries");
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_fault_that_does_not_end_is_a_dead_letter_after_the_last_retry() {
    let mut story = story().await;
    let faults = quick_faults();
    let addresses = strike(&story, &faults, None);
    let _worker = story.worker().await;

    let notifications = booked_at(&addresses);
    story.deliver_all(&notifications).await;

    let mut set_aside = Vec::new();
    for _ in &faults {
        let dead_letter = story.next_dead_letter().await;
        assert_eq!(dead_letter.header("x-reason").as_deref(), Some("enrichment-failed"));
        assert_eq!(dead_letter.header("x-attempts").as_deref(), Some("3"), "two retries");
        assert_eq!(dead_letter.header("x-docplanner-tenant").as_deref(), Some("acme"));
        let error = dead_letter.header("x-error").unwrap();
        assert!(error.starts_with("cannot look up the address: "), "{error}");
        set_aside.push(serde_json::from_slice(&dead_letter.body).unwrap());
    }
    let mut set_aside: Vec<Value> = set_aside;
    set_aside.sort_by_key(|body| body["data"]["address"]["id"].to_string());
    assert_eq!(set_aside, notifications, "the notifications as they came");
    assert_requests(&story, &faults, &addresses, TRIES * 3);
    assert!(story.broker.further_events().is_empty());
}

#[tokio::test]
async fn a_tenant_can_have_events_without_flags_after_the_last_retry() {
    let mut story = story().await;
    story.settings.tenant.push(r#"on_enrichment_failure = "publish""#.into());
    let faults = quick_faults();
    let addresses = strike(&story, &faults, None);
    let worker = story.worker().await;

    story.deliver_all(&booked_at(&addresses)).await;

    for event in story.next_events(faults.len()).await {
        assert_eq!(event.queue, "partner.unclassified");
        assert_eq!(event.routing_key, "acme.unknown.unknown.booking.created");
        let address = &event.body["data"]["address"];
        assert_eq!(address["online_only"], Value::Null);
        assert_eq!(address["visit_payment"], Value::Null);
        assert_eq!(address["flags_as_of"], Value::Null);
    }
    assert_requests(&story, &faults, &addresses, TRIES * 3);
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn each_failed_attempt_is_counted_on_the_message_that_waits() {
    let mut story = story().await;
    story.settings.broker = vec![r#"retry_delays = ["200ms", "1h"]"#.into()];
    story.docplanner.fault(Fault::status(503).on(ADDRESSES));
    let _worker = story.worker().await;

    let notification = clinic::slot_booked("b1", clinic::ONLINE);
    story.deliver(&notification).await;

    let waiting = story.take_from("docplanner.notifications.retry.1h").await;
    assert_eq!(waiting.header("x-attempts").as_deref(), Some("2"));
    assert_eq!(waiting.body, notification.to_string().as_bytes());
}

#[tokio::test]
async fn a_token_endpoint_on_a_bad_day_is_asked_again() {
    let mut story = story().await;
    let faults = quick_faults();
    let worker = story.worker().await;
    for (asked, fault) in (1..).zip(&faults) {
        story.docplanner.expire_tokens();
        story.docplanner.fault(fault.clone().on(TOKEN).times(1));
        let address = open_addresses(&story, asked).pop().unwrap();

        story.deliver(&booked(&format!("b{asked}"), &address)).await;

        assert_eq!(story.next_event().await.queue, "partner.online.payment", "{fault:?}");
    }
    let expected = 2 * faults.len() as u64;
    assert_eq!(story.docplanner.count(TOKEN), expected, "each was asked for twice");
    assert_no_retry(&worker).await;
}
