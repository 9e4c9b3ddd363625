//! What becomes of a visit that is to be paid: by what is told, by what the API says when the window is over, once.

mod due;
mod outages;
mod pods;

use docplanner_worker::simulator::world::Booking;

use crate::support::{
    Story,
    broker::Published,
    clinic::{self, ONLINE_PAYMENT, ONSITE_PAYMENT, payment_status, to_be_paid, told},
    golden::assert_golden_json,
    until,
};

/// Requests for any booking.
const BOOKINGS: &str = "GET /bookings/*$";

/// The API knows the booking, with this payment status.
fn insert(story: &Story, id: &str, status: Option<&str>) {
    let start_at = "2099-05-26T16:00:00+02:00".parse().unwrap();
    let booked_at = "2099-05-12T10:18:24+02:00".parse().unwrap();
    let booking = Booking::new(id, ONSITE_PAYMENT, start_at).with_payment("new");
    let visit_payment_status = status.map(str::to_owned);
    let booking = Booking { visit_payment_status, booked_at, ..booking };
    story.docplanner.world(|world| world.insert_booking(booking));
}

/// The booking is told of, and its timer is set.
async fn book(story: &mut Story, id: &str) -> Published {
    story.deliver(&told("slot-booked", ONSITE_PAYMENT, to_be_paid(id))).await;
    let event = expect(story, id, 1, "booking.created").await;
    until_timers(story, 1).await;
    event
}

/// The next event is this one, of the chain of this booking.
async fn expect(story: &mut Story, chain: &str, sequence: u32, name: &str) -> Published {
    let event = story.next_event().await;
    let expected = (format!("docplanner.{name}.v1"), format!("{sequence:010}"), chain.to_owned());
    let text = |key: &str| event.body[key].as_str().unwrap().to_owned();
    assert_eq!((text("type"), text("sequence"), text("partitionkey")), expected);
    event
}

async fn until_timers(story: &Story, count: u32) {
    until(&format!("{count} timers are set"), async || {
        (story.sql("SELECT count(*) FROM timers").await == count.to_string()).then_some(())
    })
    .await;
}

/// Time passes, until everything is due.
async fn everything_is_due(story: &Story) {
    // Row by row, this and a worker that removes some of them at once could wait for each other.
    story.sql("BEGIN; LOCK TABLE timers; UPDATE timers SET fire_at = now(); COMMIT").await;
}

/// How its payment stands, and why.
#[track_caller]
fn assert_payment(event: &Published, status: &str, basis: Option<&str>) {
    let payment = &event.body["data"]["payment"];
    let told = (payment["status"].as_str(), payment["basis"].as_str());
    assert_eq!(told, (Some(status), basis), "{}", event.body["type"]);
    assert_eq!(payment["required"], true);
}

/// The flags' age is that of the test.
fn assert_golden(name: &str, event: &Published) {
    let mut body = event.body.clone();
    body["data"]["address"]["flags_as_of"] = "2099-01-01T00:00:00Z".into();
    assert_golden_json(&format!("events-of-time/{name}.json"), &body);
}

/// A worker publishes what is left, which is nothing.
async fn assert_over(mut story: Story, worker: crate::support::worker::Worker) {
    until_timers(&story, 0).await;
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_payment_that_is_told_is_an_outcome_and_ends_the_waiting() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let created = book(&mut story, "77").await;
    assert_payment(&created, "pending", None);
    assert_eq!(created.body["data"]["payment"]["due_at"], "2099-05-12T11:48:24+02:00");

    story.deliver(&payment_status(ONSITE_PAYMENT, to_be_paid("77"), "paid")).await;

    expect(&mut story, "77", 2, "payment.status_changed").await;
    let paid = expect(&mut story, "77", 3, "payment.paid").await;
    assert_payment(&paid, "paid", Some("status_event"));
    assert_eq!(paid.queue, "partner.onsite.payment");
    assert_golden("payment-paid-as-told", &paid);
    until_timers(&story, 0).await;
    assert_eq!(story.docplanner.count(BOOKINGS), 0, "nobody had to ask");
    assert_over(story, worker).await;
}

#[tokio::test]
async fn a_visit_that_is_canceled_while_it_is_to_be_paid_is_not_paid() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    book(&mut story, "77").await;

    story.deliver(&told("booking-canceled", ONSITE_PAYMENT, to_be_paid("77"))).await;
    let canceled = expect(&mut story, "77", 2, "booking.canceled").await;
    assert_payment(&canceled, "pending", None);
    let not_paid = expect(&mut story, "77", 3, "payment.not_paid").await;
    assert_payment(&not_paid, "not_paid", Some("booking_canceled"));
    assert_golden("payment-not-paid-as-canceled", &not_paid);

    story.deliver(&payment_status(ONSITE_PAYMENT, to_be_paid("77"), "paid")).await;
    expect(&mut story, "77", 4, "payment.status_changed").await;
    worker.until_settled("published", 3).await;
    assert_over(story, worker).await;
}

