//! The API limits our rate: it is left alone for as long as it says, and waiting is not failing.

use std::time::Duration;

use docplanner_worker::simulator::api::{Fault, RateLimit};
use serde_json::Value;

use super::{ADDRESSES, assert_no_retry, of, settled, story};
use crate::support::{Story, clinic};

const BOOKINGS: usize = 10;

fn bookings_at(address: &str) -> Vec<Value> {
    (0..BOOKINGS).map(|nth| clinic::slot_booked(&format!("waits-{nth}"), address)).collect()
}

/// With a single retry of 200 ms, a pause of seconds would use up the attempts of anybody whose
/// waiting was counted.
async fn story_with_one_short_retry() -> Story {
    let mut story = story().await;
    story.settings.broker = vec![r#"retry_delays = ["200ms"]"#.into()];
    story
}

#[tokio::test]
async fn a_short_wait_is_sat_out_in_process() {
    let second = Duration::from_secs(1);
    for limit in [
        Fault::status(429),
        Fault::status(429).retry_after(second),
        Fault::status(429).reset_after(second),
    ] {
        let mut story = story().await;
        story.docplanner.fault(limit.clone().on(ADDRESSES).times(1));
        let worker = story.worker().await;

        story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;

        assert_eq!(story.next_event().await.queue, "partner.online", "{limit:?}");
        assert_eq!(story.docplanner.count(ADDRESSES), 2, "{limit:?}");
        assert_no_retry(&worker).await;
    }
}

#[tokio::test]
async fn a_long_wait_is_sat_out_in_the_queue_that_is_long_enough() {
    let minute = Duration::from_mins(1);
    for limit in
        [Fault::status(429).retry_after(minute), Fault::status(429).reset_after(2 * minute)]
    {
        let mut story = story().await;
        story.settings.broker = vec![r#"retry_delays = ["200ms", "30s", "1h"]"#.into()];
        story.docplanner.fault(limit.clone().on(ADDRESSES));
        let _worker = story.worker().await;

        story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;

        let waiting = story.take_from("docplanner.notifications.retry.1h").await;
        assert_eq!(waiting.header("x-attempts").as_deref(), Some("1"), "{limit:?}");
        assert_eq!(story.docplanner.count(ADDRESSES), 1, "{limit:?}");
    }
}

#[tokio::test]
async fn those_who_wait_for_the_end_of_a_429_ask_nothing_and_lose_no_attempt() {
    let mut story = story_with_one_short_retry().await;
    let wait = Duration::from_secs(3);
    let limited = of(clinic::OTHER_DOCTOR);
    story.docplanner.fault(Fault::status(429).retry_after(wait).on(&limited[..]).times(1));
    let worker = story.worker().await;
    let booked = clinic::slot_booked("limited", clinic::ELSEWHERE);
    story.deliver(&clinic::with_doctor(booked, clinic::OTHER_DOCTOR)).await;
    worker.until_settled("retry", 1).await;

    story.deliver_all(&bookings_at(clinic::ONLINE)).await;

    story.next_events(BOOKINGS + 1).await;
    assert_eq!(story.docplanner.count(limited), 2, "limited, then answered");
    assert_eq!(story.docplanner.count(of(clinic::DOCTOR)), 1, "asked once the pause was over");
    assert!(story.broker.further_dead_letters().is_empty());
}

#[tokio::test]
async fn the_last_answer_within_the_limit_begins_a_pause() {
    let mut story = story_with_one_short_retry().await;
    let worker = story.worker().await;
    story.docplanner.set_rate_limit(Some(RateLimit::new(1, Duration::from_secs(3))));
    let booked = clinic::slot_booked("last", clinic::ELSEWHERE);
    story.deliver(&clinic::with_doctor(booked, clinic::OTHER_DOCTOR)).await;
    story.next_event().await;

    story.deliver_all(&bookings_at(clinic::ONLINE)).await;

    story.next_events(BOOKINGS).await;
    assert_eq!(story.docplanner.count(of(clinic::DOCTOR)), 1, "never asked in vain");
    assert!(settled(&worker, "retry").await >= 1.0, "they waited");
    assert!(story.broker.further_dead_letters().is_empty());
}
