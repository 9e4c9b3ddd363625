//! Every metric of the worker. Labels are bounded words plus the tenant; every series exists at zero from the
//! start, so that the first event shows as an increase.

mod labels;
mod queues;

use std::{
    sync::{PoisonError, RwLock, atomic::AtomicU64},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use self::labels::{
    API_OPERATIONS, API_STATUSES, ApiLabels, CACHE_RESULTS, DISPOSITIONS, DeliveryLabels,
    DispositionLabels, EventLabels, KindLabels, NO_KIND, NO_TENANT, PUBLISH_RESULTS,
    RELOAD_RESULTS, ReasonLabels, ReloadLabels, ResultLabels, SPAN_RESULTS, STAGES, SpanLabels,
    StageLabels, TIMER_RESULTS, TenantLabels, TimerLabels,
};
pub use self::queues::{QueueMetrics, QueueSeen};
use crate::{
    delivery::{Disposition, Processed, Reason},
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
        metrics.register_config();
        metrics.start_at_zero();
        metrics.serve(tenants);
        metrics
    }

    fn register(&mut self) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let r = &mut self.registry;
        r.register("deliveries", "Settled deliveries", self.deliveries.clone());
        r.register(
            "delivery_duration_seconds",
            "From delivery to settlement",
            self.delivery_duration.clone(),
        );
        r.register(
            "stage_duration_seconds",
            "Time spent in one stage of a delivery",
            self.stage_duration.clone(),
        );
        r.register("deliveries_in_flight", "Deliveries not settled yet", self.in_flight.clone());
        r.register("events_published", "Attempts to publish an event", self.events.clone());
        r.register(
            "duplicates",
            "Notifications recognized as published before",
            self.duplicates.clone(),
        );
        r.register("api_requests", "Requests to Docplanner's API", self.api_requests.clone());
        r.register(
            "flags_cache_requests",
            "Look-ups of an address's flags, by where they came from: hit (memory), database, miss \
             (the API), stale (old ones, the API was asked in vain), crowded (put off), none",
            self.flags_cache.clone(),
        );
        r.register(
            "api_breaker_state",
            "Whether the API is asked: 0 closed (it is), 1 half-open (one request tries), 2 open",
            self.breaker.clone(),
        );
        r.register(
            "api_quota_remaining",
            "Requests left as the API told last, -1 if it has told none",
            self.quota_remaining.clone(),
        );
        r.register(
            "quota_waits",
            "Requests put off because the quota is spent for now",
            self.quota_waits.clone(),
        );
        r.register("dead_letters", "Deliveries set aside for a person", self.dead_letters.clone());
        r.register(
            "order_waits",
            "Claims put off because an earlier notification of the same booking is not finished",
            self.order_waits.clone(),
        );
        r.register(
            "sequence_gaps",
            "Sequence numbers that were given and not published",
            self.sequence_gaps.clone(),
        );
        r.register(
            "out_of_order",
            "Notifications delivered after one of the same booking that was created later",
            self.out_of_order.clone(),
        );
        r.register(
            "timers_fired",
            "Timers that fired, and what became of them",
            self.timers.clone(),
        );
        r.register(
            "payments_pending",
            "Visits to be paid, not decided yet; the same in every pod",
            self.payments_pending.clone(),
        );
        r.register(
            "payments_overdue",
            "Visits whose payment should have been decided a minute ago; the same in every pod",
            self.payments_overdue.clone(),
        );
        r.register(
            "acks_lost",
            "Acknowledgements whose channel was gone; the broker delivers again",
            self.acks_lost.clone(),
        );
        r.register("spans", "Spans, and whether the collector got them", self.spans.clone());
        self.queues.register(r);
        let [consuming, publishing, blocked, database] = &self.parts;
        r.register("broker_connected", "1 while deliveries can arrive", consuming.clone());
        r.register("broker_publishing", "1 while events can be published", publishing.clone());
        r.register("broker_blocked", "1 while the broker blocks publishing", blocked.clone());
        r.register("database_connected", "1 while the database answers", database.clone());
        r.register("build", "Version of the worker", build);
    }

    fn register_config(&mut self) {
        let r = &mut self.registry;
        r.register(
            "config_reloads",
            "Settings read anew: applied, refused because something is wrong, unchanged",
            self.config_reloads.clone(),
        );
        r.register(
            "config_last_reload_successful",
            "1 unless the settings that were read last were refused",
            self.config_last_reload_successful.clone(),
        );
        r.register(
            "config_hash",
            "A number made of the tenants' settings in force, secrets aside: equal where they are",
            self.config_hash.clone(),
        );
    }

    fn start_at_zero(&self) {
        for disposition in DISPOSITIONS {
            drop(self.delivery_duration.get_or_create(&DispositionLabels { disposition }));
        }
        for kind in TimerKind::ALL.map(TimerKind::as_str) {
            for result in TIMER_RESULTS {
                drop(self.timers.get_or_create(&TimerLabels { kind, result }));
            }
        }
        for result in SPAN_RESULTS {
            drop(self.spans.get_or_create(&SpanLabels { result }));
        }
        for stage in STAGES {
            drop(self.stage_duration.get_or_create(&StageLabels { stage }));
        }
        for result in RELOAD_RESULTS {
            drop(self.config_reloads.get_or_create(&ReloadLabels { result }));
        }
        self.config_last_reload_successful.set(1);
        self.start_deliveries_at_zero(NO_TENANT);
    }

    /// Of whom nothing but deliveries may be known.
    fn start_deliveries_at_zero(&self, tenant: &str) {
        let tenant = || tenant.to_owned();
        for kind in Kind::ALL.map(Kind::name).into_iter().chain([NO_KIND]) {
            for disposition in DISPOSITIONS {
                let labels = DeliveryLabels { tenant: tenant(), kind, disposition };
                drop(self.deliveries.get_or_create(&labels));
            }
            drop(self.duplicates.get_or_create(&KindLabels { tenant: tenant(), kind }));
        }
        drop(self.sequence_gaps.get_or_create(&TenantLabels { tenant: tenant() }));
        for reason in Reason::ALL.map(Reason::as_str) {
            drop(self.dead_letters.get_or_create(&ReasonLabels { tenant: tenant(), reason }));
        }
    }

    fn start_tenant_at_zero(&self, tenant: &str) {
        self.start_deliveries_at_zero(tenant);
        let tenant = || tenant.to_owned();
        for r#type in EventKind::ALL.map(EventKind::name) {
            for result in PUBLISH_RESULTS {
                drop(self.events.get_or_create(&EventLabels { tenant: tenant(), r#type, result }));
            }
        }
        for operation in API_OPERATIONS {
            for status in API_STATUSES {
                let labels = ApiLabels { tenant: tenant(), operation, status };
                drop(self.api_requests.get_or_create(&labels));
            }
        }
        self.quota_remaining.get_or_create(&TenantLabels { tenant: tenant() }).set(UNTOLD_QUOTA);
        for counts in [&self.order_waits, &self.out_of_order, &self.quota_waits] {
            drop(counts.get_or_create(&TenantLabels { tenant: tenant() }));
        }
        for gauge in [&self.breaker, &self.payments_pending, &self.payments_overdue] {
            drop(gauge.get_or_create(&TenantLabels { tenant: tenant() }));
        }
        for result in CACHE_RESULTS {
            drop(self.flags_cache.get_or_create(&ResultLabels { tenant: tenant(), result }));
        }
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
