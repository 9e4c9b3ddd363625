//! One at a time, and a long time.

use std::time::Duration;

use docplanner_worker::{desk::Desk, tenants::Tenants};

use super::{bookings, broker_settings, desk, lie, numbers, story, told};
use crate::support::broker::DEAD;

const LONG: Duration = Duration::from_mins(10);

#[tokio::test]
async fn a_second_person_at_the_desk_is_told_so() {
    let story = story().await;
    lie(&story, 1..=3, "unmapped").await;
    let settings = broker_settings(&story);
    let mut first = Desk::open(&settings, Tenants::default(), LONG).await.unwrap();
    assert!(first.next().await.unwrap().is_some());
    for command in [&["list"][..], &["replay"], &["discard", "--all", "--yes"]] {
        let second = desk(&story, command).await;
        assert_eq!((second.code, second.stdout.as_str()), (1, ""), "{command:?}");
        assert!(second.stderr.contains("somebody else is at the desk"), "{}", second.stderr);
    }
    // Workers are not disturbed: they set letters aside meanwhile.
    lie(&story, 4..=4, "conflict").await;
    first.leave().await.unwrap();
    assert_eq!(bookings(&story, &[]).await, numbers(1..=4));
}

/// The broker takes letters back from whoever holds them for too long, so they are given back before.
#[tokio::test]
async fn letters_that_would_be_held_for_too_long_are_given_back_and_not_seen_twice() {
    let story = story().await;
    lie(&story, 1..=6, "unmapped").await;
    let settings = broker_settings(&story);
    let mut desk = Desk::open(&settings, Tenants::default(), Duration::ZERO).await.unwrap();
    let mut seen = Vec::new();
    while let Some(held) = desk.next().await.unwrap() {
        let booking = held.letter.subject.booking.clone().unwrap();
        if ["2", "5"].contains(&booking.as_str()) {
            desk.throw_away(held).await.unwrap();
        }
        seen.push(booking);
    }
    assert_eq!(seen, numbers(1..=6));
    desk.leave().await.unwrap();
    assert_eq!(bookings(&story, &[]).await, ["1", "3", "4", "6"]);
}

#[tokio::test]
async fn a_queue_that_is_not_there_or_not_as_declared_is_told() {
    let story = story().await;
    story.delete("queues", DEAD).await;
    let ran = desk(&story, &["list"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("run `docplanner-worker topology declare`"), "{}", ran.stderr);

    let path = format!("queues/{}/{}", story.vhost(), DEAD);
    let other = r#"{"durable": true, "arguments": {"x-queue-type": "quorum"}}"#;
    story.servers.management("PUT", &path, other).await;
    lie(&story, 1..=1, "unmapped").await;
    let ran = desk(&story, &["list"]).await;
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("warning: docplanner.notifications.dead was declared with"));
    told(&story, &["discard", "--all", "--yes"]).await;
}
