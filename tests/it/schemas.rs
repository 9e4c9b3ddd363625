//! What others rely on: the printed schemas say what is published and what is configured, no more
//! and no less. Beside these tests, every event that any test receives is held against the schema.

use std::{collections::BTreeSet, fs};

use docplanner_worker::{
    broker::Topology,
    config::{BrokerSettings, Settings},
    event::EventKind,
    schema,
};
use serde_json::{Map, Value, json};

use crate::support::{
    golden::{names, path},
    schema::{problems, validator},
    worker::run,
};

/// The golden events, with a moment where the goldens say only that there is one.
fn golden_events() -> Vec<(String, Value)> {
    let mut events = Vec::new();
    for folder in ["events", "events-of-time"] {
        for name in names(folder) {
            let text = fs::read_to_string(path(&format!("{folder}/{name}.json"))).unwrap();
            let mut event: Value = serde_json::from_str(&text).unwrap();
            let as_of = &mut event["data"]["address"]["flags_as_of"];
            if as_of.is_string() {
                *as_of = "2024-03-04T09:00:00Z".into();
            }
            events.push((name, event));
        }
    }
    events
}

#[test]
fn every_golden_event_is_what_the_schema_says() {
    let schema = schema::events();
    assert!(jsonschema::meta::is_valid(&schema), "it is a schema");
    let all = validator(&schema);
    let mut types = BTreeSet::new();
    for (name, event) in golden_events() {
        assert_eq!(problems(&event), Vec::<String>::new(), "{name}");
        assert!(all.is_valid(&event), "{name} is exactly one of the events");
        types.insert(event["type"].as_str().unwrap().to_owned());
    }
    let known: BTreeSet<_> = EventKind::ALL.map(EventKind::event_type).into();
    assert_eq!(types, known, "there is a golden event of every type");
}

#[test]
fn an_event_that_lacks_a_key_or_has_another_type_in_it_is_refused() {
    let all = validator(&schema::events());
    let mut mutants = 0;
    for (name, event) in golden_events() {
        for pointer in pointers(&event) {
            for (how, mutant) in mutants_at(&event, &pointer) {
                assert!(!all.is_valid(&mutant), "{name}: {pointer} {how}");
                mutants += 1;
            }
        }
    }
    assert!(mutants > 1000, "{mutants}");
}

/// Everything in an event that its schema tells; `raw` is whatever came.
fn pointers(event: &Value) -> Vec<String> {
    fn walk(value: &Value, pointer: &str, found: &mut Vec<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let pointer = format!("{pointer}/{key}");
            if pointer != "/data/raw" {
                walk(value, &pointer, found);
                found.push(pointer);
            }
        }
    }
    let mut found = Vec::new();
    walk(event, "", &mut found);
    found
}

