//! What is due later: the queue of timers, and the video calls that are reminded of.

mod calls;
mod queue;
mod reminders;

use docplanner_worker::simulator::world::Booking;
use serde_json::Value;

use crate::support::{
    Story,
    broker::Published,
    clinic::{self, ONLINE, to_be_paid},
    until,
};

/// Requests for any booking.
const BOOKINGS: &str = "GET /bookings/*$";
const VIDEO_CALL: &str = "https://call.example/77";

/// Booking 77 at [`ONLINE`], nothing to pay, and with no call that is told.
fn booking() -> Value {
    let mut booking = to_be_paid("77");
    booking["visit_payment"] = false.into();
    booking
}

fn booking_with_call() -> Value {
    let mut booking = booking();
    booking["videocall_url"] = VIDEO_CALL.into();
    booking
}

fn told(name: &str, booking: Value) -> Value {
    clinic::told(name, ONLINE, booking)
}

/// The API knows booking 77 and its call.
fn insert(story: &Story) {
    let start_at = "2099-05-26T16:00:00+02:00".parse().unwrap();
    let booking = Booking::new("77", ONLINE, start_at).with_video_call(VIDEO_CALL);
    story.docplanner.world(|world| world.insert_booking(booking));
}

async fn until_timers(story: &Story, count: u32) {
    until(&format!("{count} timers are set"), async || {
        (story.sql("SELECT count(*) FROM timers").await == count.to_string()).then_some(())
    })
    .await;
}

async fn next(story: &mut Story, name: &str) -> Published {
    let event = story.next_event().await;
    assert_eq!(event.body["type"], format!("docplanner.{name}.v1"));
    event
}
