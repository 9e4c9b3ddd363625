//! What commands tell when something is wrong.

use super::{
    BROKER_PASSWORD, CLIENT_SECRET, DATABASE_PASSWORD, PRIVATE, assert_clean, canaries,
    slot_booked, story,
};
use crate::support::{
    clinic,
    worker::{run, run_with},
};

/// Settings that are wrong in a way that touches a secret.
fn broken_settings() -> Vec<String> {
    let tenant = "[[tenants]]\nid = \"acme\"\ndomain = \"znanylekarz.pl\"\nclient_id = \"demo\"\n";
    let broker = format!("amqp://guest:{BROKER_PASSWORD}@127.0.0.1:1");
    let database = format!("postgres://worker:{DATABASE_PASSWORD}@127.0.0.1:1/worker");
    vec![
        // No TOML, on the very line of a secret.
        format!("{tenant}client_secret = \"{CLIENT_SECRET}\n"),
        format!("{tenant}client_secret = {CLIENT_SECRET}\n"),
        format!("[broker]\nurl = '{broker}' '{broker}'\n"),
        format!("[database]\nurl = {database}\n"),
        format!("[broker]\nurl = \"{broker}\"\nurl = \"{broker}\"\n"),
        // Another type.
        format!("{tenant}client_secret = [\"{CLIENT_SECRET}\"]\n"),
        format!("{tenant}client_secret = {{ value = \"{CLIENT_SECRET}\" }}\n"),
        format!("[broker]\nurl = {{ host = \"{broker}\" }}\n"),
        format!("broker = \"{broker}\"\n"),
        format!("database = [\"{database}\"]\n"),
        format!("tenants = \"{CLIENT_SECRET}\"\n"),
        // Not a URL.
        format!("[broker]\nurl = \"amqp//guest:{BROKER_PASSWORD}@127.0.0.1\"\n"),
        format!("[broker]\nurl = \"amqp://guest:{BROKER_PASSWORD}@127.0.0.1:port/%2f\"\n"),
        format!("[database]\nurl = \"postgres://worker:{DATABASE_PASSWORD}@[::1/worker\"\n"),
        format!("[database]\nurl = \"{database}?no_such_option=1\"\n"),
        format!("[database]\nurl = \"host=127.0.0.1 password='{DATABASE_PASSWORD}\"\n"),
        // Another key, another place.
        format!("{tenant}client_secrets = \"{CLIENT_SECRET}\"\n"),
        format!(
            "{tenant}client_secret = \"{CLIENT_SECRET}\"\nclient_secret_file = \"/nonexistent\"\n"
        ),
        format!("[broker]\npassword = \"{BROKER_PASSWORD}\"\n"),
        format!("[broker]\nprefetch = \"{broker}\"\n"),
        format!("[broker]\nconfirm_timeout = \"{BROKER_PASSWORD}\"\n"),
        format!("[log]\nformat = \"{BROKER_PASSWORD}\"\n"),
    ]
}

#[tokio::test]
async fn settings_are_refused_without_telling_a_secret() {
    let story = story().await;
    let file = story.folder().join("broken.toml");
    let path = file.to_str().unwrap();
    for text in broken_settings() {
        std::fs::write(&file, &text).unwrap();
        for command in ["check", "run"] {
            let ran = run(&[command, "--config", path], "").await;
            assert_eq!(ran.code, 2, "{text}");
            assert_clean("a refusal of settings", &(ran.stdout + &ran.stderr), &canaries());
        }
    }
}

#[tokio::test]
async fn variables_are_refused_without_telling_a_secret() {
    let url = format!("amqp//guest:{BROKER_PASSWORD}@127.0.0.1");
    for variable in [
        "BROKER__URL",
        "DATABASE__URL",
        "BROKER__PREFETCH",
        "BROKER__PASSWORD",
        "TENANTS__CLIENT_SECRET",
    ] {
        let variable = format!("DOCPLANNER_WORKER__{variable}");
        let ran = run_with(&[(&variable, &url)], &["check"], "").await;
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(&variable) || ran.stderr.contains(".url: "), "{}", ran.stderr);
        assert_clean("a refusal of a variable", &(ran.stdout + &ran.stderr), &canaries());
    }
}

#[tokio::test]
async fn servers_that_refuse_are_told_of_without_the_password() {
    let mut story = story().await;
    let servers =
        [("127.0.0.1:1", "127.0.0.1:1"), (&story.servers.broker_address(), "127.0.0.1:1")];
    for (broker, database) in servers {
        story.settings.amqp_url = format!("amqp://guest:{BROKER_PASSWORD}@{broker}/%2f");
        story.settings.database_url =
            format!("postgres://worker:{DATABASE_PASSWORD}@{database}/worker");
        story.settings.tenant = vec![format!("facilities = [\"1\"]")];
        let config = story.config_file();
        for command in [&["check", "--connect"][..], &["topology", "declare"], &["migrate"]] {
            let ran = run(&[command, &["--config", config.to_str().unwrap()]].concat(), "").await;
            assert_eq!(ran.code, 1, "{command:?}");
            assert_clean("a failure", &(ran.stdout + &ran.stderr), &canaries());
        }
        let ran = run(&["topology", "export", "--config", config.to_str().unwrap()], "").await;
        assert_eq!(ran.code, 0);
        assert_clean("an export", &(ran.stdout + &ran.stderr), &canaries());
    }
}

#[tokio::test]
async fn explaining_what_is_wrong_tells_nothing_of_the_patient() {
    let story = story().await;
    let config = story.config_file();
    let arguments = ["explain", "--config", config.to_str().unwrap(), "-"];
    let whole = slot_booked("1", clinic::ONSITE).to_string();
    for (_, value) in PRIVATE {
        let cut = &whole[..whole.find(value).unwrap() + 5];
        let misplaced = whole.replacen("2021-05-26T16:00:00+01:00", value, 1);
        for body in [cut, &misplaced] {
            let ran = run(&arguments, body).await;
            assert_eq!(ran.code, 1, "{body}");
            assert_clean("an explanation", &(ran.stdout + &ran.stderr), &canaries());
        }
    }
    let ran = run(&arguments, &whole).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains(PRIVATE[0].1), "the event itself is told");
}