fn mutants_at(event: &Value, pointer: &str) -> [(&'static str, Value); 2] {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let mut without = event.clone();
    without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
    let mut other = event.clone();
    // No key is an object with nothing that we know.
    *other.pointer_mut(pointer).unwrap() = json!({ "surprise": [] });
    [("is gone", without), ("is an object", other)]
}

#[test]
fn an_event_with_a_word_that_is_not_known_is_refused() {
    let events = golden_events();
    let paid = &events.iter().find(|(name, _)| name == "payment-paid-when-due").unwrap().1;
    let marked = &events.iter().find(|(name, _)| name == "presence-marked").unwrap().1;
    for (event, pointer, wrong) in [
        (paid, "/data/modality", json!("hybrid")),
        (paid, "/data/payment/basis", json!("guessed")),
        (paid, "/data/unmapped", json!(["patient"])),
        (paid, "/data/payment/due_at", json!("tomorrow")),
        (paid, "/id", json!("77")),
        (paid, "/sequence", json!("1")),
        (paid, "/specversion", json!("0.3")),
        (paid, "/type", json!("docplanner.payment.not_paid.v1")),
        (paid, "/dataschema", json!("urn:docplanner-worker:payment.not_paid:v1")),
        (paid, "/tenant", json!("Acme")),
        (marked, "/data/presence", json!("late")),
        (marked, "/data/presence", Value::Null),
    ] {
        let mut event = event.clone();
        *event.pointer_mut(pointer).unwrap() = wrong;
        assert_ne!(problems(&event), Vec::<String>::new(), "{pointer}");
        assert!(!validator(&schema::events()).is_valid(&event), "{pointer}");
    }
}

#[test]
fn the_schema_leaves_room_for_more_and_the_worker_does_not_use_it() {
    let all = validator(&schema::events());
    for (name, mut event) in golden_events() {
        event["data"]["facility"]["colour"] = "blue".into();
        assert!(all.is_valid(&event), "{name}: keys may be added");
        assert_ne!(problems(&event), Vec::<String>::new(), "{name}: but none is");
    }
}

#[test]
fn what_identifies_a_patient_is_marked() {
    let schema = schema::events();
    let marked = |name: &str| -> Vec<String> {
        let properties = schema["$defs"][name]["properties"].as_object().unwrap();
        let marked = properties.iter().filter(|(_, schema)| schema["x-personal-data"] == true);
        marked.map(|(name, _)| name.clone()).collect()
    };
    let patient = &schema["$defs"]["Patient"]["properties"];
    assert_eq!(marked("Patient").len(), patient.as_object().unwrap().len());
    assert_eq!(marked("Booking"), ["comment"]);
    assert_eq!(marked("VideoCall"), ["url"]);
    let raw = "/$defs/NotificationUnrecognized/properties/data/properties/raw/x-personal-data";
    assert_eq!(schema.pointer(raw), Some(&true.into()));
}

#[test]
fn the_example_is_an_event() {
    let schema = schema::events();
    assert_eq!(problems(&schema["examples"][0]), Vec::<String>::new());
}

/// The tenant of all cases below, which only lack what is wrong with them.
const TENANT: &str = "[[tenants]]\nid = \"acme\"\ndomain = \"znanylekarz.pl\"\nclient_id = \"c\"\n";
const SECRET: &str = "client_secret = \"s\"\n";

/// A file that a secret can be read from.
const URL_FILE: &str = "schemas/database-url";

#[test]
fn the_schema_of_the_settings_takes_what_the_worker_takes() {
    let acme = format!("{TENANT}{SECRET}");
    for text in [
        acme.clone(),
        format!("broker.prefetch = 1\n{acme}"),
        format!("broker.retry_delays = [\"1s\", \"2min\", \"1h 30m\"]\n{acme}"),
        format!("database.url_file = {:?}\n{acme}", path(URL_FILE)),
        format!("{TENANT}client_secret_file = {:?}\n", path(URL_FILE)),
        format!("traces.endpoint = \"http://collector:4318\"\ntraces.sample_ratio = 0.5\n{acme}"),
        format!("log.format = \"text\"\nlog.level = \"info,docplanner_worker=debug\"\n{acme}"),
        format!("{acme}base_url = \"http://127.0.0.1:8099\"\nfacilities = [\"1\"]\n"),
        format!(
            "{acme}[tenants.mapping]\non_missing = \"hold\"\n[tenants.video]\nreminders = [\"1h\"]\n"
        ),
        format!(
            "{acme}[[tenants.routes]]\nmatch = {{ online_only = true, events = [\"booking.*\"] }}\nqueue = \"acme.online\"\n"
        ),
        format!("{acme}[[tenants.routes]]\nexchange = \"theirs\"\nrouting_key = \"acme\"\n"),
        format!("{acme}[[tenants.routes]]\nmatch.modality = \"unknown\"\ndrop = true\n"),
        readme_settings(),
    ] {
        assert_eq!(accepted(&text), (Ok(()), true), "{text}");
    }
}

#[test]
fn the_schema_of_the_settings_refuses_what_the_worker_refuses() {
    let acme = format!("{TENANT}{SECRET}");
    for text in [
        String::new(),
        TENANT.to_owned(),
        format!("{acme}client_secret_file = \"/dev/null\"\n"),
        acme.replace("acme", "Acme"),
        acme.replace("znany", "www.znany"),
        acme.replace("id = \"acme\"\n", ""),
        acme.replace("\"c\"", "\"\""),
        format!("broker.prefetch = 0\n{acme}"),
        format!("broker.prefetch = 65536\n{acme}"),
        format!("broker.prefetch = \"many\"\n{acme}"),
        format!("broker.prefech = 1\n{acme}"),
        format!("broker.queue = \"\"\n{acme}"),
        format!("broker.retry_delays = []\n{acme}"),
        format!("broker.retry_delays = [5]\n{acme}"),
        format!("broker.drain_timeout = \"5 parsecs\"\n{acme}"),
        format!("broker.drain_timeout = \"\"\n{acme}"),
        format!("database.pool_size = 1\n{acme}"),
        format!("database.client_cert_file = {:?}\n{acme}", path(URL_FILE)),
        format!("traces.endpoint = \"collector\"\n{acme}"),
        format!("traces.sample_ratio = 1.5\n{acme}"),
        format!("log.format = \"xml\"\n{acme}"),
        format!("{acme}base_url = \"ftp://example.com\"\n"),
        format!("{acme}online_detection = \"guess\"\n"),
        format!("{acme}facilities = \"1\"\n"),
        format!("{acme}[tenants.mapping]\non_missing = \"drop\"\n"),
        format!("{acme}[tenants.colours]\n"),
        format!("{acme}[tenants.limits]\nrequests_in_flight = 0\n"),
        format!("{acme}[tenants.limits]\nconcurrency = 0\n"),
        format!("{acme}[tenants.limits]\npayment_reserve = 1.0\n"),
        format!("{acme}[[tenants.routes]]\n"),
        format!("{acme}[[tenants.routes]]\nqueue = \"a\"\ndrop = true\n"),
        format!("{acme}[[tenants.routes]]\nqueue = \"a\"\nrouting_key = \"b\"\n"),
        format!("{acme}[[tenants.routes]]\nexchange = \"theirs\"\n"),
        format!("{acme}[[tenants.routes]]\nmatch.modality = \"hybrid\"\ndrop = true\n"),
        format!("{acme}[[tenants.routes]]\nmatch.events = []\ndrop = true\n"),
        fs::read_to_string(path("cli/many-problems.toml")).unwrap(),
    ] {
        let (worker, schema) = accepted(&text);
        assert!(worker.is_err() && !schema, "worker: {worker:?}, schema: {schema}: {text}");
    }
}

/// Whether the worker and the schema take settings.
fn accepted(text: &str) -> (Result<(), String>, bool) {
    let worker = Settings::parse(text, []).map(|_| ()).map_err(|problems| problems.to_string());
    let table: Value = toml::from_str(text).unwrap();
    (worker, validator(&schema::config()).is_valid(&table))
}

/// The example in the README, with a secret that is there.
fn readme_settings() -> String {
    let readme = include_str!("../../README.md");
    let text = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let secret = path(URL_FILE);
    text.replace("/run/secrets/acme", secret.to_str().unwrap())
}

#[tokio::test]
async fn the_asyncapi_document_has_the_names_of_the_settings_if_they_are_given() {
    let printed = run(&["schema", "asyncapi"], "").await;
    let document: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(document["channels"]["notifications"]["address"], "docplanner.notifications");

    let folder =
        std::env::temp_dir().join(format!("docplanner-worker-schemas-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let config = folder.join("worker.toml");
    let broker = "[broker]\nqueue = \"our.notifications\"\nexchange = \"our.events\"\n";
    let route = "[[tenants.routes]]\nqueue = \"acme.telemedicine\"\n";
    fs::write(&config, format!("{broker}{TENANT}{SECRET}{route}")).unwrap();
    let printed = run(&["schema", "asyncapi", "--config", config.to_str().unwrap()], "").await;
    fs::remove_dir_all(folder).unwrap();
    let document: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(document["channels"]["deadLetters"]["address"], "our.notifications.dead");
    assert_eq!(
        document.pointer("/channels/events/bindings/amqp/exchange/name"),
        Some(&"our.events".into())
    );
    assert_eq!(document["channels"]["acme.telemedicine"]["address"], "acme.telemedicine");
    assert!(!printed.stdout.contains("guest"), "no credentials");
}

#[test]
fn every_queue_that_a_binding_feeds_is_in_the_asyncapi_document() {
    let settings = BrokerSettings::default();
    let document = schema::asyncapi(&settings.exchange, &Topology::new(&settings, []));
    let channels = document["channels"].as_object().unwrap();
    let partner: Map<String, Value> =
        channels.clone().into_iter().filter(|(name, _)| name.starts_with("partner.")).collect();
    assert_eq!(partner.len(), crate::support::broker::PARTNER_QUEUES.len());
    for (queue, channel) in partner {
        assert_eq!(channel["address"], queue.as_str());
        assert_eq!(channel["messages"].as_object().unwrap().len(), EventKind::ALL.len());
    }
}
