//! `video_call.reminder_due`.

use chrono::{TimeDelta, Utc};
use docplanner_worker::simulator::api::Fault;

use super::{BOOKINGS, booking, booking_with_call, insert, next, told, until_timers};
use crate::support::{
    Story,
    clinic::{self, ONLINE},
    golden::assert_golden_json,
    worker::Worker,
};

/// An hour and ten minutes before, and booking 77 with its call is told.
async fn begin() -> (Story, Worker) {
    let mut story = Story::begin().await;
    story.settings.more = "[tenants.video]\nreminders = [\"1h\", \"10m\"]\n".into();
    let worker = story.worker().await;
    insert(&story);
    (story, worker)
}

async fn booked() -> (Story, Worker) {
    let (mut story, worker) = begin().await;
    story.deliver(&told("slot-booked", booking_with_call())).await;
    next(&mut story, "booking.created").await;
    until_timers(&story, 2).await;
    (story, worker)
}

/// The reminder of so many seconds before is due now.
async fn is_due(story: &Story, before_seconds: u32) {
    let fire = format!("UPDATE timers SET fire_at = now() WHERE before_seconds = {before_seconds}");
    story.sql(&fire).await;
}

/// When each is due, and for which booking.
async fn planned(story: &Story) -> String {
    let all =
        "string_agg(booking_id || ' ' || (due_at AT TIME ZONE 'UTC')::text, ', ' ORDER BY due_at)";
    story.sql(&format!("SELECT {all} FROM timers")).await
}

/// The API knows the booking as 78, on the next day.
fn move_at_api(story: &Story) {
    story.docplanner.world(|world| {
        let new = world.move_booking("77", "78");
        new.start_at = "2099-05-27T10:00:00+02:00".parse().unwrap();
        new.end_at = new.start_at + TimeDelta::minutes(30);
    });
}

