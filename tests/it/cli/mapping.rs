//! `mapping import` and `mapping export`.

use std::fmt::Write as _;

use futures_util::future::join_all;
use serde_json::Value;

use super::{with_config, write};
use crate::support::{
    Story,
    golden::{assert_golden, fixture, path},
    worker::Ran,
};

const IMPORT: [&str; 4] = ["mapping", "import", "--tenant", "acme"];
const EXPORT: [&str; 4] = ["mapping", "export", "--tenant", "acme"];
const HEADER: &str = "kind,address_id,docplanner_id,partner_id,online\n";

/// Runs `mapping import` for the tenant with these arguments and this standard input.
async fn import(story: &Story, arguments: &[&str], stdin: &str) -> Ran {
    with_config(&[&IMPORT, arguments].concat(), &story.config_file(), stdin).await
}

async fn export(story: &Story, arguments: &[&str]) -> String {
    let ran = with_config(&[&EXPORT, arguments].concat(), &story.config_file(), "").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    ran.stdout
}

/// Imports a file of `tests/fixtures/mapping`.
async fn import_fixture(story: &Story, arguments: &[&str], name: &str) -> Ran {
    let file = path(&format!("mapping/{name}"));
    import(story, &[arguments, &[file.to_str().unwrap()]].concat(), "").await
}

#[tokio::test]
async fn an_import_tells_what_it_adds_changes_removes_and_leaves() {
    let story = Story::begin().await;
    let told = |ran: Ran| {
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        ran.stdout
    };
    let first = told(import_fixture(&story, &[], "clinic.csv").await);
    assert_eq!(first, "acme: 6 added, 0 changed, 0 removed, 0 unchanged\n");
    let again = told(import_fixture(&story, &[], "clinic.csv").await);
    assert_eq!(again, "acme: 0 added, 0 changed, 0 removed, 6 unchanged\n");
    let partly = told(import_fixture(&story, &[], "clinic-changed.csv").await);
    assert_eq!(partly, "acme: 1 added, 2 changed, 0 removed, 2 unchanged\n");
    assert_eq!(story.sql("SELECT count(*) FROM mappings").await, "7");
    let whole = told(import_fixture(&story, &["--replace"], "clinic-changed.csv").await);
    assert_eq!(whole, "acme: 0 added, 0 changed, 2 removed, 5 unchanged\n");
    assert_eq!(export(&story, &[]).await, fixture("mapping/clinic-changed.csv"));
}

#[tokio::test]
async fn a_dry_run_shows_every_change_and_writes_nothing() {
    let story = Story::begin().await;
    import_fixture(&story, &[], "clinic.csv").await;
    let before = story.sql("SELECT string_agg(m::text, ' ') FROM mappings m").await;
    let dry = ["--dry-run", "--replace"];
    let ran = import_fixture(&story, &dry, "clinic-changed.csv").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_golden("mapping/dry-run.txt", &ran.stdout);
    let machine = [&dry[..], &["--output", "json"]].concat();
    let ran = import_fixture(&story, &machine, "clinic-changed.csv").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_golden("mapping/dry-run.json", &ran.stdout);
    let after = story.sql("SELECT string_agg(m::text, ' ') FROM mappings m").await;
    assert_eq!(before, after);
    assert_eq!(story.sql("SELECT max(version) FROM mapping_versions").await, "1");

    // What was announced is what happens.
    let real = ["--replace", "--output", "json"];
    let ran = import_fixture(&story, &real, "clinic-changed.csv").await;
    let done = ran.stdout.replace("\"dry_run\": false", "\"dry_run\": true");
    assert_golden("mapping/dry-run.json", &done);
}

#[tokio::test]
async fn every_wrong_line_is_told_and_nothing_is_imported() {
    let story = Story::begin().await;
    for (file, golden) in [("wrong.csv", "wrong-csv.txt"), ("wrong.json", "wrong-json.txt")] {
        let ran = import_fixture(&story, &[], file).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{file}");
        let folder = path("mapping");
        let told = ran.stderr.replace(&format!("{}/", folder.display()), "");
        assert_golden(&format!("mapping/{golden}"), &told);

        let ran = import_fixture(&story, &["--output", "json"], file).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{file}");
        let refusal: Value = serde_json::from_str(&ran.stdout).unwrap();
        let problems = refusal["problems"].as_array().unwrap();
        // The first line counts them.
        assert_eq!(problems.len(), told.lines().count() - 1);
        for problem in problems {
            let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
            assert!(told.contains(&text("at")) && told.contains(&text("problem")), "{problem}");
        }
    }
    assert_eq!(story.sql("SELECT count(*) FROM mappings").await, "0");
    assert_eq!(story.sql("SELECT count(*) FROM mapping_versions").await, "0");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_at_all_is_told_in_one_line() {
    let story = Story::begin().await;
    let missing = "this column is missing; the header is \
                   kind,address_id,docplanner_id,partner_id,online";
    for (content, problems) in [
        (
            String::new(),
            "the file: has no header; the first line has to be \
             kind,address_id,docplanner_id,partner_id,online"
                .to_owned(),
        ),
        (
            "kind,adress_id,docplanner_id,partner_id,online\nnonsense\n".to_owned(),
            format!(
                "line 1: column 2 has an unknown name; did you mean `address_id`?\n\
                 line 1: address_id: {missing}"
            ),
        ),
        (
            "kind,kind,docplanner_id,partner_id\n".to_owned(),
            format!(
                "line 1: kind: column 2 has the name of another one\n\
                 line 1: address_id: {missing}\nline 1: online: {missing}"
            ),
        ),
        (
            "[1, 2".to_owned(),
            "the file: is not JSON: EOF while parsing a list at line 1 column 5".into(),
        ),
        ("{}".to_owned(), "the file: is not a list [ … ] of objects".to_owned()),
    ] {
        let ran = import(&story, &["-"], &content).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{content}");
        let (_, told) = ran.stderr.split_once('\n').unwrap();
        assert_eq!(told.trim_end(), problems);
    }
    // Not UTF-8 at all: what "Unicode text" is on Windows.
    let utf16: Vec<u8> = "\u{feff}kind".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let file = story.folder().join("utf16.csv");
    std::fs::write(&file, utf16).unwrap();
    let ran = import(&story, &[file.to_str().unwrap()], "").await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.ends_with("the file: is UTF-16; save it as UTF-8\n"), "{}", ran.stderr);
    let ran = import(&story, &["/nonexistent/mapping.csv"], "").await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.starts_with("error: /nonexistent/mapping.csv"), "{}", ran.stderr);
}

