//! Many letters. `DESK_LETTERS=100000` makes it as many as were promised.

use std::{env, time::Instant};

use futures_util::future::join_all;
use lapin::options::BasicPublishOptions;

use super::{Letter, bookings, numbers, story, told};
use crate::support::{Story, broker::DEAD, until};

const DEFAULT: u32 = 20_000;

/// Bookings 1 to `count`, every other one set aside for another reason. Confirmed together.
async fn lie_many(story: &Story, count: u32) {
    let letters: Vec<_> = ["unmapped", "conflict"]
        .map(|reason| Letter::of_booking("BOOKING", reason, "2026-01-02T03:04:05.678Z"))
        .map(|letter| (String::from_utf8(letter.body.clone()).unwrap(), letter.properties()))
        .into();
    let all: Vec<u32> = (1..=count).collect();
    for some in all.chunks(2_000) {
        let mut confirms = Vec::new();
        for nth in some {
            let (body, properties) = &letters[*nth as usize % 2];
            let body = body.replace("BOOKING", &nth.to_string());
            let publish = story.broker.channel.basic_publish(
                "".into(),
                DEAD.into(),
                BasicPublishOptions::default(),
                body.as_bytes(),
                properties.clone(),
            );
            confirms.push(publish.await.unwrap());
        }
        join_all(confirms).await;
    }
    until("all letters lie there", async || {
        (story.broker.depth(DEAD).await == count).then_some(())
    })
    .await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how large the test is")]
async fn many_letters_are_listed_and_discarded_by_filter_and_stay_in_order() {
    let count = env::var("DESK_LETTERS").map_or(DEFAULT, |count| count.parse().unwrap());
    let story = story().await;
    lie_many(&story, count).await;

    let began = Instant::now();
    let counted = told(&story, &["list", "--summary"]).await;
    println!("{count} letters are counted in {:?}", began.elapsed());
    assert_eq!(counted.lines().count(), 2, "{counted}");

    let began = Instant::now();
    let ran = told(&story, &["discard", "--reason", "conflict", "--yes"]).await;
    println!("half of them are discarded in {:?}", began.elapsed());
    assert!(ran.starts_with(&format!("{} letters discarded", count / 2)), "{ran}");

    let began = Instant::now();
    let left = bookings(&story, &[]).await;
    println!("the others are listed in {:?}", began.elapsed());
    let even = |nth: &String| nth.parse::<u32>().unwrap().is_multiple_of(2);
    let expected: Vec<String> = numbers(1..=count).into_iter().filter(even).collect();
    assert!(left == expected, "{} letters are left, in their order", left.len());
}
