//! What operators watch by: the dashboard, the alerts and the runbook, as far as they have to agree with each other and with the
//! worker. Whether the queries are right, `make rules` and `make dashboards` tell.

use std::{collections::BTreeSet, fs, path::Path};

use docplanner_worker::{delivery::Reason, health::Parts, metrics::Metrics};

const ALERTS: &str = "deploy/prometheus/alerts.yaml";
const ALERTS_TEST: &str = "deploy/prometheus/alerts_test.yaml";
const DASHBOARD: &str = "deploy/grafana/docplanner-worker.json";
const RUNBOOK: &str = "deploy/runbook.md";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What stands behind `before` in each line that begins with it, up to the end of the word.
fn named<'t>(text: &'t str, before: &str) -> BTreeSet<&'t str> {
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix(before))
        .map(|name| name.split_whitespace().next().unwrap())
        .collect()
}

/// The names of all series, as Prometheus stores them.
fn exposed() -> BTreeSet<String> {
    let metrics = Metrics::new(["acme"]);
    metrics.queues.watch(&["in".to_owned()], &["in"]);
    let exposition = metrics.render(Parts::default());
    let mut names = BTreeSet::new();
    for line in exposition.lines() {
        if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            let suffixes: &[&str] = match kind {
                "counter" => &["_total"],
                "info" => &["_info"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            names.extend(suffixes.iter().map(|suffix| format!("{name}{suffix}")));
        }
    }
    names
}

/// Every word of the worker's own metrics in a text. Recorded series have a colon, and are not the worker's.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
        .filter(|word| word.starts_with("docplanner_worker_"))
        .collect()
}

#[test]
fn every_alert_is_explained_and_tested_and_every_explanation_has_its_alert() {
    let (alerts, runbook) = (read(ALERTS), read(RUNBOOK));
    let names = named(&alerts, "- alert: ");
    assert!(names.len() > 15, "{names:?}");

    let headings = named(&runbook, "## ");
    let explained: BTreeSet<&str> =
        headings.into_iter().filter(|heading| heading.starts_with("DocplannerWorker")).collect();
    assert_eq!(explained, names);

    let tests = read(ALERTS_TEST);
    for name in &names {
        let fires = format!("alertname=\"{name}\", alertstate=\"firing\"");
        assert!(tests.contains(&fires), "no test has {name} fire");
    }
    for section in runbook.split("\n## DocplannerWorker").skip(1) {
        for part in ["**Means.**", "**Look at**", "**Do.**"] {
            assert!(section.contains(part), "{part} is missing in {section}");
        }
    }
}

#[test]
fn every_alert_leads_to_its_heading() {
    let alerts = read(ALERTS);
    for alert in alerts.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap();
        let anchor = format!("/runbook.md#{}\n", name.to_lowercase());
        for part in ["severity: ", "summary: ", "description: ", "runbook_url: ", &anchor] {
            assert!(alert.contains(part), "{part} is missing in {name}");
        }
    }
    let runbook = read(RUNBOOK);
    for link in runbook.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        let heading = |line: &str| line.to_lowercase() == format!("## {anchor}");
        assert!(runbook.lines().any(heading), "no heading for #{anchor}");
    }
}

#[test]
fn alerts_and_panels_ask_for_metrics_that_exist() {
    let exposed = exposed();
    for path in [ALERTS, ALERTS_TEST, DASHBOARD, RUNBOOK] {
        let text = read(path);
        for metric in metrics_in(&text) {
            assert!(exposed.contains(metric), "{path} asks for {metric}, which nobody tells");
        }
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let dashboard = read(DASHBOARD);
    let shown = metrics_in(&dashboard);
    for metric in exposed() {
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| metric.strip_suffix(suffix))
            .unwrap_or(&metric);
        let is_shown = shown.iter().any(|name| name.starts_with(family));
        assert!(is_shown, "no panel shows {metric}");
    }
}

#[test]
fn the_runbook_knows_every_reason_and_panel_and_log_line_that_it_names() {
    let runbook = read(RUNBOOK);
    for reason in Reason::ALL {
        let row = format!("`{}`", reason.as_str());
        assert!(runbook.contains(&row), "{row} is not in the runbook");
    }
    let sources = sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path());
    // Tables quote settings.
    let quotes = runbook
        .lines()
        .filter(|line| !line.starts_with('|'))
        .flat_map(|line| line.split('"').skip(1).step_by(2));
    for text in quotes.filter(|text| text.contains(' ')) {
        assert!(sources.contains(text), "nothing logs \"{text}\"");
    }
}

/// All Rust code of a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        text += &if path.is_dir() { sources(&path) } else { fs::read_to_string(path).unwrap() };
    }
    text
}
