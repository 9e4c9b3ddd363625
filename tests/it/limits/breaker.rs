//! An API that does not answer is tried by one request now and then, and whoever waits for it loses no attempt.

use docplanner_worker::simulator::api::Fault;

use super::{LISTS, bookings_at_unknown_doctors};
use crate::support::{Story, clinic, until};

const BOOKINGS: u32 = 40;

const OPENED: &str = "only one request now and then tries it";
const CLOSED: &str = "the API is back";

/// Failures in a row that open it at once, and the requests that are under way then.
const UNTIL_OPEN: u64 = 50 + 16;

#[tokio::test]
async fn a_dead_api_is_asked_by_probes_only_and_everything_is_published_when_it_is_back() {
    let mut story = Story::begin().await;
    story.settings.broker =
        vec![r#"retry_delays = ["100ms", "200ms", "300ms", "400ms", "500ms"]"#.into()];
    let bookings = bookings_at_unknown_doctors(&story.docplanner, BOOKINGS as usize);
    let worker = story.worker().await;
    story.docplanner.fault(Fault::status(503).on(LISTS));

    story.deliver_all(&bookings).await;
    worker.until_logged(OPENED).await;
    // More often than anybody may fail.
    worker.until_settled("retry", BOOKINGS * 8).await;
    let failed = story.docplanner.count(LISTS);
    assert!(failed <= UNTIL_OPEN + 3, "{failed} requests: those that opened it, and probes");
    let state = worker.metric("api_breaker_state", &["tenant=\"acme\""]).await;
    assert!(state >= 1.0, "{state}");

    story.docplanner.clear_faults();
    story.next_events(BOOKINGS as usize).await;
    worker.until_settled("published", BOOKINGS).await;
    worker.assert_metric("api_breaker_state", &["tenant=\"acme\""], 0).await;
    assert_eq!(worker.log().count(OPENED), 1, "told once");
    assert_eq!(worker.log().count(CLOSED), 1, "told once");
    assert!(story.broker.further_dead_letters().is_empty());
}

#[tokio::test]
async fn known_flags_serve_while_the_breaker_is_open() {
    let mut story = Story::begin().await;
    story.settings.tenant.push(r#"flags_ttl = "1ms""#.into());
    let bookings = bookings_at_unknown_doctors(&story.docplanner, BOOKINGS as usize);
    let worker = story.worker().await;
    story.deliver(&clinic::slot_booked("known", clinic::ONLINE)).await;
    story.next_event().await;
    story.docplanner.fault(Fault::status(503).on(LISTS));
    story.deliver_all(&bookings).await;
    worker.until_logged(OPENED).await;

    story.deliver(&clinic::booking_canceled("known", clinic::ONLINE)).await;
    assert_eq!(story.next_event().await.booking(), "known");
}

#[tokio::test]
async fn a_delivery_of_an_api_that_never_comes_back_ends_by_the_probes_that_it_made() {
    let mut story = Story::begin().await;
    story.settings.broker =
        vec![r#"retry_delays = ["1s", "1100ms", "1200ms", "1300ms", "1400ms"]"#.into()];
    let booking = bookings_at_unknown_doctors(&story.docplanner, 1);
    let worker = story.worker().await;
    story.docplanner.fault(Fault::status(503).on(LISTS));

    story.deliver_all(&booking).await;

    let dead_letter = story.next_dead_letter().await;
    assert_eq!(dead_letter.header("x-reason").as_deref(), Some("enrichment-failed"));
    assert_eq!(dead_letter.header("x-attempts").as_deref(), Some("6"));
    let error = dead_letter.header("x-error").unwrap();
    assert!(error.contains("503"), "what happened, not that it had to wait: {error}");
    until("it is told", async || worker.log().find(OPENED)).await;
    let asked = story.docplanner.count(LISTS);
    assert!(asked < 3 * 6, "{asked} requests: a probe is one");
}
