//! Names and descriptions of all metrics, and their zeros.

use prometheus_client::metrics::info::Info;

use super::{
    Metrics, UNTOLD_QUOTA,
    labels::{
        API_OPERATIONS, API_STATUSES, ApiLabels, CACHE_RESULTS, DISPOSITIONS, DeliveryLabels,
        DispositionLabels, EventLabels, KindLabels, NO_KIND, NO_TENANT, PUBLISH_RESULTS,
        RELOAD_RESULTS, ReasonLabels, ReloadLabels, ResultLabels, SPAN_RESULTS, STAGES, SpanLabels,
        StageLabels, TIMER_RESULTS, TenantLabels, TimerLabels,
    },
};
use crate::{delivery::Reason, effects::TimerKind, event::EventKind, notification::Kind};

impl Metrics {
    pub(super) fn register(&mut self) {
        self.register_deliveries();
        self.register_api();
        self.register_process();
    }

    fn register_deliveries(&mut self) {
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
    }

    fn register_api(&mut self) {
        let r = &mut self.registry;
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
    }

    fn register_process(&mut self) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let r = &mut self.registry;
        r.register("spans", "Spans, and whether the collector got them", self.spans.clone());
        self.queues.register(r);
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
        let [consuming, publishing, blocked, database] = &self.parts;
        r.register("broker_connected", "1 while deliveries can arrive", consuming.clone());
        r.register("broker_publishing", "1 while events can be published", publishing.clone());
        r.register("broker_blocked", "1 while the broker blocks publishing", blocked.clone());
        r.register("database_connected", "1 while the database answers", database.clone());
        r.register("build", "Version of the worker", build);
    }

    pub(super) fn start_at_zero(&self) {
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

    pub(super) fn start_tenant_at_zero(&self, tenant: &str) {
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
}
