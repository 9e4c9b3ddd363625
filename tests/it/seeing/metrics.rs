//! What a scraper finds before anything has happened.

use docplanner_worker::{health::Parts, metrics::Metrics};

/// Dashboards and alerts are written against these.
const PROMISED: [&str; 18] = [
    "deliveries_total{",
    "delivery_duration_seconds_bucket{",
    "stage_duration_seconds_bucket{",
    "deliveries_in_flight ",
    "events_published_total{",
    "duplicates_total{",
    "api_requests_total{",
    "flags_cache_requests_total{",
    "queue_messages{",
    "queue_consumers{",
    "queue_oldest_seconds{",
    "dead_letters_total{",
    "payments_pending{",
    "payments_overdue{",
    "spans_total{",
    "config_reloads_total{",
    "broker_connected ",
    "build_info{",
];

#[test]
fn every_metric_is_there_at_zero_from_the_start() {
    let metrics = Metrics::new(["acme"]);
    metrics.queues.watch(&["in", "dead"].map(str::to_owned), &["in", "dead"]);
    let text = metrics.render(Parts::default());
    let series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for name in PROMISED {
        let name = format!("docplanner_worker_{name}");
        assert!(series.iter().any(|line| line.starts_with(&name)), "{name} is missing");
    }
    // The version, that the settings at start were good, and a quota that nobody has told yet (-1).
    let not_zero = ["build_info", "config_last_reload_successful", "api_quota_remaining"];
    for line in series.iter().filter(|line| !not_zero.iter().any(|name| line.contains(name))) {
        let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(value.abs() < f64::EPSILON, "{line}");
    }
    assert!(text.ends_with("# EOF\n"));
}
