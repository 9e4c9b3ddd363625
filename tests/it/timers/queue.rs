//! The store of timers, with a clock that the test moves. No worker, and nothing that runs by itself.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use docplanner_worker::{
    config::DatabaseSettings,
    database::{Database, connect_pool},
    effects::Purpose,
    health::Health,
    inbox::Lease,
    notification::Position,
    payment::{Basis, PaymentState},
    private::Secret,
    timers::{PostgresTimers, Timer, TimerStore},
};
use uuid::Uuid;

use crate::support::Story;

const LEASE: Duration = Duration::from_secs(30);

thread_local! {
    /// Each test has a thread of its own.
    static NOW: Cell<i64> = const { Cell::new(0) };
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn now() -> DateTime<Utc> {
    at(NOW.get())
}

fn it_is(seconds: i64) {
    NOW.set(seconds);
}

fn store(story: &Story) -> PostgresTimers {
    let settings = DatabaseSettings {
        url: Secret::new(story.settings.database_url.as_str()).into(),
        pool_size: 2,
        ..DatabaseSettings::default()
    };
    let database = Database::new(connect_pool(&settings).unwrap(), Arc::new(Health::default()));
    PostgresTimers::new(database, LEASE, Some(now))
}

/// A payment of this tenant that is due then; its booking is named after that.
async fn set(story: &Story, tenant: &str, due: i64) {
    let due_at = at(due).to_rfc3339();
    story
        .sql(&format!(
            "INSERT INTO timers (id, chain, kind, tenant, facility_id, doctor_id, address_id, booking_id, due_at, fire_at)
             VALUES (gen_random_uuid(), gen_random_uuid(), 'payment', '{tenant}', '1', '2', '3', '{due}', '{due_at}', '{due_at}')"
        ))
        .await;
}

async fn due(store: &PostgresTimers, at_most: usize) -> Vec<Timer> {
    store.due(&[("acme".to_owned(), at_most)]).await
}

fn bookings(timers: &[Timer]) -> Vec<&str> {
    timers.iter().map(|timer| timer.visit.booking_id.as_str()).collect()
}

#[tokio::test]
async fn the_oldest_that_are_due_come_first() {
    let story = Story::begin().await;
    let timers = store(&story);
    for due_at in [30, 10, 20, 40] {
        set(&story, "acme", due_at).await;
    }
    it_is(9);
    assert!(due(&timers, 10).await.is_empty());
    it_is(30);
    assert_eq!(bookings(&due(&timers, 2).await), ["10", "20"]);
    assert_eq!(bookings(&due(&timers, 2).await), ["30"]);
    assert!(due(&timers, 2).await.is_empty(), "the last is not due");
}

#[tokio::test]
async fn each_tenant_has_its_own_turn() {
    let story = Story::begin().await;
    let timers = store(&story);
    for due_at in 0..5 {
        set(&story, "acme", due_at).await;
    }
    set(&story, "beta", 7).await;
    set(&story, "gamma", 8).await;
    it_is(9);
    let free = [("acme".to_owned(), 2), ("beta".to_owned(), 2), ("delta".to_owned(), 2)];
    assert_eq!(bookings(&timers.due(&free).await), ["0", "1", "7"]);
    let free = [("acme".to_owned(), 0), ("gamma".to_owned(), 1)];
    assert_eq!(bookings(&timers.due(&free).await), ["8"]);
}

#[tokio::test]
async fn a_timer_is_held_by_one_until_its_lease_runs_out() {
    let story = Story::begin().await;
    let (one, other) = (store(&story), store(&story));
    set(&story, "acme", 10).await;
    it_is(10);
    let first = due(&one, 1).await.remove(0);
    it_is(40);
    assert!(due(&other, 1).await.is_empty());
    it_is(41);
    let second = due(&other, 1).await.remove(0);
    assert_eq!((first.id, first.due_at), (second.id, second.due_at));

    one.postpone(&first, Duration::from_secs(100), true).await;
    it_is(60);
    assert!(due(&one, 1).await.is_empty(), "who held it before has no say");
    other.postpone(&second, Duration::from_secs(5), false).await;
    it_is(65);
    assert_eq!(due(&one, 1).await.len(), 1);
}

#[tokio::test]
async fn two_that_ask_at_once_get_different_ones() {
    let story = Story::begin().await;
    let (one, other) = (store(&story), store(&story));
    for due_at in 0..50 {
        set(&story, "acme", due_at).await;
    }
    it_is(50);
    let (some, others) = tokio::join!(due(&one, 25), due(&other, 25));
    let mut all: Vec<_> = some.iter().chain(&others).map(|timer| timer.id).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), some.len() + others.len());
    assert_eq!(some.len() + others.len() + due(&one, 50).await.len(), 50);
}

