//! What the API allows is spent by all workers together, evenly, and not to the end.

use std::time::Duration;

use docplanner_worker::simulator::{api::RateLimit, world::Booking};

use super::{LISTS, bookings_at_unknown_doctors};
use crate::support::{
    Story,
    clinic::{ONSITE_PAYMENT, to_be_paid, told},
    until,
    worker::Worker,
};

const LIMIT: u32 = 30;
const WINDOW: Duration = Duration::from_secs(10);

/// A fifth of the limit.
const RESERVED: usize = 6;

/// More than a window has requests for.
const BOOKINGS: usize = 40;

async fn sum(workers: &[Worker], metric: &str) -> f64 {
    let mut sum = 0.0;
    for worker in workers {
        sum += worker.metric(metric, &["tenant=\"acme\""]).await;
    }
    sum
}

#[tokio::test]
async fn three_workers_together_spend_no_more_than_the_quota_and_leave_the_reserve() {
    let mut story = Story::begin().await;
    story.settings.tenant.push("[tenants.limits]\npayment_reserve = 0.2".into());
    let bookings = bookings_at_unknown_doctors(&story.docplanner, BOOKINGS);
    let start_at = "2099-05-26T16:00:00+02:00".parse().unwrap();
    let paid = Booking::new("77", ONSITE_PAYMENT, start_at).with_payment("paid");
    story.docplanner.world(|world| world.insert_booking(paid));
    let workers = [story.worker().await, story.worker().await, story.worker().await];
    for worker in &workers {
        let untold = worker.metric("api_quota_remaining", &["tenant=\"acme\""]).await;
        assert!(untold < 0.0, "{untold}");
    }
    story.docplanner.set_rate_limit(Some(RateLimit::new(LIMIT, WINDOW)));
    story.deliver(&told("slot-booked", ONSITE_PAYMENT, to_be_paid("77"))).await;
    story.next_event().await;

    story.deliver_all(&bookings).await;
    until("the quota is waited for", async || {
        (sum(&workers, "quota_waits_total").await >= 1.0).then_some(())
    })
    .await;
    story.sql("UPDATE timers SET fire_at = now()").await;
    let due = story.docplanner.wait_for_request("GET /bookings/77").await;

    let events = story.next_events(BOOKINGS + 1).await;
    let outcomes = events.iter().filter(|e| e.body["type"] == "docplanner.payment.paid.v1");
    assert_eq!(outcomes.count(), 1);
    let requests = story.docplanner.requests();
    let refused = requests.iter().filter(|request| request.status == Some(429));
    assert_eq!(refused.count(), 0, "never more than the quota");
    let lists: Vec<_> =
        requests.iter().filter(|request| request.path.ends_with("addresses")).collect();
    let ends_at = lists[0].at + WINDOW;
    assert!(due.at < ends_at, "a payment that is due does not wait for the next window");
    let usual = lists.iter().filter(|request| request.at < ends_at).count();
    assert!(usual <= LIMIT as usize - RESERVED, "{usual} requests, and a reserve");
    assert!(usual > LIMIT as usize / 2, "{usual} requests: it is spent, too");
    assert_eq!(story.docplanner.count(LISTS), BOOKINGS as u64 + 1, "each was asked for once");
    assert!(story.broker.further_dead_letters().is_empty());
}
