//! Log lines, and how loud they are.

use serde_json::Value;

use crate::support::{
    Story, clinic,
    worker::{Log, Worker},
};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn line(log: &Log, text: &str) -> Value {
    serde_json::from_str(&log.find(text).unwrap()).unwrap()
}

#[tokio::test]
async fn a_settled_delivery_is_one_line_with_its_identifiers_as_fields() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let body = clinic::slot_booked("1", clinic::ONSITE).to_string();
    for disposition in ["published", "duplicate"] {
        story.broker.deliver(body.as_bytes(), &[("traceparent", TRACEPARENT)]).await;
        worker.until_settled(disposition, 1).await;
        worker.until_logged(&format!("settled: {disposition}")).await;
        let line = line(&worker.log(), &format!("settled: {disposition}"));
        for (field, value) in [
            ("level", "DEBUG"),
            ("tenant", "acme"),
            ("kind", "slot-booked"),
            ("disposition", disposition),
            ("booking_id", "1"),
            ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ] {
            assert_eq!(line[field], value, "{line}");
        }
        assert_eq!(line["attempts"], 0, "{line}");
        assert!(line["took_ms"].is_u64() && line["key"].as_str().unwrap().len() == 36, "{line}");
        assert!(line["timestamp"].is_string() && line["target"].is_string(), "{line}");
    }
    story.broker.deliver(b"nonsense", &[]).await;
    story.next_dead_letter().await;
    worker.until_settled("dead_letter", 1).await;
    worker.until_logged("dead-lettered").await;
    let line = line(&worker.log(), "dead-lettered");
    assert_eq!((&line["level"], &line["reason"]), (&"ERROR".into(), &"malformed".into()));
    assert_eq!((&line["attempts"], &line["tenant"]), (&1.into(), &"acme".into()));
    assert_eq!(worker.log().count("\"disposition\""), 3, "one line each");
}

/// Lets a delivery be settled; how many such lines there are then.
async fn lines_after_booking(story: &mut Story, worker: &Worker, booking: u32) -> usize {
    story.deliver(&clinic::slot_booked(&booking.to_string(), clinic::ONSITE)).await;
    worker.until_settled("published", booking).await;
    worker.log().count("settled: published")
}

#[tokio::test]
async fn signals_make_a_running_worker_louder_and_quiet_again() {
    let mut story = Story::begin().await;
    story.settings.log_level = "info";
    let worker = story.worker().await;
    assert_eq!(lines_after_booking(&mut story, &worker, 1).await, 0);
    worker.signal("USR1");
    let told = worker.until_logged("the log level is").await;
    assert!(told.contains("docplanner_worker=debug"), "{told}");
    lines_after_booking(&mut story, &worker, 2).await;
    worker.until_logged("settled: published").await;
    worker.signal("USR2");
    worker.until_logged_times("the log level is", 2).await;
    assert_eq!(lines_after_booking(&mut story, &worker, 3).await, 1);
}
