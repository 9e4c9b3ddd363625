//! Many payments, two workers, and everything at once: one outcome for each.

use std::{collections::BTreeMap, time::Duration};

use docplanner_worker::simulator::api::Fault;

use super::{BOOKINGS, everything_is_due, insert, until_timers};
use crate::support::{
    Story,
    broker::Published,
    clinic::{ONSITE_PAYMENT, bookings_told, payment_status, to_be_paid, told},
    worker::Worker,
};

const PAYMENTS: usize = 200;

/// What one worker asks the API at once, at most.
const AT_ONCE: usize = 16;

/// Two workers, and all bookings told of and waited for.
async fn begin() -> (Story, [Worker; 2]) {
    let mut story = Story::begin().await;
    let workers = [story.worker().await, story.worker().await];
    let bookings: Vec<String> = (0..PAYMENTS).map(|nth| nth.to_string()).collect();
    for id in &bookings {
        insert(&story, id, None);
    }
    let all: Vec<_> = bookings.iter().map(|id| told_of("slot-booked", id)).collect();
    story.deliver_all(&all).await;
    story.next_events(PAYMENTS).await;
    until_timers(&story, 200).await;
    (story, workers)
}

fn told_of(name: &str, id: &str) -> serde_json::Value {
    told(name, ONSITE_PAYMENT, to_be_paid(id))
}

/// Nothing is left; and the types of each chain's further events, in the order of their sequence, which has no
/// gaps from 2 on.
async fn chains(
    mut story: Story,
    workers: [Worker; 2],
    events: Vec<Published>,
) -> BTreeMap<String, Vec<String>> {
    until_timers(&story, 0).await;
    for worker in workers {
        assert!(worker.stop().await.success());
    }
    story.assert_nothing_is_left().await;
    let mut chains = BTreeMap::<String, BTreeMap<u32, String>>::new();
    for event in &events {
        let text = |key: &str| event.body[key].as_str().unwrap().to_owned();
        let name = text("type").split('.').skip(1).take(2).collect::<Vec<_>>().join(".");
        let before = chains
            .entry(text("partitionkey"))
            .or_default()
            .insert(text("sequence").parse().unwrap(), name);
        assert_eq!(before, None, "a sequence is given once: {}", event.body);
    }
    let chain = |(chain, events): (String, BTreeMap<u32, String>)| {
        assert!(events.keys().copied().eq((2..).take(events.len())), "{chain}: {events:?}");
        (chain, events.into_values().collect())
    };
    chains.into_iter().map(chain).collect()
}

fn outcomes(events: &[String]) -> usize {
    events
        .iter()
        .filter(|name| ["payment.paid", "payment.not_paid"].contains(&name.as_str()))
        .count()
}

#[tokio::test]
async fn two_workers_decide_each_payment_once() {
    let (mut story, workers) = begin().await;
    everything_is_due(&story).await;
    let events = story.next_events(PAYMENTS).await;
    let chains = chains(story, workers, events).await;
    assert_eq!(chains.len(), PAYMENTS);
    for (chain, events) in chains {
        assert_eq!(events, ["payment.paid"], "{chain}");
    }
}

#[tokio::test]
async fn a_visit_that_is_canceled_when_its_payment_is_due_has_one_outcome() {
    let (mut story, workers) = begin().await;
    let cancels: Vec<_> =
        (0..PAYMENTS).map(|nth| told_of("booking-canceled", &nth.to_string())).collect();
    tokio::join!(everything_is_due(&story), story.deliver_all(&cancels));
    let events = story.next_events(2 * PAYMENTS).await;
    let chains = chains(story, workers, events).await;
    let mut paid = 0;
    for (chain, events) in &chains {
        assert_eq!((events.len(), outcomes(events)), (2, 1), "{chain}: {events:?}");
        paid += usize::from(events[0] == "payment.paid");
        assert_eq!(events[0] == "payment.paid", events[1] == "booking.canceled", "{events:?}");
    }
    println!("{paid} of {PAYMENTS} were due before they were canceled");
}

#[tokio::test]
async fn a_payment_that_is_told_when_it_is_due_has_one_outcome() {
    let (mut story, workers) = begin().await;
    let paid: Vec<_> = (0..PAYMENTS)
        .map(|nth| payment_status(ONSITE_PAYMENT, to_be_paid(&nth.to_string()), "paid"))
        .collect();
    tokio::join!(everything_is_due(&story), story.deliver_all(&paid));
    let events = story.next_events(2 * PAYMENTS).await;
    for (chain, events) in chains(story, workers, events).await {
        assert_eq!((events.len(), outcomes(&events)), (2, 1), "{chain}: {events:?}");
    }
}

/// After an outage.
#[tokio::test]
async fn ten_thousand_payments_that_are_due_at_once_are_no_stampede() {
    const MANY: usize = 10_000;
    const LATENCY: Duration = Duration::from_millis(10);
    let mut story = Story::begin().await;
    for nth in 0..MANY {
        insert(&story, &nth.to_string(), Some("successful"));
    }
    story.docplanner.fault(Fault::latency(LATENCY).on(BOOKINGS));
    story
        .sql(&format!(
            "WITH booked AS (SELECT nth::text AS id, md5(nth::text)::uuid AS subject FROM generate_series(0, {}) nth),
                  told AS (
                      INSERT INTO chains (subject, partition_key, last_sequence, payment, payment_due_at, keep_until)
                      SELECT subject, id, 1, 'pending', now(), now() + interval '30 days' FROM booked)
             INSERT INTO timers (id, chain, kind, tenant, facility_id, doctor_id, address_id, booking_id, due_at, fire_at)
             SELECT gen_random_uuid(), subject, 'payment', 'acme', '1', '123', '{ONSITE_PAYMENT}', id, now(), now()
             FROM booked",
            MANY - 1
        ))
        .await;
    let worker = story.worker().await;
    let events = story.next_events(MANY).await;
    let mut chains = std::collections::HashSet::new();
    for event in &events {
        assert_eq!(event.body["sequence"], "0000000002");
        assert!(chains.insert(event.body["partitionkey"].clone()), "{}", event.body);
    }
    until_timers(&story, 0).await;
    assert!(worker.stop().await.success());
    assert_eq!(bookings_told(&story.docplanner), MANY);
    let mut asked: Vec<_> = story
        .docplanner
        .requests()
        .into_iter()
        .filter(|request| request.path.contains("/bookings/"))
        .map(|request| request.at)
        .collect();
    asked.sort();
    // None of those that arrive within the latency of the first of them is answered before the last arrives.
    let latency = chrono::TimeDelta::from_std(LATENCY).unwrap();
    let at_once = (0..asked.len())
        .map(|from| asked[from..].partition_point(|at| *at < asked[from] + latency))
        .max();
    assert!(at_once.is_some_and(|at_once| at_once <= AT_ONCE), "{at_once:?} at once");
    story.assert_nothing_is_left().await;
}
