//! The window is over: what the API says then.

use docplanner_worker::{payment::LOOKS_AGAIN, simulator::api::Fault};

use super::{
    BOOKINGS, assert_golden, assert_over, assert_payment, book, everything_is_due, expect, insert,
    until_timers,
};
use crate::support::{
    Story,
    clinic::{self, ONSITE, ONSITE_PAYMENT, to_be_paid, told},
    until,
    worker::Worker,
};

/// One row of the table: the API's payment status, and the outcome.
async fn assert_outcome(status: Option<&str>, outcome: &str, basis: &str) {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    insert(&story, "77", status);
    book(&mut story, "77").await;
    everything_is_due(&story).await;
    let event = expect(&mut story, "77", 2, &format!("payment.{outcome}")).await;
    assert_payment(&event, outcome, Some(basis));
    assert_eq!(event.body["data"]["payment"]["due_at"], "2099-05-12T11:48:24+02:00");
    if status.is_none() {
        assert_golden("payment-paid-when-due", &event);
    }
    assert_over(story, worker).await;
}

#[tokio::test]
async fn a_visit_that_nobody_canceled_is_paid() {
    assert_outcome(None, "paid", "window_elapsed").await;
}

#[tokio::test]
async fn the_api_says_whether_it_is_paid() {
    for status in ["successful", "paid"] {
        assert_outcome(Some(status), "paid", "api_status").await;
    }
    for status in ["failed", "canceled", "cancelled"] {
        assert_outcome(Some(status), "not_paid", "api_status").await;
    }
}

#[tokio::test]
async fn a_booking_that_is_canceled_at_the_api_is_not_paid() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    insert(&story, "77", Some("new"));
    story.docplanner.world(|world| world.cancel_booking("77"));
    book(&mut story, "77").await;
    everything_is_due(&story).await;
    let event = expect(&mut story, "77", 2, "payment.not_paid").await;
    assert_payment(&event, "not_paid", Some("api_status"));
    assert_golden("payment-not-paid-when-due", &event);

    story.deliver(&told("booking-canceled", ONSITE_PAYMENT, to_be_paid("77"))).await;
    let canceled = expect(&mut story, "77", 3, "booking.canceled").await;
    assert_payment(&canceled, "not_paid", Some("api_status"));
    worker.until_settled("published", 2).await;
    assert_over(story, worker).await;
}

/// With a real window, nobody helping the clock.
#[tokio::test]
async fn it_is_decided_when_the_window_and_the_grace_are_over() {
    let mut story = Story::begin().await;
    story.settings.more = "[tenants.payments]\nwindow = \"2s\"\ngrace = \"1s\"\n".into();
    let worker = story.worker().await;
    insert(&story, "77", None);
    let booked_at = chrono::Utc::now();
    let mut booking = to_be_paid("77");
    booking["booked_at"] = booked_at.to_rfc3339().into();
    story.deliver(&told("slot-booked", ONSITE_PAYMENT, booking)).await;
    expect(&mut story, "77", 1, "booking.created").await;
    expect(&mut story, "77", 2, "payment.paid").await;
    let waited = chrono::Utc::now() - booked_at;
    assert!(waited >= chrono::TimeDelta::seconds(3), "{waited}");
    assert_over(story, worker).await;
}

#[tokio::test]
async fn a_payment_on_its_way_is_looked_at_again_and_then_the_window_is_over() {
    let mut story = Story::begin().await;
    story.settings.more = "[tenants.payments]\ngrace = \"0s\"\n".into();
    let worker = story.worker().await;
    insert(&story, "77", Some("in_progress"));
    book(&mut story, "77").await;
    everything_is_due(&story).await;
    let event = expect(&mut story, "77", 2, "payment.paid").await;
    assert_payment(&event, "paid", Some("window_elapsed"));
    assert_eq!(clinic::bookings_told(&story.docplanner), LOOKS_AGAIN as usize + 1);
    assert_over(story, worker).await;
}

#[tokio::test]
async fn a_payment_that_arrives_between_two_looks_is_paid() {
    let mut story = Story::begin().await;
    story.settings.more = "[tenants.payments]\ngrace = \"0s\"\n".into();
    let worker = story.worker().await;
    insert(&story, "77", Some("waiting_for_confirmation"));
    book(&mut story, "77").await;
    everything_is_due(&story).await;
    story.docplanner.wait_for_request(BOOKINGS).await;
    story.docplanner.world(|world| world.set_payment_status("77", "successful"));
    let event = expect(&mut story, "77", 2, "payment.paid").await;
    assert_payment(&event, "paid", Some("api_status"));
    assert_over(story, worker).await;
}