/// Both timers are gone, and nothing is published.
async fn assert_no_reminder(mut story: Story, worker: Worker) {
    story.sql("UPDATE timers SET fire_at = now()").await;
    until_timers(&story, 0).await;
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_call_is_reminded_of_at_each_time_before_it() {
    let (mut story, worker) = booked().await;
    assert_eq!(planned(&story).await, "77 2099-05-26 13:00:00, 77 2099-05-26 13:50:00");
    for (sequence, before_seconds) in [(2, 3600), (3, 600)] {
        is_due(&story, before_seconds).await;
        let mut event = next(&mut story, "video_call.reminder_due").await;
        assert_eq!(event.body["sequence"], format!("{sequence:010}"));
        assert_eq!(event.routing_key, "acme.online.no_payment.video_call.reminder_due");
        assert_eq!(event.body["data"]["reminder"]["before_seconds"], before_seconds);
        if before_seconds == 3600 {
            event.body["data"]["address"]["flags_as_of"] = "2099-01-01T00:00:00Z".into();
            assert_golden_json("events-of-time/video-call-reminder-due.json", &event.body);
        }
    }
    assert_no_reminder(story, worker).await;
}

/// With a real clock.
#[tokio::test]
async fn a_reminder_is_on_time_and_those_that_are_late_are_left_out() {
    let mut story = Story::begin().await;
    story.settings.more = "[tenants.video]\nreminders = [\"1h\", \"27s\"]\n".into();
    let worker = story.worker().await;
    insert(&story);
    let start_at = (Utc::now() + TimeDelta::seconds(30)).fixed_offset();
    story.docplanner.world(|world| world.booking_mut("77").unwrap().start_at = start_at);
    let mut booking = booking_with_call();
    booking["start_at"] = start_at.to_rfc3339().into();
    story.deliver(&told("slot-booked", booking)).await;
    next(&mut story, "booking.created").await;
    let event = next(&mut story, "video_call.reminder_due").await;
    assert_eq!(event.body["data"]["reminder"]["before_seconds"], 27);
    assert!(start_at - Utc::now().fixed_offset() <= TimeDelta::seconds(27), "not before its time");
    assert_no_reminder(story, worker).await;
}

#[tokio::test]
async fn a_canceled_visit_is_not_reminded_of() {
    let (mut story, worker) = booked().await;
    story.deliver(&told("booking-canceled", booking_with_call())).await;
    next(&mut story, "booking.canceled").await;
    assert_no_reminder(story, worker).await;
}

#[tokio::test]
async fn a_visit_that_is_canceled_while_its_reminder_is_due_is_not_reminded_of() {
    let (mut story, worker) = booked().await;
    story.docplanner.fault(Fault::hang().on(BOOKINGS));
    is_due(&story, 3600).await;
    story.docplanner.wait_for_request(BOOKINGS).await;
    story.deliver(&told("booking-canceled", booking_with_call())).await;
    next(&mut story, "booking.canceled").await;
    worker.until_settled("published", 2).await;
    story.docplanner.release();
    until_fired(&worker, 1).await;
    assert_no_reminder(story, worker).await;
}

async fn until_fired(worker: &Worker, count: u32) {
    crate::support::until(&format!("{count} timers fired"), async || {
        (worker.metric("timers_fired_total", &[]).await >= f64::from(count)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_visit_that_moves_is_reminded_of_at_its_new_time() {
    let (mut story, worker) = booked().await;
    let mut new = booking();
    new["id"] = "78".into();
    new["start_at"] = "2099-05-27T10:00:00+02:00".into();
    move_at_api(&story);
    story.deliver(&clinic::moved(ONLINE, booking_with_call(), new)).await;
    next(&mut story, "booking.moved").await;
    worker.until_settled("published", 2).await;
    assert_eq!(planned(&story).await, "78 2099-05-27 07:00:00, 78 2099-05-27 07:50:00");
    is_due(&story, 3600).await;
    let event = next(&mut story, "video_call.reminder_due").await;
    assert_eq!((event.booking().as_str(), &event.body["partitionkey"]), ("78", &"77".into()));
    assert_eq!(event.body["data"]["booking"]["start_at"], "2099-05-27T10:00:00+02:00");
    is_due(&story, 600).await;
    next(&mut story, "video_call.reminder_due").await;
    assert_no_reminder(story, worker).await;
}

#[tokio::test]
async fn what_the_api_says_of_the_visit_may_make_a_reminder_pointless() {
    let (story, worker) = booked().await;
    story.docplanner.world(|world| world.cancel_booking("77"));
    assert_no_reminder(story, worker).await;

    let (story, worker) = booked().await;
    move_at_api(&story);
    assert_no_reminder(story, worker).await;

    let (story, worker) = booked().await;
    story.docplanner.world(|world| world.booking_mut("77").unwrap().videocall_url = None);
    assert_no_reminder(story, worker).await;
}

#[tokio::test]
async fn a_call_that_surely_is_there_is_reminded_of_whether_the_api_answers_or_not() {
    let (mut story, worker) = booked().await;
    story.docplanner.fault(Fault::status(503).on(BOOKINGS));
    is_due(&story, 3600).await;
    let event = next(&mut story, "video_call.reminder_due").await;
    assert_eq!(event.booking(), "77");
    assert_eq!(event.body["data"]["booking"]["patient"], serde_json::Value::Null);
    is_due(&story, 600).await;
    next(&mut story, "video_call.reminder_due").await;
    assert_no_reminder(story, worker).await;
}

#[tokio::test]
async fn a_call_that_nobody_could_tell_of_is_reminded_of_if_it_is_there() {
    let (mut story, worker) = begin().await;
    story.docplanner.fault(Fault::status(503).on(BOOKINGS));
    story.deliver(&told("slot-booked", booking())).await;
    next(&mut story, "booking.created").await;
    until_timers(&story, 2).await;
    is_due(&story, 3600).await;
    until_timers(&story, 1).await;
    story.docplanner.clear_faults();
    is_due(&story, 600).await;
    let event = next(&mut story, "video_call.reminder_due").await;
    assert_eq!(event.body["data"]["video_call"]["url"], super::VIDEO_CALL);
    assert_no_reminder(story, worker).await;
}
