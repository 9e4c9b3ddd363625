//! `check`: every problem at once, then the servers.

use serde_json::Value;

use super::{scratch, with_config, write};
use crate::support::{
    Story,
    golden::{assert_golden, fixture},
    worker::run_with,
};

const GOOD: &str = "[[tenants]]\nid = \"acme\"\ndomain = \"znanylekarz.pl\"\nclient_id = \"demo\"\n\
                    client_secret = \"secret\"\n";

#[tokio::test]
async fn every_problem_is_told_at_once_with_its_path() {
    let folder = scratch("problems");
    let file = write(&folder, "worker.toml", &fixture("cli/many-problems.toml"));
    let ran = with_config(&["check"], &file, "").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert_golden("cli/many-problems.txt", &ran.stderr);
}

#[tokio::test]
async fn problems_are_findings_for_a_machine() {
    let folder = scratch("problems_json");
    let file = write(&folder, "worker.toml", &fixture("cli/many-problems.toml"));
    let ran = with_config(&["check", "--output", "json"], &file, "").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (2, ""));
    let findings: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    let told = fixture("cli/many-problems.txt");
    // The first line counts them.
    assert_eq!(findings.len(), told.lines().count() - 1);
    for finding in findings {
        let path = finding["where"].as_str().unwrap().trim_start_matches("settings: ");
        let line = format!("{path}: {}", finding["what"].as_str().unwrap());
        assert!(told.contains(&line), "{line}");
        assert_eq!(finding["level"], "error");
    }
}

#[tokio::test]
async fn what_is_no_toml_is_told_with_its_line() {
    let folder = scratch("toml");
    let file =
        write(&folder, "worker.toml", "[broker]\nurl = \"amqp://guest:hunter2\nprefetch = 1\n");
    let ran = with_config(&["check"], &file, "").await;
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("line 2: "), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
}

#[tokio::test]
async fn the_environment_overrides_the_file_and_is_named_where_it_is_wrong() {
    let folder = scratch("environment");
    let broken = format!("[broker]\nprefetch = 0\nretry_delays = []\ndeclare_topology = 7\n{GOOD}");
    let file = write(&folder, "worker.toml", &broken);
    let path = file.to_str().unwrap();

    let mend = [
        ("DOCPLANNER_WORKER_CONFIG", path),
        ("DOCPLANNER_WORKER__BROKER__PREFETCH", "16"),
        ("DOCPLANNER_WORKER__BROKER__RETRY_DELAYS", "[\"1s\", \"2m\"]"),
        ("DOCPLANNER_WORKER__BROKER__DECLARE_TOPOLOGY", "false"),
        // Digits, but a text where a text is wanted.
        ("DOCPLANNER_WORKER__BROKER__QUEUE", "2024"),
    ];
    let ran = run_with(&mend, &["check"], "").await;
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "ok       settings: valid\n"),
        "{}",
        ran.stderr
    );

    let more = [
        ("DOCPLANNER_WORKER__BROKER__PREFETCH", "many"),
        ("DOCPLANNER_WORKER__BROKER__PREFECH", "16"),
        ("DOCPLANNER_WORKER__DATABASE__RETENTION", "for ever"),
        ("DOCPLANNER_WORKER__TENANTS__ID", "acme"),
    ];
    let good = write(&folder, "good.toml", GOOD);
    let ran = run_with(&more, &["check", "--config", good.to_str().unwrap()], "").await;
    assert_eq!(ran.code, 2);
    let mut told: Vec<&str> = ran.stderr.lines().skip(1).collect();
    told.sort_unstable();
    assert_golden("cli/environment-problems.txt", &format!("{}\n", told.join("\n")));
}

#[tokio::test]
async fn secrets_come_from_files_too() {
    let mut story = Story::begin().await;
    let folder = story.folder().to_owned();
    let text = std::fs::read_to_string(story.config_file()).unwrap();
    let mut with_files = text;
    for (name, line, secret) in [
        ("amqp", format!("url = {:?}", story.settings.amqp_url), story.settings.amqp_url.clone()),
        (
            "postgres",
            format!("url = {:?}", story.settings.database_url),
            story.settings.database_url.clone(),
        ),
        ("client", "client_secret = \"secret\"".to_owned(), "secret".to_owned()),
    ] {
        let file = write(&folder, name, &format!("{secret}\n"));
        let key = line.split(' ').next().unwrap();
        assert!(with_files.contains(&line), "{line}");
        with_files =
            with_files.replace(&line, &format!("{key}_file = {:?}", file.to_str().unwrap()));
    }
    let file = write(&folder, "files.toml", &with_files);
    let ran = with_config(&["check", "--connect"], &file, "").await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);

    std::fs::remove_file(folder.join("client")).unwrap();
    let ran = with_config(&["check"], &file, "").await;
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("tenants[0].client_secret_file: cannot read"), "{}", ran.stderr);
    assert!(story.broker.further_events().is_empty());
}
