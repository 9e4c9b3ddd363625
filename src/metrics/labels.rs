//! The words that metrics are told apart by. Bounded, but for the tenant.

use prometheus_client::encoding::EncodeLabelSet;

/// The tenant label of deliveries whose tenant could not be told.
pub(super) const NO_TENANT: &str = "unknown";

/// The kind label of deliveries that could not be decoded.
pub(super) const NO_KIND: &str = "undecoded";

pub(super) const DISPOSITIONS: [&str; 6] =
    ["published", "duplicate", "ignored", "dropped", "retry", "dead_letter"];
pub(super) const PUBLISH_RESULTS: [&str; 6] =
    ["confirmed", "returned", "refused", "timed_out", "interrupted", "dropped"];
pub(super) const CACHE_RESULTS: [&str; 6] = ["hit", "database", "miss", "stale", "crowded", "none"];
pub(super) const API_OPERATIONS: [&str; 3] = ["address", "addresses", "booking"];
pub(super) const API_STATUSES: [&str; 9] = [
    "ok",
    "unreachable",
    "rate_limited",
    "firewall",
    "server_error",
    "unreadable",
    "unauthorized",
    "unknown",
    "refused",
];
pub(super) const TIMER_RESULTS: [&str; 3] = ["published", "pointless", "postponed"];
/// Told to the collector; no place in the queue; refused by the collector, or it was away.
pub(super) const SPAN_RESULTS: [&str; 3] = ["exported", "dropped", "failed"];
pub(super) const RELOAD_RESULTS: [&str; 3] = ["applied", "refused", "unchanged"];
pub(super) const STAGES: [&str; 5] = ["decode", "claim", "lookup", "publish", "close"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DeliveryLabels {
    pub(super) tenant: String,
    pub(super) kind: &'static str,
    pub(super) disposition: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DispositionLabels {
    pub(super) disposition: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StageLabels {
    pub(super) stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EventLabels {
    pub(super) tenant: String,
    pub(super) r#type: &'static str,
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    pub(super) tenant: String,
    pub(super) kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ApiLabels {
    pub(super) tenant: String,
    pub(super) operation: &'static str,
    pub(super) status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabels {
    pub(super) tenant: String,
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub(super) tenant: String,
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TimerLabels {
    pub(super) kind: &'static str,
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SpanLabels {
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct QueueLabels {
    pub(super) queue: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TenantLabels {
    pub(super) tenant: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReloadLabels {
    pub(super) result: &'static str,
}
