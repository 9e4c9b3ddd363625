//! `migrate`: once, again, and by many at the same time.

use super::with_config;
use crate::support::Story;

/// A story whose database has no table yet.
async fn unmigrated() -> Story {
    let mut story = Story::begin().await;
    let name = story.database().to_owned();
    let postgres = story.servers.connect("postgres").await;
    postgres.batch_execute(&format!("DROP DATABASE {name}")).await.unwrap();
    postgres.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    story.settings.database_url = story.servers.database_url(&name);
    story
}

#[tokio::test]
async fn migrations_are_applied_once() {
    let story = unmigrated().await;
    let config = story.config_file();
    let checked = with_config(&["check", "--connect"], &config, "").await;
    assert_eq!(checked.code, 1);
    assert!(checked.stdout.contains("schema is at version 0"), "{}", checked.stdout);
    assert!(checked.stdout.contains("docplanner-worker migrate"), "{}", checked.stdout);

    let first = with_config(&["migrate"], &config, "").await;
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(first.stdout.starts_with("applied V1__create_inbox\n"), "{}", first.stdout);

    let second = with_config(&["migrate"], &config, "").await;
    assert_eq!((second.code, second.stdout.as_str()), (0, "the database is up to date\n"));
    let checked = with_config(&["check", "--connect"], &config, "").await;
    assert_eq!(checked.code, 0, "{}", checked.stdout);
}

#[tokio::test]
async fn many_who_migrate_at_the_same_time_apply_each_migration_once() {
    let story = unmigrated().await;
    let config = story.config_file();
    let migrate = || with_config(&["migrate"], &config, "");
    let (a, b, c, d) = tokio::join!(migrate(), migrate(), migrate(), migrate());
    let all = [a, b, c, d];
    for ran in &all {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let applied: usize = all.iter().map(|ran| ran.stdout.matches("applied ").count()).sum();
    let recorded = story.sql("SELECT count(*) FROM refinery_schema_history").await;
    assert_eq!(applied.to_string(), recorded);
}
