//! What the operator's desk tells of dead letters.

use docplanner_worker::delivery::Reason;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;

use super::{PRIVATE, assert_clean, canaries, paths::set_aside, slot_booked, story};
use crate::support::{
    broker::DEAD,
    clinic,
    worker::{Ran, run},
};

/// Headers of a worker, and of a relay that writes patients into its own.
fn properties(reason: Reason) -> BasicProperties {
    let mut headers = FieldTable::default();
    let texts = [
        ("x-reason", reason.as_str()),
        ("x-failed-at", "2026-01-02T03:04:05.678Z"),
        ("x-docplanner-tenant", PRIVATE[1].1),
        ("traceparent", PRIVATE[3].1),
        ("x-retried-at", PRIVATE[4].1),
        ("patient", PRIVATE[0].1),
    ];
    for (name, value) in texts {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    BasicProperties::default().with_delivery_mode(2).with_headers(headers)
}

#[tokio::test]
async fn letters_of_every_reason_are_listed_and_shown_without_their_patients() {
    let story = story().await;
    story.broker.leave_dead_letters().await;
    let config = story.config_file();
    let desk = async |arguments: &[&str]| -> Ran {
        let config = ["--config", config.to_str().unwrap()];
        let ran = run(&[&["dead-letters"], arguments, &config].concat(), "").await;
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        ran
    };
    let mut bodies = set_aside();
    for place in ["start_at", "status", "duration", "visit_payment", "Canaryna"] {
        for (_, value) in PRIVATE {
            let mut misplaced = slot_booked("8", clinic::ONSITE);
            misplaced["data"]["visit_booking"][place] = value.into();
            bodies.push(misplaced.to_string().into_bytes());
        }
    }
    for (nth, body) in bodies.iter().enumerate() {
        let reason = Reason::ALL[nth % Reason::ALL.len()];
        story.broker.publish(DEAD, body, properties(reason)).await;
    }
    // Somebody has moved this one there, and the reason is none of ours.
    let mut foreign = FieldTable::default();
    for name in ["x-reason", "x-error", "x-failed-at"] {
        foreign.insert(name.into(), AMQPValue::LongString(PRIVATE[0].1.into()));
    }
    story.broker.publish(DEAD, &bodies[0], BasicProperties::default().with_headers(foreign)).await;

    let canaries = canaries();
    let mut told = String::new();
    for arguments in [
        &["list"][..],
        &["list", "--summary"],
        &["list", "--output", "json"],
        &["replay", "--dry-run"],
        &["discard", "--all", "--dry-run", "--output", "json"],
    ] {
        let Ran { stdout, stderr, .. } = desk(arguments).await;
        assert_clean(&format!("{arguments:?}"), &(stdout.clone() + &stderr), &canaries);
        told = if arguments.contains(&"json") && arguments[0] == "list" { stdout } else { told };
    }
    let letters: Vec<Value> = serde_json::from_str(&told).unwrap();
    assert_eq!(letters.len(), bodies.len() + 1);
    for letter in &letters {
        let id = letter["id"].as_str().unwrap();
        let Ran { stdout, stderr, .. } = desk(&["show", id]).await;
        assert_clean(&format!("show {id}"), &(stdout + &stderr), &canaries);
    }
    for arguments in [&["list", "--reveal"][..], &["list", "--reveal", "--output", "json"]] {
        let revealed = desk(arguments).await.stdout;
        assert!(PRIVATE.iter().all(|(_, value)| revealed.contains(value)), "{arguments:?}");
    }
}