#[tokio::test]
async fn money_goes_back_after_it_came() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    book(&mut story, "77").await;
    for (to, status, outcome) in [
        ("paid", 2, "payment.paid"),
        ("refunded", 4, "payment.refunded"),
        ("charged-back", 6, "payment.charged_back"),
    ] {
        story.deliver(&payment_status(ONSITE_PAYMENT, to_be_paid("77"), to)).await;
        expect(&mut story, "77", status, "payment.status_changed").await;
        let outcome = expect(&mut story, "77", status + 1, outcome).await;
        let name = outcome.body["type"].as_str().unwrap().split('.').nth(2).unwrap().to_owned();
        assert_payment(&outcome, &name, Some("status_event"));
        if name != "paid" {
            assert_golden(&format!("payment-{}", name.replace('_', "-")), &outcome);
        }
    }
    story.deliver(&told("booking-canceled", ONSITE_PAYMENT, to_be_paid("77"))).await;
    let canceled = expect(&mut story, "77", 8, "booking.canceled").await;
    assert_payment(&canceled, "charged_back", Some("status_event"));
    assert_over(story, worker).await;
}

#[tokio::test]
async fn what_went_back_was_paid_before() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    book(&mut story, "77").await;
    story.deliver(&payment_status(ONSITE_PAYMENT, to_be_paid("77"), "refunded")).await;
    expect(&mut story, "77", 2, "payment.status_changed").await;
    expect(&mut story, "77", 3, "payment.paid").await;
    expect(&mut story, "77", 4, "payment.refunded").await;
    story.deliver(&told("booking-confirmed", ONSITE_PAYMENT, to_be_paid("77"))).await;
    expect(&mut story, "77", 5, "booking.confirmed").await;
    assert_over(story, worker).await;
}

#[tokio::test]
async fn events_of_a_booking_tell_how_its_payment_stands() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    book(&mut story, "77").await;
    story.deliver(&told("booking-confirmed", ONSITE_PAYMENT, to_be_paid("77"))).await;
    let confirmed = expect(&mut story, "77", 2, "booking.confirmed").await;
    assert_payment(&confirmed, "pending", None);

    story.deliver(&payment_status(ONSITE_PAYMENT, to_be_paid("77"), "paid")).await;
    expect(&mut story, "77", 3, "payment.status_changed").await;
    expect(&mut story, "77", 4, "payment.paid").await;

    let mut present = told("presence-marked", ONSITE_PAYMENT, to_be_paid("77"));
    present["data"]["presence"] = "present".into();
    story.deliver(&present).await;
    let present = expect(&mut story, "77", 5, "booking.presence_marked").await;
    assert_payment(&present, "paid", Some("status_event"));
    assert_eq!(
        present.body["data"]["payment"]["due_at"], confirmed.body["data"]["payment"]["due_at"],
        "it is not forgotten"
    );
    assert_over(story, worker).await;
}

#[tokio::test]
async fn a_status_that_passes_is_told_and_decides_nothing() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    book(&mut story, "77").await;
    for (nth, to) in (2..).zip(["in-progress", "failed", "canceled", "not-paid"]) {
        story.deliver(&payment_status(ONSITE_PAYMENT, to_be_paid("77"), to)).await;
        expect(&mut story, "77", nth, "payment.status_changed").await;
    }
    worker.until_settled("published", 5).await;
    until_timers(&story, 1).await;
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

/// The relay may tell of the payment before the booking.
#[tokio::test]
async fn a_payment_that_was_told_before_its_booking_is_not_waited_for() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    story.deliver(&payment_status(ONSITE_PAYMENT, to_be_paid("77"), "paid")).await;
    expect(&mut story, "77", 1, "payment.status_changed").await;
    expect(&mut story, "77", 2, "payment.paid").await;
    story.deliver(&told("slot-booked", ONSITE_PAYMENT, to_be_paid("77"))).await;
    let created = expect(&mut story, "77", 3, "booking.created").await;
    assert_payment(&created, "paid", Some("status_event"));
    worker.until_settled("published", 2).await;
    assert_over(story, worker).await;
}

#[tokio::test]
async fn a_visit_that_is_not_paid_through_the_marketplace_is_not_waited_for() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let mut free = to_be_paid("77");
    free["visit_payment"] = false.into();
    story.deliver(&told("slot-booked", ONLINE_PAYMENT, free.clone())).await;
    story.deliver(&told("booking-canceled", ONLINE_PAYMENT, free)).await;
    expect(&mut story, "77", 1, "booking.created").await;
    expect(&mut story, "77", 2, "booking.canceled").await;
    worker.until_settled("published", 2).await;
    assert_over(story, worker).await;
}

/// The new booking may be heard of, and paid, before it is known to come of a move.
#[tokio::test]
async fn a_payment_that_was_told_of_the_new_booking_before_the_move_is_the_only_one() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    insert(&story, "78", Some("successful"));
    book(&mut story, "77").await;
    story.deliver(&payment_status(ONSITE_PAYMENT, to_be_paid("78"), "paid")).await;
    expect(&mut story, "78", 1, "payment.status_changed").await;
    expect(&mut story, "78", 2, "payment.paid").await;

    story.deliver(&clinic::moved(ONSITE_PAYMENT, to_be_paid("77"), to_be_paid("78"))).await;
    let moved = expect(&mut story, "77", 3, "booking.moved").await;
    assert_payment(&moved, "paid", Some("status_event"));
    everything_is_due(&story).await;
    assert_over(story, worker).await;
}