#[tokio::test]
async fn what_is_exported_can_be_imported_in_either_format() {
    let story = Story::begin().await;
    import_fixture(&story, &[], "clinic.csv").await;
    let csv = export(&story, &[]).await;
    assert_eq!(csv, fixture("mapping/clinic.csv"));
    let json = export(&story, &["--output", "json"]).await;

    for (content, name) in [(&csv, "clinic.csv"), (&json, "clinic.json")] {
        let emptied = import(&story, &["--replace", "-"], HEADER).await;
        assert!(emptied.stdout.contains("6 removed"), "{}", emptied.stdout);
        assert_eq!(export(&story, &[]).await, HEADER);
        assert_eq!(export(&story, &["--output", "json"]).await, "[]\n");
        let file = write(story.folder(), name, content);
        let ran = import(&story, &[file.to_str().unwrap()], "").await;
        assert!(ran.stdout.contains("6 added"), "{}{}", ran.stdout, ran.stderr);
        assert_eq!(&export(&story, &[]).await, &csv);
        // Standard input has no name to tell the format by.
        let ran = import(&story, &["-"], content).await;
        assert!(ran.stdout.contains("6 unchanged"), "{}{}", ran.stdout, ran.stderr);
    }
}

#[tokio::test]
async fn a_tenant_that_the_settings_do_not_have_is_refused_with_those_that_they_have() {
    let mut story = Story::begin().await;
    let base_url = story.docplanner.base_url();
    story.settings.more = format!(
        "[[tenants]]\nid = \"beta\"\ndomain = \"doctoralia.es\"\nbase_url = {base_url:?}\n\
         client_id = \"demo\"\nclient_secret = \"secret\"\nfacilities = [\"2\"]\n"
    );
    let config = story.config_file();
    let commands: [&[&str]; 2] =
        [&["mapping", "import", "--tenant", "acm", "-"], &["mapping", "export", "--tenant", "acm"]];
    for command in commands {
        let ran = with_config(command, &config, HEADER).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert_eq!(
            ran.stderr,
            "unknown tenant \"acm\"; did you mean \"acme\"? the settings have: acme, beta\n"
        );
    }
}

#[tokio::test]
async fn tenants_have_mappings_of_their_own() {
    let mut story = Story::begin().await;
    let base_url = story.docplanner.base_url();
    story.settings.more = format!(
        "[[tenants]]\nid = \"beta\"\ndomain = \"doctoralia.es\"\nbase_url = {base_url:?}\n\
         client_id = \"demo\"\nclient_secret = \"secret\"\nfacilities = [\"2\"]\n"
    );
    import_fixture(&story, &[], "clinic.csv").await;
    let beta = ["mapping", "import", "--tenant", "beta", "--replace", "-"];
    let rows = format!("{HEADER}doctor,,123,other,\n");
    let ran = with_config(&beta, &story.config_file(), &rows).await;
    assert_eq!(ran.stdout, "beta: 1 added, 0 changed, 0 removed, 0 unchanged\n");
    assert_eq!(export(&story, &[]).await, fixture("mapping/clinic.csv"));
}

#[tokio::test]
async fn imports_at_the_same_time_take_turns() {
    let story = Story::begin().await;
    let contents: Vec<String> =
        (0..6).map(|nth| format!("{HEADER}doctor,,1,mine-{nth},\ndoctor,,2{nth},D,\n")).collect();
    let (config, command) = (story.config_file(), [&IMPORT[..], &["-"]].concat());
    let import = |content| with_config(&command, &config, content);
    let all = join_all(contents.iter().map(|content| import(content.as_str())));
    for ran in all.await {
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    }
    assert_eq!(story.sql("SELECT count(*) FROM mappings").await, "7");
    assert_eq!(story.sql("SELECT max(version) FROM mapping_versions").await, "6");
}

#[tokio::test]
async fn a_hundred_thousand_rows_are_imported_changed_and_exported() {
    let story = Story::begin().await;
    let file = |prefix: &str| {
        let mut content = HEADER.to_owned();
        for address in 0..1000 {
            for service in 0..100 {
                let id = address * 100 + service;
                writeln!(content, "service,{address},{id},{prefix}-{id},true").unwrap();
            }
        }
        write(story.folder(), "many.csv", &content)
    };
    let first = file("S");
    let ran = import(&story, &[first.to_str().unwrap()], "").await;
    assert_eq!(ran.stdout, "acme: 100000 added, 0 changed, 0 removed, 0 unchanged\n");
    let second = file("T");
    let ran = import(&story, &["--replace", second.to_str().unwrap()], "").await;
    assert_eq!(ran.stdout, "acme: 0 added, 100000 changed, 0 removed, 0 unchanged\n");
    assert_eq!(export(&story, &[]).await.lines().count(), 100_001);
}