#[tokio::test]
async fn nothing_is_guessed_while_the_api_does_not_answer() {
    let faults = [Fault::status(503), Fault::firewall(403), Fault::garbage(), Fault::status(400)];
    for (nth, fault) in faults.into_iter().enumerate() {
        // Payments are counted every ten seconds: once is enough.
        let counts = nth == 0;
        let mut story = Story::begin().await;
        let worker = story.worker().await;
        insert(&story, "77", Some("failed"));
        book(&mut story, "77").await;
        story.docplanner.fault(fault.on(BOOKINGS));
        story.sql("UPDATE timers SET due_at = now() - interval '2 minutes', fire_at = now()").await;
        story.docplanner.wait_for_request(BOOKINGS).await;
        worker.until_logged("again in").await;
        if counts {
            until_counted(&worker, "payments_overdue", 1).await;
            worker.assert_metric("payments_pending", &["tenant=\"acme\""], 1).await;
        }
        assert!(story.broker.further_events().is_empty());

        story.docplanner.clear_faults();
        everything_is_due(&story).await;
        let event = expect(&mut story, "77", 2, "payment.not_paid").await;
        assert_payment(&event, "not_paid", Some("api_status"));
        if counts {
            until_counted(&worker, "payments_overdue", 0).await;
            until_counted(&worker, "payments_pending", 0).await;
        }
        assert_over(story, worker).await;
    }
}

async fn until_counted(worker: &Worker, metric: &str, count: u32) {
    until(&format!("{metric} is {count}"), async || {
        let counted = worker.metric(metric, &["tenant=\"acme\""]).await;
        ((counted - f64::from(count)).abs() < 0.5).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_booking_that_the_api_does_not_know_is_decided_by_what_was_told() {
    for fault in [Fault::status(403), Fault::status(404)] {
        let mut story = Story::begin().await;
        let worker = story.worker().await;
        book(&mut story, "77").await;
        story.docplanner.fault(fault.on(BOOKINGS));
        everything_is_due(&story).await;
        let event = expect(&mut story, "77", 2, "payment.paid").await;
        assert_payment(&event, "paid", Some("notifications"));
        assert_eq!(event.queue, "partner.onsite.payment");
        assert_over(story, worker).await;
    }
}

#[tokio::test]
async fn a_move_takes_the_payment_with_it() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    insert(&story, "77", Some("new"));
    book(&mut story, "77").await;
    story.docplanner.world(|world| {
        world.move_booking("77", "78");
        world.set_payment_status("78", "successful");
    });
    story.deliver(&clinic::moved(ONSITE_PAYMENT, to_be_paid("77"), to_be_paid("78"))).await;
    let moved = expect(&mut story, "77", 2, "booking.moved").await;
    assert_payment(&moved, "pending", None);
    worker.until_settled("published", 2).await;

    everything_is_due(&story).await;

    let paid = expect(&mut story, "77", 3, "payment.paid").await;
    assert_payment(&paid, "paid", Some("api_status"));
    assert_eq!(paid.booking(), "78");
    assert_eq!(clinic::bookings_told(&story.docplanner), 1);
    assert_eq!(story.docplanner.count("/bookings/77"), 0);
    assert_over(story, worker).await;
}

#[tokio::test]
async fn a_move_that_nobody_told_of_is_followed() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    insert(&story, "77", Some("new"));
    book(&mut story, "77").await;
    story.docplanner.world(|world| {
        ONSITE.clone_into(&mut world.move_booking("77", "78").address_id);
        world.set_payment_status("78", "failed");
    });
    everything_is_due(&story).await;
    let event = expect(&mut story, "77", 2, "payment.not_paid").await;
    assert_payment(&event, "not_paid", Some("api_status"));
    assert_eq!((event.booking().as_str(), event.queue), ("78", "partner.onsite"));
    assert_over(story, worker).await;
}

/// A timer that is set beside it, and fires first, changes nothing of it.
#[tokio::test]
async fn a_pending_payment_survives_a_reminder_of_its_visit() {
    let mut story = Story::begin().await;
    story.settings.more = "[tenants.video]\nreminders = [\"1h\"]\n".into();
    let worker = story.worker().await;
    insert(&story, "77", None);
    let url = "https://call.example/77";
    story.docplanner.world(|world| {
        world.booking_mut("77").unwrap().videocall_url = Some(url.to_owned());
    });
    let mut booking = to_be_paid("77");
    booking["videocall_url"] = url.into();
    story.deliver(&told("slot-booked", ONSITE_PAYMENT, booking)).await;
    expect(&mut story, "77", 1, "booking.created").await;
    until_timers(&story, 2).await;
    story.sql("UPDATE timers SET fire_at = now() WHERE kind = 'reminder'").await;
    let reminder = expect(&mut story, "77", 2, "video_call.reminder_due").await;
    assert_payment(&reminder, "pending", None);
    until_timers(&story, 1).await;
    everything_is_due(&story).await;
    expect(&mut story, "77", 3, "payment.paid").await;
    assert_over(story, worker).await;
}
