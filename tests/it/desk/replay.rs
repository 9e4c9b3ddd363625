//! Putting letters back.

use std::collections::BTreeSet;

use super::{Letter, bookings, desk, lie, listed, numbers, replayed, story, told};
use crate::support::{
    Story,
    broker::{DEAD, INCOMING},
    many::distinct,
    until,
    worker::{Running, start},
};

async fn start_replay(story: &Story, rate: &str) -> Running {
    let config = story.config_file();
    let config = config.to_str().unwrap();
    start(&[], &["dead-letters", "replay", "--rate", rate, "--config", config], "").await
}

async fn until_replayed(story: &Story, count: u32) {
    until(&format!("{count} letters are replayed"), async || {
        (story.broker.depth(INCOMING).await >= count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_matches_is_put_back_in_order_and_the_rest_stays_in_order() {
    let story = story().await;
    for nth in 1..=60 {
        let reason = if nth % 3 == 0 { "unmapped" } else { "conflict" };
        lie(&story, nth..=nth, reason).await;
    }
    let dry = desk(&story, &["replay", "--reason", "unmapped", "--dry-run"]).await;
    assert!(dry.stdout.starts_with("20 letters would be replayed\n"), "{}", dry.stdout);
    assert_eq!(story.broker.depth(INCOMING).await, 0);

    let ran = desk(&story, &["replay", "--reason", "unmapped", "--rate", "500/s", "--limit", "15"]);
    assert!(ran.await.stdout.starts_with("15 letters replayed\n"));
    let told =
        told(&story, &["replay", "--reason", "unmapped", "--rate", "500/s", "--output", "json"])
            .await;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["letters"], 5);
    let third = |nth: &String| nth.parse::<u32>().unwrap() % 3 == 0;
    let (back, rest): (Vec<_>, Vec<_>) = numbers(1..=60).into_iter().partition(third);
    assert_eq!(bookings(&story, &[]).await, rest);
    assert_eq!(replayed(&story).await, back);
}

#[tokio::test]
async fn a_letter_goes_back_as_it_came_and_begins_anew() {
    let story = story().await;
    let letter = Letter::of_booking("1", "unmapped", "2026-01-02T03:04:05Z").with("relay", "eu-1");
    let body = letter.body.clone();
    let properties = letter.properties().with_message_id("m-1".into());
    story.broker.publish(DEAD, &body, properties).await;
    told(&story, &["replay"]).await;
    let back = story.take_from(INCOMING).await;
    assert_eq!(back.body, body);
    assert_eq!(back.properties.message_id().as_ref().unwrap().as_str(), "m-1");
    assert_eq!(back.properties.delivery_mode(), &Some(2));
    let headers = back.properties.headers().clone().unwrap();
    let names = headers.inner().keys().map(ToString::to_string);
    // The broker's own of this very delivery.
    let names: Vec<_> = names.filter(|name| name != "x-delivery-count").collect();
    assert_eq!(names, ["relay", "x-docplanner-tenant", "x-replayed-at"]);
}

#[tokio::test]
async fn an_interrupted_replay_goes_on_where_it_was() {
    let story = story().await;
    lie(&story, 1..=40, "unmapped").await;
    let running = start_replay(&story, "40/s").await;
    until_replayed(&story, 5).await;
    running.signal("INT");
    let ran = running.ended().await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("interrupted; the rest lies where it was"), "{}", ran.stderr);

    let done = story.broker.depth(INCOMING).await;
    assert!(done < 40, "it was interrupted");
    assert!(ran.stdout.starts_with(&format!("{done} letters replayed\n")), "{}", ran.stdout);
    assert_eq!(bookings(&story, &[]).await, numbers(done + 1..=40));
    told(&story, &["replay", "--rate", "500/s"]).await;
    assert_eq!(replayed(&story).await, numbers(1..=40));
    assert_eq!(story.broker.depth(DEAD).await, 0);
}

#[tokio::test]
async fn a_replay_that_is_killed_and_repeated_loses_nothing_and_publishes_once() {
    let mut story = story().await;
    lie(&story, 1..=40, "unmapped").await;
    let running = start_replay(&story, "200/s").await;
    until_replayed(&story, 10).await;
    running.signal("KILL");
    running.ended().await;
    // The broker puts back what was held as soon as it sees that the connection is gone.
    let left = until("the letters are back", async || {
        let (dead, back) = (story.broker.depth(DEAD).await, story.broker.depth(INCOMING).await);
        (dead + back >= 40).then_some(dead)
    })
    .await;
    let remaining = bookings(&story, &[]).await;
    assert_eq!(remaining, numbers(41 - left..=40), "in their order");

    told(&story, &["replay", "--rate", "500/s"]).await;
    let delivered = story.broker.depth(INCOMING).await;
    assert!((40..=41).contains(&delivered), "{delivered}: all, and at most one of them twice");
    let worker = story.worker().await;
    let events = story.next_events(40).await;
    assert_eq!(distinct(&events), 40);
    worker.until_settled("published", 40).await;
    worker.until_settled("duplicate", delivered - 40).await;
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn letters_that_fail_again_come_back_once_and_are_not_replayed_for_ever() {
    let story = story().await;
    lie(&story, 1..=3, "unmapped").await;
    for nth in 0..6 {
        let mut letter = Letter::of_booking("1", "malformed", "2026-01-02T03:04:05Z");
        letter.body = format!("not a notification, {nth}").into_bytes();
        letter.lies_in(&story).await;
    }
    let worker = story.worker().await;
    let ran = told(&story, &["replay", "--reason", "malformed", "--rate", "20/s"]).await;
    assert!(ran.starts_with("6 letters replayed\n"), "{ran}");
    worker.until_settled("dead_letter", 6).await;
    until("they are back", async || (story.broker.depth(DEAD).await == 9).then_some(())).await;
    assert_eq!(bookings(&story, &["--limit", "3"]).await, numbers(1..=3), "these did not move");
    let again = listed(&story, &["--reason", "malformed"]).await;
    let again: BTreeSet<_> = again.iter().map(|letter| letter["replayed_at"].to_string()).collect();
    assert!(again.len() == 6 && !again.contains("null"), "each has a new mark: {again:?}");
}
