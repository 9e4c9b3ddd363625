//! The commands as a person and a script see them.

mod check;
mod explain;
mod mapping;
mod migrate;
mod pipes;
mod topology;

use std::path::{Path, PathBuf};

use crate::support::{
    Story,
    golden::assert_golden,
    worker::{Ran, run, run_with},
};

const COMMANDS: [&[&str]; 14] = [
    &["run"],
    &["migrate"],
    &["check"],
    &["topology", "declare"],
    &["topology", "export"],
    &["mapping", "import", "--tenant", "acme", "-"],
    &["mapping", "export", "--tenant", "acme"],
    &["mapping", "sync", "--tenant", "acme"],
    &["mapping", "report"],
    &["dead-letters", "list"],
    &["dead-letters", "show", "0123456789ab"],
    &["dead-letters", "replay"],
    &["dead-letters", "discard", "--all", "--yes"],
    &["explain", "-"],
];

/// These need no settings.
const PRINTS: [&[&str]; 3] =
    [&["schema", "events"], &["schema", "asyncapi"], &["schema", "config"]];

#[tokio::test]
async fn help_tells_what_each_command_does_and_takes() {
    let mut help = Vec::new();
    let groups = [&[][..], &["topology"], &["mapping"], &["dead-letters"], &["schema"]];
    for command in groups.iter().chain(&COMMANDS).chain(&PRINTS) {
        let words = command.iter().copied();
        let values = ["-", "--tenant", "acme", "0123456789ab", "--all", "--yes"];
        let words = words.filter(|word| !values.contains(word)).chain(["--help"]);
        let words: Vec<&str> = words.collect();
        let ran = run(&words, "").await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{words:?}");
        help.push(format!("$ docplanner-worker {}", words.join(" ")));
        help.extend(ran.stdout.lines().map(|line| line.trim_end().to_owned()));
        help.push(String::new());
    }
    assert_golden("cli/help.txt", &help.join("\n"));
}

#[tokio::test]
async fn the_version_is_told() {
    let ran = run(&["--version"], "").await;
    assert_eq!(ran.code, 0);
    assert_eq!(ran.stdout, concat!("docplanner-worker ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test]
async fn wrong_usage_exits_with_2_and_tells_on_stderr() {
    let cases: [&[&str]; 19] = [
        &[],
        &["walk"],
        &["mapping"],
        &["mapping", "import", "-"],
        &["mapping", "export", "--tenant"],
        &["topology"],
        &["topology", "destroy"],
        &["mapping", "sync"],
        &["mapping", "report", "--output", "text"],
        &["explain"],
        &["dead-letters"],
        &["dead-letters", "show"],
        &["dead-letters", "list", "--reason", "invald"],
        &["dead-letters", "list", "--kind", "slot-boked"],
        &["dead-letters", "replay", "--rate", "0/s"],
        &["dead-letters", "replay", "--older-than", "yesterday"],
        &["run", "--walk"],
        &["check", "--output", "xml"],
        &["migrate", "--config"],
    ];
    for arguments in cases {
        let ran = run(arguments, "").await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains("--help") || ran.stderr.contains("Usage: "), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn every_command_refuses_wrong_settings_with_2() {
    let folder = scratch("refused");
    let broken = write(&folder, "broken.toml", "[broker]\nprefetch = 0\n");
    let missing = folder.join("missing.toml");
    for command in COMMANDS {
        let ran = with_config(command, &broken, "{}").await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{command:?}");
        assert!(ran.stderr.contains("broker.prefetch: must be at least 1"), "{}", ran.stderr);

        let ran = with_config(command, &missing, "{}").await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{command:?}");
        assert!(ran.stderr.contains("cannot read the settings"), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_command_that_fails_while_working_exits_with_1() {
    let mut story = Story::begin().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = "127.0.0.1:1";
    story.settings.amqp_url = format!("amqp://guest:guest@{nobody}/%2f");
    story.settings.database_url = format!("postgres://worker@{nobody}/worker");
    let config = story.config_file();
    let in_use = taken.local_addr().unwrap().to_string();
    let cases: [(&[&str], &str); 9] = [
        (&["run"], "error: "),
        (&["mapping", "export", "--tenant", "acme"], "error: cannot connect to the database"),
        (
            &["mapping", "import", "--tenant", "acme", "/nonexistent/mapping.csv"],
            "error: /nonexistent/mapping.csv",
        ),
        (&["migrate"], "error: cannot connect to the database"),
        (&["topology", "declare"], "error: "),
        (&["dead-letters", "list"], "check broker.url: host, port, user, password"),
        (&["mapping", "sync", "--tenant", "acme"], "error: cannot connect to the database"),
        (&["mapping", "report"], "error: cannot connect to the database"),
        (&["explain", "/nonexistent/notification.json"], "error: /nonexistent/notification.json"),
    ];
    for (command, error) in cases {
        let listen = [("DOCPLANNER_WORKER__HTTP__LISTEN", in_use.as_str())];
        let arguments = [command, &["--config", config.to_str().unwrap()]].concat();
        let ran = run_with(&listen, &arguments, "").await;
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(error), "{command:?}: {}", ran.stderr);
    }
}

/// Runs a command with a settings file.
pub(crate) async fn with_config(command: &[&str], config: &Path, stdin: &str) -> Ran {
    run(&[command, &["--config", config.to_str().unwrap()]].concat(), stdin).await
}

/// A folder for a test's own files.
fn scratch(name: &str) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("docplanner-worker-cli-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}