#[tokio::test]
async fn a_postponed_timer_fires_later_and_remembers_the_looks() {
    let story = Story::begin().await;
    let timers = store(&story);
    set(&story, "acme", 10).await;
    it_is(10);
    for (nth, looked) in [(0, true), (1, false), (1, true), (2, true)] {
        let timer = due(&timers, 1).await.remove(0);
        assert_eq!(timer.purpose, Purpose::Payment { looks: nth, decided: None });
        assert_eq!(timer.due_at, at(10), "when it was due first");
        timers.postpone(&timer, Duration::from_mins(1), looked).await;
        it_is(NOW.get() + 59);
        assert!(due(&timers, 1).await.is_empty());
        it_is(NOW.get() + 1);
    }
}

/// A lease in the inbox.
async fn lease(story: &Story, number: i32) -> Lease {
    let key = Uuid::new_v4();
    story
        .sql(&format!(
            "INSERT INTO inbox (key, content, lease, holder, leased_until, claimed_at)
             VALUES ('{key}', '{key}', {number}, '{key}', now(), now())"
        ))
        .await;
    Lease {
        key,
        number,
        position: Position { partition_key: "77".to_owned(), sequence: 2 },
        last_sequence: 2,
        payment: None,
        ends_at: Instant::now(),
    }
}

#[tokio::test]
async fn a_decision_is_written_down_once_and_by_the_holder_of_the_lease() {
    let story = Story::begin().await;
    let timers = store(&story);
    set(&story, "acme", 10).await;
    it_is(10);
    let timer = due(&timers, 1).await.remove(0);
    let paid = (PaymentState::Paid, Basis::ApiStatus);
    let not_paid = (PaymentState::NotPaid, Basis::ApiStatus);

    let lease = lease(&story, 2).await;
    let earlier = Lease { number: 1, position: lease.position.clone(), payment: None, ..lease };
    assert_eq!(timers.decide(&timer, &earlier, not_paid).await, None, "it is somebody else's");
    assert_eq!(timers.decide(&timer, &lease, paid).await, Some(paid));
    assert_eq!(timers.decide(&timer, &lease, not_paid).await, Some(paid), "the first one holds");

    it_is(100);
    let again = due(&timers, 1).await.remove(0);
    assert_eq!(again.purpose, Purpose::Payment { looks: 0, decided: Some(paid) });
    story.sql("UPDATE inbox SET completed_at = now()").await;
    assert_eq!(timers.decide(&again, &lease, not_paid).await, None, "it is over");
}

#[tokio::test]
async fn a_timer_that_is_removed_is_not_set() {
    let story = Story::begin().await;
    let timers = store(&story);
    set(&story, "acme", 10).await;
    it_is(10);
    let timer = due(&timers, 1).await.remove(0);
    assert!(timers.is_set(&timer).await);
    timers.remove(&timer).await;
    assert!(!timers.is_set(&timer).await);
}

#[tokio::test]
async fn payments_are_counted_by_tenant() {
    let story = Story::begin().await;
    let timers = store(&story);
    for (tenant, due_at) in [("acme", "1 hour"), ("acme", "-30 seconds"), ("beta", "-2 minutes")] {
        set(&story, tenant, 0).await;
        let moves =
            format!("UPDATE timers SET due_at = now() + interval '{due_at}', fire_at = now()");
        story.sql(&format!("{moves} WHERE booking_id = '0'")).await;
        story.sql("UPDATE timers SET booking_id = 'counted'").await;
    }
    let mut counts = timers.payments().await;
    counts.sort();
    assert_eq!(counts, [("acme".to_owned(), 2, 0), ("beta".to_owned(), 1, 1)]);
}
