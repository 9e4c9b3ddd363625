//! The layout of the code and its documentation, as far as a machine can tell.

use std::{collections::BTreeSet, fs, path::Path};

use docplanner_worker::{delivery::Reason, event::EventKind, metrics::Metrics, notification::Kind};

/// Modules in reading order: what flows, what is decided, the story, the outside, running it. Each
/// may use what stands before it.
const LAYERS: &[&[&str]] = &[
    &["private", "clock"],
    &["notification"],
    &["payment"],
    &["delivery", "effects", "event"],
    &["normalize", "retry", "route", "video"],
    &["decision", "tenants"],
    &["pipeline"],
];

/// The contracts that the story may use although their implementations stand below it.
const CONTRACTS: &[&str] =
    &["broker", "docplanner", "inbox", "mapping", "config", "metrics", "traces"];

/// Crates that do I/O.
const CLIENTS: &[&str] =
    &["lapin", "reqwest", "tokio_postgres", "deadpool_postgres", "axum", "refinery"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The sources of one module: `x.rs` and everything below `x/`.
fn sources(module: &str) -> String {
    let mut text = fs::read_to_string(root().join(format!("src/{module}.rs"))).unwrap();
    let mut folders = vec![root().join(format!("src/{module}"))];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                text.push_str(&fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    text
}

/// The modules that a module imports from this crate.
fn imports(source: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = BTreeSet::new();
    for part in source.split("crate::").skip(1) {
        if let Some(list) = part.strip_prefix('{') {
            // `use crate::{a::X, b::{Y, Z}}`: the names at the first level.
            let mut depth = 0;
            let mut item = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.extend([word(&std::mem::take(&mut item))]),
                    _ if depth == 0 => item.push(c),
                    _ => {}
                }
            }
            found.insert(word(&item));
        } else {
            found.insert(word(part));
        }
    }
    found.remove("");
    found
}

#[test]
fn modules_above_do_not_import_modules_below() {
    let mut allowed: BTreeSet<&str> = BTreeSet::new();
    for layer in LAYERS {
        allowed.extend(*layer);
        for module in *layer {
            let mut may_use = allowed.clone();
            // Tenants are made from settings, the story is told with contracts.
            if matches!(*module, "tenants" | "pipeline") {
                may_use.extend(CONTRACTS);
            }
            for import in imports(&sources(module)) {
                assert!(may_use.contains(import.as_str()), "`{module}` imports `{import}`");
            }
        }
    }
}

#[test]
fn what_flows_and_what_is_decided_does_no_io() {
    for module in LAYERS.concat() {
        let source = sources(module);
        for client in CLIENTS {
            assert!(!source.contains(&format!("{client}::")), "`{module}` uses `{client}`");
        }
    }
}

#[test]
fn only_settling_acknowledges_and_only_the_consumer_gives_back() {
    for module in ["broker", "desk"] {
        for entry in fs::read_dir(root().join("src").join(module)).unwrap().map(Result::unwrap) {
            let Ok(source) = fs::read_to_string(entry.path()) else { continue };
            let name = format!("{module}/{}", entry.file_name().into_string().unwrap());
            // The desk takes out what a person has put back or thrown away.
            assert_eq!(source.contains("acker.ack("), name == "desk/hold.rs", "{name}");
            assert_eq!(source.contains("acks.ack("), name == "broker/settle.rs", "{name}");
            assert_eq!(source.contains("basic_ack("), name == "broker/acks.rs", "{name}");
            assert_eq!(source.contains("acker.nack("), name == "broker/consumer.rs", "{name}");
            // A dead letter whose age was looked at.
            assert_eq!(source.contains("basic_nack("), name == "broker/queues.rs", "{name}");
        }
    }
}

#[test]
fn the_readme_names_every_metric() {
    let readme = readme();
    let metrics = Metrics::new(["acme"]);
    metrics.queues.watch(&["in".to_owned()], &["in"]);
    let exposition = metrics.render(docplanner_worker::health::Parts::default());
    let types = exposition.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for (name, kind) in types.filter_map(|line| line.split_once(' ')) {
        let name = name.strip_prefix("docplanner_worker_").unwrap();
        let name = match kind {
            "counter" => format!("`{name}_total`"),
            "info" => format!("`{name}_info`"),
            _ => format!("`{name}`"),
        };
        assert!(readme.contains(&name), "{name} is not in the README");
    }
}

#[test]
fn the_readme_names_every_kind_event_and_reason() {
    // `break-created`, `-moved`, `-removed` share a row: the last words of each are enough.
    let readme = readme();
    let last = |name: &str, by: char| name.rsplit(by).next().unwrap().to_owned();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Unrecognized) {
        let told = readme.contains(kind.name())
            || readme.contains(&format!("`-{}`", last(kind.name(), '-')));
        assert!(told, "{} is not in the README", kind.name());
    }
    for event in EventKind::ALL {
        let name = event.name();
        let told = readme.contains(name) || readme.contains(&format!("`.{}`", last(name, '.')));
        assert!(told, "{name} is not in the README");
    }
    for reason in Reason::ALL {
        // The broker's refusal is the same row as the API's: after the last retry.
        let told = readme.contains(&format!("`{}`", reason.as_str()));
        assert!(told, "{} is not in the README", reason.as_str());
    }
}

#[test]
fn the_readme_names_every_setting() {
    let readme = readme();
    let source = sources("config");
    let sections = source.split("\npub struct ").skip(1);
    for section in sections.filter(|s| s.split('{').next().unwrap().trim().ends_with("Settings")) {
        let fields = section.split("\n}").next().unwrap();
        for field in fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")) {
            let name = field.split(':').next().unwrap();
            assert!(readme.contains(name), "setting {name} is not in the README");
        }
    }
}
