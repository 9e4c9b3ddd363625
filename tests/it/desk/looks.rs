//! Looking at letters.

use lapin::types::{AMQPValue, FieldArray, FieldTable};
use serde_json::Value;

use super::{Letter, bookings, desk, lie, listed, numbers, story, told};
use crate::support::{
    broker::DEAD,
    clinic,
    golden::{assert_golden, assert_golden_json},
};

/// What RabbitMQ writes on a message that died with too many consumers.
fn killed_by_the_broker() -> AMQPValue {
    let mut death = FieldTable::default();
    for (name, value) in [("reason", "delivery_limit"), ("queue", "docplanner.notifications")] {
        death.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    death.insert("count".into(), AMQPValue::LongLongInt(1));
    death.insert("time".into(), AMQPValue::Timestamp(1_767_225_600));
    let mut deaths = FieldArray::default();
    deaths.push(AMQPValue::FieldTable(death));
    AMQPValue::FieldArray(deaths)
}

#[tokio::test]
async fn letters_are_found_by_tenant_reason_kind_age_and_id() {
    let mut story = story().await;
    story.settings.tenant = vec!["facilities = [\"1\"]".into()];
    story.settings.more =
        "[[tenants]]\nid = \"beta\"\ndomain = \"doctoralia.es\"\nclient_id = \"b\"\nclient_secret = \"b\"\n".into();
    let now = chrono::Utc::now();
    let ago = |hours| (now - chrono::TimeDelta::hours(hours)).to_rfc3339();
    Letter::of_booking("1", "enrichment-failed", &ago(50)).lies_in(&story).await;
    Letter::of_booking("2", "conflict", &ago(30))
        .with("x-docplanner-tenant", "beta")
        .lies_in(&story)
        .await;
    let mut canceled = Letter::of_booking("3", "enrichment-failed", &ago(10));
    canceled.body = clinic::booking_canceled("3", clinic::ONSITE).to_string().into_bytes();
    canceled.lies_in(&story).await;
    let body = clinic::slot_booked("4", clinic::ONSITE).to_string().into_bytes();
    let by_broker = Letter { body, headers: vec![] }.with_value("x-death", killed_by_the_broker());
    by_broker.lies_in(&story).await;
    let body = clinic::slot_booked("5", clinic::ONSITE).to_string().into_bytes();
    Letter { body, headers: vec![] }.with("x-reason", "Jan Kowalski").lies_in(&story).await;

    let cases: [(&[&str], &[&str]); 14] = [
        (&[], &["1", "2", "3", "4", "5"]),
        // Who has no header is told by the facility.
        (&["--tenant", "acme"], &["1", "3", "4", "5"]),
        (&["--tenant", "beta"], &["2"]),
        (&["--reason", "enrichment-failed"], &["1", "3"]),
        (&["--reason", "delivery-limit"], &["4"]),
        (&["--reason", "unexplained"], &["5"]),
        (&["--reason", "poison"], &[]),
        (&["--kind", "booking-canceled"], &["3"]),
        (&["--older-than", "29h", "--newer-than", "40h"], &["2"]),
        (&["--newer-than", "29h"], &["3"]),
        (&["--older-than", "2d"], &["1", "4"]),
        (&["--reason", "enrichment-failed", "--kind", "slot-booked"], &["1"]),
        (&["--limit", "2"], &["1", "2"]),
        (&["--tenant", "acme", "--limit", "2"], &["1", "3"]),
    ];
    for (filter, expected) in cases {
        assert_eq!(bookings(&story, filter).await, expected, "{filter:?}");
    }
    let all = listed(&story, &[]).await;
    let ids: Vec<&str> = all.iter().map(|letter| letter["id"].as_str().unwrap()).collect();
    assert_eq!(bookings(&story, &["--id", ids[3], "--id", ids[1]]).await, ["2", "4"]);
    assert_eq!(all[4]["reason"], "unexplained", "{}", all[4]);
    assert_eq!(all[4]["failed_at"], Value::Null);

    let summary = desk(&story, &["list", "--summary"]).await;
    let groups: Vec<&str> = summary.stdout.lines().map(str::trim).collect();
    assert_eq!(groups.len(), 4, "{groups:?}");
    assert!(groups[2].starts_with("2 enrichment-failed") && groups[2].ends_with("acme"));
    assert_eq!(summary.stderr, "5 letters of 5 in the queue\n");

    let wrong: [(&[&str], &str); 3] = [
        (&["list", "--reason", "invald"], "'invalid'"),
        (&["replay", "--kind", "slot-boked"], "'slot-booked'"),
        (&["discard", "--tenant", "acmee", "--yes"], "did you mean \"acme\"?"),
    ];
    for (arguments, nearest) in wrong {
        let ran = desk(&story, arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(nearest), "{arguments:?}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn looking_takes_nothing_away_and_moves_nothing() {
    let story = story().await;
    lie(&story, 1..=40, "unmapped").await;
    let before = listed(&story, &[]).await;
    for _ in 0..3 {
        // Half of the queue only, then one letter in its middle.
        told(&story, &["list", "--limit", "20"]).await;
        let shown = told(&story, &["show", before[30]["id"].as_str().unwrap()]).await;
        assert!(shown.contains("booking       31"), "{shown}");
        assert_eq!(story.broker.depth(DEAD).await, 40, "all are back when the command has ended");
    }
    let after = listed(&story, &[]).await;
    assert_eq!(after, before);
    assert_eq!(bookings(&story, &[]).await, numbers(1..=40));
}

#[tokio::test]
async fn a_letter_is_shown_in_full_but_for_its_patient() {
    let story = story().await;
    let letter = Letter::of_booking("7", "enrichment-failed", "2026-01-02T03:04:05.678Z")
        .with("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .with("relay", "eu-1")
        .with("x-replayed-at", "2026-01-01T00:00:00.000Z");
    letter.lies_in(&story).await;
    let id = listed(&story, &[]).await[0]["id"].as_str().unwrap().to_owned();

    let mut shown: Value =
        serde_json::from_str(&told(&story, &["show", &id, "--output", "json"]).await).unwrap();
    // One that the broker adds on the way back.
    shown["headers"].as_object_mut().unwrap().remove("x-delivery-count");
    assert_golden_json("cli/dead-letter.json", &shown);

    let shown = told(&story, &["show", &id]).await;
    let ages = |line: &&str| !line.contains(" ago") && !line.contains("x-delivery-count");
    let lines: Vec<&str> = shown.lines().filter(ages).collect();
    assert_golden("cli/dead-letter.txt", &(lines.join("\n") + "\n"));

    let revealed = told(&story, &["show", &id, "--reveal"]).await;
    assert!(revealed.contains("Wiśniewska") && revealed.contains("relay: eu-1"), "{revealed}");
    let list = told(&story, &["list", "--reveal"]).await;
    assert!(list.contains("Wiśniewska"), "{list}");

    let unknown = desk(&story, &["show", "0123456789ab"]).await;
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""));
    assert!(unknown.stderr.contains("no dead letter has this id"), "{}", unknown.stderr);
}

#[tokio::test]
async fn a_table_fits_its_columns_and_an_empty_queue_is_told() {
    let story = story().await;
    let empty = desk(&story, &["list"]).await;
    assert_eq!((empty.code, empty.stdout.as_str()), (0, ""));
    assert_eq!(empty.stderr, "0 letters of 0 in the queue\n");
    assert_eq!(listed(&story, &[]).await.len(), 0);

    let mut letter = Letter::of_booking("1", "enrichment-failed", "2026-01-02T03:04:05Z")
        .with("x-docplanner-tenant", &"long-".repeat(8));
    letter.body = clinic::notification(
        "address-commercial-type-changed",
        &"9".repeat(40),
        serde_json::json!({}),
    )
    .to_string()
    .into_bytes();
    letter.lies_in(&story).await;
    let mut malformed = Letter::of_booking("1", "malformed", "2026-01-02T03:04:05Z");
    malformed.body = b"{\"name\": \"Zofia".to_vec();
    malformed.lies_in(&story).await;
    let table = told(&story, &["list"]).await;
    assert_eq!(table.lines().count(), 3);
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    let heading: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heading, ["ID", "AGE", "REASON", "TENANT", "KIND", "ABOUT"]);
}
