//! The same key again: with the same content a duplicate, with other content a conflict.

use serde_json::json;

use super::with;
use crate::support::{Story, golden::notification};

#[tokio::test]
async fn the_same_key_with_other_content_is_published_once_and_then_a_conflict() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    story.deliver(&notification("slot-booked")).await;
    let event = story.next_event().await;
    assert_eq!(event.body["data"]["booking"]["start_at"], "2024-03-18T16:00:00+01:00");

    let later = json!("2024-03-18T17:00:00+01:00");
    let other = with("slot-booked", "/data/visit_booking/start_at", later);
    story.deliver(&other).await;

    let dead = story.next_dead_letter().await;
    assert_eq!(dead.header("x-reason").unwrap(), "conflict");
    let error = "the same notification was received before with other content";
    assert_eq!(dead.header("x-error").unwrap(), error);
    assert_eq!(dead.header("x-attempts").unwrap(), "1");
    assert_eq!(dead.header("x-docplanner-tenant").unwrap(), "acme");
    assert_eq!(dead.body, other.to_string().as_bytes());
    assert!(story.broker.further_events().is_empty());
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn the_same_content_created_again_or_spelled_differently_is_a_duplicate() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    story.deliver(&notification("slot-booked")).await;
    story.next_event().await;

    let again = json!("2024-03-18T10:18:34+01:00");
    story.deliver(&with("slot-booked", "/created_at", again)).await;
    let utc = json!("2024-03-18T15:00:00+00:00");
    story.deliver(&with("slot-booked", "/data/visit_booking/start_at", utc)).await;
    story.deliver(&with("slot-booked", "/data/visit_booking/duration", json!("30"))).await;

    worker.until_settled("duplicate", 3).await;
    let duplicates = worker.metric("duplicates_total", &["kind=\"slot-booked\""]).await;
    assert!((duplicates - 3.0).abs() < f64::EPSILON);
    assert!(story.broker.further_events().is_empty());
    assert!(story.broker.further_dead_letters().is_empty());
    assert!(worker.stop().await.success());
}
