//! Every metric of the worker. Labels are bounded words plus the tenant; every series exists at zero from the
//! start, so that the first event shows as an increase.

mod labels;
mod queues;
mod registry;

use std::{
    sync::{PoisonError, RwLock, atomic::AtomicU64},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use self::labels::{
    ApiLabels, DeliveryLabels, DispositionLabels, EventLabels, KindLabels, NO_KIND, NO_TENANT,
    ReasonLabels, ReloadLabels, ResultLabels, SpanLabels, StageLabels, TenantLabels, TimerLabels,
};
pub use self::queues::{QueueMetrics, QueueSeen};
use crate::{
    delivery::{Disposition, Processed},
    docplanner::BreakerState,
    effects::TimerKind,
    event::EventKind,
    health::Parts,
    inbox::{Answer, Claim},
    notification::Kind,
    timers::Fate,
};

/// From half a millisecond, what a cached delivery takes, to the minute that only waiting takes.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// `api_quota_remaining` of an API that has told none.
const UNTOLD_QUOTA: i64 = -1;

/// The metrics, with the registry that renders them.
pub struct Metrics {
    registry: Registry,
    /// What the worker sees of its queues.
    pub queues: QueueMetrics,
    /// Those whose payments are counted.
    tenants: RwLock<Vec<String>>,
    deliveries: Family<DeliveryLabels, Counter>,
    delivery_duration: Family<DispositionLabels, Histogram, fn() -> Histogram>,
    stage_duration: Family<StageLabels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    events: Family<EventLabels, Counter>,
    duplicates: Family<KindLabels, Counter>,
    api_requests: Family<ApiLabels, Counter>,
    flags_cache: Family<ResultLabels, Counter>,
    breaker: Family<TenantLabels, Gauge>,
    quota_remaining: Family<TenantLabels, Gauge>,
    quota_waits: Family<TenantLabels, Counter>,
    dead_letters: Family<ReasonLabels, Counter>,
    order_waits: Family<TenantLabels, Counter>,
    sequence_gaps: Family<TenantLabels, Counter>,
    out_of_order: Family<TenantLabels, Counter>,
    timers: Family<TimerLabels, Counter>,
    payments_pending: Family<TenantLabels, Gauge>,
    payments_overdue: Family<TenantLabels, Gauge>,
    acks_lost: Counter,
    spans: Family<SpanLabels, Counter>,
    config_reloads: Family<ReloadLabels, Counter>,
    config_last_reload_successful: Gauge,
    config_hash: Gauge<u64, AtomicU64>,
    parts: [Gauge; 4],
}

impl Metrics {
    /// All metrics at zero, for these tenants.
    #[must_use]
    pub fn new<'t>(tenants: impl IntoIterator<Item = &'t str>) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut metrics = Self {
            tenants: RwLock::default(),
            registry: Registry::with_prefix("docplanner_worker"),
            queues: QueueMetrics::default(),
            deliveries: Family::default(),
            delivery_duration: Family::new_with_constructor(histogram),
            stage_duration: Family::new_with_constructor(histogram),
            in_flight: Gauge::default(),
            events: Family::default(),
            duplicates: Family::default(),
            api_requests: Family::default(),
            flags_cache: Family::default(),
            breaker: Family::default(),
            quota_remaining: Family::default(),
            quota_waits: Family::default(),
            dead_letters: Family::default(),
            order_waits: Family::default(),
            sequence_gaps: Family::default(),
            out_of_order: Family::default(),
            timers: Family::default(),
            payments_pending: Family::default(),
            payments_overdue: Family::default(),
            acks_lost: Counter::default(),
            spans: Family::default(),
            config_reloads: Family::default(),
            config_last_reload_successful: Gauge::default(),
            config_hash: Gauge::default(),
            parts: std::array::from_fn(|_| Gauge::default()),
        };
        metrics.register();
        metrics.start_at_zero();
        metrics.serve(tenants);
        metrics
    }

    /// Which tenants there are from now on. The series of a new one are at zero at once. Of one that is gone the
    /// counters stay, as they were; its gauges go, because nobody counts any more.
    pub fn serve<'t>(&self, tenants: impl IntoIterator<Item = &'t str>) {
        let tenants: Vec<String> = tenants.into_iter().map(str::to_owned).collect();
        let mut served = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        for tenant in tenants.iter().filter(|tenant| !served.contains(tenant)) {
            self.start_tenant_at_zero(tenant);
        }
        for tenant in served.iter().filter(|tenant| !tenants.contains(tenant)) {
            let labels = TenantLabels { tenant: tenant.clone() };
            for gauge in [
                &self.quota_remaining,
                &self.breaker,
                &self.payments_pending,
                &self.payments_overdue,
            ] {
                gauge.remove(&labels);
            }
        }
        *served = tenants;
    }

    /// Settings were read anew: `applied`, `refused` or `unchanged`.
    pub fn config_reloaded(&self, result: &'static str) {
        self.config_reloads.get_or_create(&ReloadLabels { result }).inc();
        self.config_last_reload_successful.set(i64::from(result != "refused"));
    }

    /// These settings of tenants are in force.
    pub fn config_in_force(&self, hash: u64) {
        self.config_hash.set(hash);
    }

    /// A delivery arrived.
    pub fn delivered(&self) {
        self.in_flight.inc();
    }

    /// A delivery is no longer ours: settled, or given up.
    pub fn left(&self) {
        self.in_flight.dec();
    }

    /// A delivery is settled. Once per delivery.
    pub fn settled(&self, processed: &Processed, took: Duration) {
        let disposition = processed.disposition.label();
        let tenant = || processed.tenant.as_deref().unwrap_or(NO_TENANT).to_owned();
        let kind = processed.kind.map_or(NO_KIND, Kind::name);
        self.deliveries
            .get_or_create(&DeliveryLabels { tenant: tenant(), kind, disposition })
            .inc();
        self.delivery_duration
            .get_or_create(&DispositionLabels { disposition })
            .observe(took.as_secs_f64());
        match &processed.disposition {
            Disposition::Ack(crate::delivery::Outcome::Duplicate) => {
                self.duplicates.get_or_create(&KindLabels { tenant: tenant(), kind }).inc();
            }
            Disposition::DeadLetter { reason, .. } => {
                let labels = ReasonLabels { tenant: tenant(), reason: reason.as_str() };
                self.dead_letters.get_or_create(&labels).inc();
            }
            Disposition::Ack(_) | Disposition::Retry { .. } => {}
        }
    }

    /// A stage took this long.
    pub fn stage(&self, stage: &'static str, since: Instant) {
        self.stage_duration
            .get_or_create(&StageLabels { stage })
            .observe(since.elapsed().as_secs_f64());
    }

    /// An attempt to publish an event ended.
    pub fn event(&self, tenant: &str, kind: EventKind, result: &'static str) {
        let labels = EventLabels { tenant: tenant.to_owned(), r#type: kind.name(), result };
        self.events.get_or_create(&labels).inc();
    }

    /// A request to the API ended.
    pub fn api_request(&self, tenant: &str, operation: &'static str, status: &'static str) {
        let labels = ApiLabels { tenant: tenant.to_owned(), operation, status };
        self.api_requests.get_or_create(&labels).inc();
    }

    /// Whether a tenant's API is asked.
    pub fn breaker(&self, tenant: &str, state: BreakerState) {
        let state = match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        self.breaker.get_or_create(&TenantLabels { tenant: tenant.to_owned() }).set(state);
    }

    /// An answer told how many requests are left.
    pub fn quota_remaining(&self, tenant: &str, remaining: u64) {
        let remaining = i64::try_from(remaining).unwrap_or(i64::MAX);
        let labels = TenantLabels { tenant: tenant.to_owned() };
        self.quota_remaining.get_or_create(&labels).set(remaining);
    }

    /// A request was put off because the quota is spent for now.
    pub fn quota_wait(&self, tenant: &str) {
        self.quota_waits.get_or_create(&TenantLabels { tenant: tenant.to_owned() }).inc();
    }

    /// An address's flags were looked up. Once per look-up.
    pub fn flags_cache(&self, tenant: &str, result: &'static str) {
        self.flags_cache.get_or_create(&ResultLabels { tenant: tenant.to_owned(), result }).inc();
    }

    /// A claim was answered: what that tells of the order.
    pub fn order(&self, tenant: &str, answer: &Answer) {
        let labels = || TenantLabels { tenant: tenant.to_owned() };
        if let Claim::Behind { .. } = answer.claim {
            self.order_waits.get_or_create(&labels()).inc();
        }
        if answer.late {
            self.out_of_order.get_or_create(&labels()).inc();
        }
        if answer.gap {
            self.sequence_gap(Some(tenant));
        }
    }

    /// A sequence number was given, and its event is not published.
    pub fn sequence_gap(&self, tenant: Option<&str>) {
        let tenant = tenant.unwrap_or(NO_TENANT).to_owned();
        self.sequence_gaps.get_or_create(&TenantLabels { tenant }).inc();
    }

    /// A timer fired.
    pub fn timer(&self, kind: TimerKind, fate: Fate) {
        let labels = TimerLabels { kind: kind.as_str(), result: fate.label() };
        self.timers.get_or_create(&labels).inc();
    }

    /// Payments by tenant: pending, and overdue. Who is not named has none.
    pub fn payments(&self, counts: &[(String, i64, i64)]) {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        for tenant in tenants.iter() {
            let count = counts.iter().find(|(counted, ..)| counted == tenant);
            let (pending, overdue) =
                count.map_or((0, 0), |(_, pending, overdue)| (*pending, *overdue));
            let labels = TenantLabels { tenant: tenant.clone() };
            self.payments_pending.get_or_create(&labels).set(pending);
            self.payments_overdue.get_or_create(&labels).set(overdue);
        }
    }

    /// An acknowledgement did not reach the broker.
    pub fn ack_lost(&self) {
        self.acks_lost.inc();
    }

    /// So many spans were exported or lost.
    pub fn spans(&self, result: &'static str, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.spans.get_or_create(&SpanLabels { result }).inc_by(count);
    }

    /// The exposition that Prometheus scrapes (OpenMetrics text), with what works at the moment.
    #[must_use]
    pub fn render(&self, now: Parts) -> String {
        let [consuming, publishing, blocked, database] = &self.parts;
        consuming.set(now.consuming.into());
        publishing.set(now.publishing.into());
        blocked.set(now.blocked.into());
        database.set(now.database.into());
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
