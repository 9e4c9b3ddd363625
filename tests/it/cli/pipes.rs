//! Results that nobody reads to their end, as with `| head`.

use crate::support::{Story, clinic, worker::run_unread};

#[tokio::test]
async fn a_reader_who_has_seen_enough_is_no_failure() {
    let story = Story::begin().await;
    let config = story.config_file();
    let booked = clinic::slot_booked("1", clinic::ONSITE).to_string();
    let mapping = "kind,address_id,docplanner_id,partner_id,online\nfacility,,1,clinic-1,\n";
    let commands: [(&[&str], i32); 11] = [
        (&["migrate"], 0),
        (&["topology", "export"], 0),
        (&["topology", "declare"], 0),
        (&["check"], 0),
        (&["check", "--output", "json"], 0),
        (&["mapping", "import", "--tenant", "acme", "--dry-run", "-"], 0),
        (&["mapping", "export", "--tenant", "acme"], 0),
        // Its findings are its exit code, read or not.
        (&["mapping", "report"], 1),
        (&["explain", "-"], 0),
        (&["dead-letters", "list", "--output", "json"], 0),
        (&["dead-letters", "replay", "--dry-run"], 0),
    ];
    for (command, code) in commands {
        let stdin = if command[0] == "mapping" { mapping } else { &booked };
        let arguments = [command, &["--config", config.to_str().unwrap()]].concat();
        let (ended, stderr) = run_unread(&arguments, stdin).await;
        assert_eq!(ended, code, "{command:?}: {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("pipe"), "{command:?}: {stderr}");
    }
}
