//! Throwing letters away.

use super::{bookings, desk, lie, numbers, story, told};
use crate::support::broker::DEAD;

#[tokio::test]
async fn only_what_was_named_and_agreed_to_is_discarded() {
    let story = story().await;
    lie(&story, 1..=5, "malformed").await;
    lie(&story, 6..=9, "unmapped").await;
    lie(&story, 10..=12, "malformed").await;

    let refused: [(&[&str], &str); 3] = [
        (&["discard"], "or --all"),
        (&["discard", "--yes"], "or --all"),
        (&["discard", "--reason", "malformed"], "--yes discards without asking"),
    ];
    for (arguments, remedy) in refused {
        let ran = desk(&story, arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(remedy), "{}", ran.stderr);
    }
    let dry = told(&story, &["discard", "--reason", "malformed", "--dry-run"]).await;
    assert!(dry.starts_with("8 letters would be discarded\n"), "{dry}");
    assert_eq!(story.broker.depth(DEAD).await, 12);

    let ran = told(&story, &["discard", "--reason", "malformed", "--yes"]).await;
    assert!(ran.starts_with("8 letters discarded\n"), "{ran}");
    assert_eq!(bookings(&story, &[]).await, numbers(6..=9));
    let ran = told(&story, &["discard", "--all", "--yes", "--output", "json"]).await;
    let ran: serde_json::Value = serde_json::from_str(&ran).unwrap();
    assert_eq!((&ran["letters"], &ran["dry_run"]), (&4.into(), &false.into()));
    assert_eq!(story.broker.depth(DEAD).await, 0);
}
