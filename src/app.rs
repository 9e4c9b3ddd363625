//! Builds everything from the settings, runs it, and stops it in reverse order.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use deadpool_postgres::Pool;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    broker::{Consumer, RabbitPublisher, Topology},
    clock,
    config::{Settings, TenantSettings},
    database::{self, Database, connect_pool},
    docplanner::{ApiBookings, ApiClient, ApiSettings, CachedAddresses, http_client},
    health::Health,
    inbox::{self, InboxSettings, PostgresInbox},
    mapping::{MappingCopy, Mappings},
    metrics::Metrics,
    pipeline::Pipeline,
    probes,
    quarantine::Quarantine,
    reload::Reload,
    retry::{Backoff, RetryPolicy},
    shutdown::Stop,
    telemetry::{self, LogLevel, LogSignals},
    tenants::{Roster, Tenant, Tenants},
    timers::{self, PostgresTimers},
    traces,
};

/// Consumes until a signal, then drains. A second signal leaves at once. The tenants follow `file`, of which the
/// settings were read.
///
/// # Errors
///
/// If something in the settings cannot be used at all. A server that is away is no error: the
/// worker waits for it, not ready.
pub async fn run(settings: Settings, file: Option<PathBuf>) -> anyhow::Result<()> {
    let stop = Stop::default();
    let metrics = Arc::new(Metrics::new(settings.tenants.iter().map(|tenant| tenant.id.as_str())));
    let exporting = traces::exporting(&settings.traces, Uuid::new_v4(), &metrics)?;
    let (tracer, export) = exporting.map(|it| (it.tracer, it.export)).unzip();
    let level = telemetry::init(&settings.log, tracer)?;
    let signals = AbortOnDropHandle::new(tokio::spawn(stop.clone().on_signals()));
    // Before anything else: until somebody listens, these signals end a process.
    let hangups = signal(SignalKind::hangup())?;
    let log_signals = LogSignals::receive()?;
    let log_signals = AbortOnDropHandle::new(tokio::spawn(level.clone().on_signals(log_signals)));
    let Stop { soft, hard } = stop.clone();
    let running =
        Box::pin(run_until_stopped(settings, (file, hangups, level), metrics, export, stop));
    let result = hard.run_until_cancelled(running).await;
    drop((signals, log_signals));
    // After an error, too, so that the end of what still runs is no surprise.
    soft.cancel();
    result.unwrap_or(Ok(()))
}

async fn run_until_stopped(
    settings: Settings,
    (file, hangups, level): (Option<PathBuf>, Signal, LogLevel),
    metrics: Arc<Metrics>,
    export: Option<traces::Export>,
    stop: Stop,
) -> anyhow::Result<()> {
    info!(version = env!("CARGO_PKG_VERSION"), tenants = settings.tenants.len(), "starting");
    let topology = Topology::new(&settings.broker, settings.targets());
    metrics.queues.watch(&topology.queue_names(), &[topology.incoming(), &topology.dead()]);
    let health = Arc::new(Health::default());
    let background = Background::new(&health, &stop);
    if let Some(export) = export {
        background.spawn("traces", export.run(background.last.clone()));
    }

    let listener = probes::bind(settings.http.listen).await?;
    let last = background.last.clone();
    background
        .spawn("probes", probes::serve(listener, Arc::clone(&health), Arc::clone(&metrics), last));

    let pool = connect_pool(&settings.database).context("database")?;
    let prepared = async {
        wait_for_schema(&pool, &health).await;
        let database = Database::new(pool.clone(), Arc::clone(&health));
        MappingCopy::load(database, background.last.clone()).await
    };
    if let Some((mappings, following)) = stop.soft.run_until_cancelled(prepared).await {
        background.spawn("mapping", following);
        let drain_timeout = settings.broker.drain_timeout;
        let soft = stop.soft.clone();
        let shared = Shared {
            prefetch: settings.broker.prefetch,
            database: Database::new(pool.clone(), Arc::clone(&health)),
        };
        let all = tenants(&settings.tenants, Some(&shared), &Tenants::default(), &metrics)?;
        share_places(&all, &shared);
        let roster = Arc::new(Roster::new(Tenants::new(all, vec![])));
        let served = (Arc::clone(&roster), topology.clone());
        let (consumer, timers) =
            build(&settings, &pool, served, mappings, &health, &metrics, &background, stop)?;
        if let Some(file) = file {
            let reload =
                Reload::new(file, settings, roster, topology, shared, level, Arc::clone(&metrics));
            background.spawn("reload", reload.run_until_stopped(hangups, soft.clone()));
        }
        let timers = tokio::spawn(background.essential("timers", timers));
        let asked_to_stop = soft.clone();
        let deadline = tokio::spawn(async move {
            asked_to_stop.cancelled().await;
            tokio::time::sleep(drain_timeout).await;
        });
        consumer.run().await;
        soft.cancel();
        // Timers that are not finished fire again elsewhere, once their leases have run out.
        tokio::select! {
            _ = timers => {}
            _ = deadline => warn!("not every timer that was due could be finished in time"),
        }
    }

    background.stop().await;
    info!("stopped");
    Ok(())
}

/// What deliveries need until the last of them is settled; stopped after the consumer.
struct Background {
    tasks: TaskTracker,
    last: CancellationToken,
    health: Arc<Health>,
    stop: Stop,
}

/// For reading the schema's version. A frozen server accepts connections and says nothing.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(10);

/// For closing connections. A server that is away must not keep a stopped worker.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

impl Background {
    fn new(health: &Arc<Health>, stop: &Stop) -> Self {
        Self {
            tasks: TaskTracker::new(),
            last: CancellationToken::new(),
            health: Arc::clone(health),
            stop: stop.clone(),
        }
    }

    /// Spawns a task that ends by itself after `last` is cancelled.
    fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.tasks.spawn(self.essential(name, task));
    }

    /// A task without which the process is of no use. Should it end or panic before the worker stops, the process
    /// is no longer alive for `/livez`.
    fn essential<F: Future>(
        &self,
        name: &'static str,
        task: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let ends = Essential { name, health: Arc::clone(&self.health), stop: self.stop.clone() };
        async move {
            let _ends = ends;
            task.await
        }
    }

    async fn stop(self) {
        self.last.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tasks.wait()).await.is_err() {
            warn!("not everything could be closed in time");
        }
    }
}

/// Tells the end of an essential task, however it ends.
struct Essential {
    name: &'static str,
    health: Arc<Health>,
    stop: Stop,
}

impl Drop for Essential {
    fn drop(&mut self) {
        if !self.stop.is_soft() {
            self.health.ended(self.name);
        }
    }
}

type Worker = Consumer<PostgresInbox, CachedAddresses, ApiBookings, RabbitPublisher>;

/// The consumer and the timers, with everything behind them.
#[expect(clippy::too_many_arguments, reason = "the one place where all parts are made")]
fn build(
    settings: &Settings,
    pool: &Pool,
    (roster, topology): (Arc<Roster>, Topology),
    mappings: Arc<dyn Mappings>,
    health: &Arc<Health>,
    metrics: &Arc<Metrics>,
    background: &Background,
    stop: Stop,
) -> anyhow::Result<(Worker, impl Future<Output = ()> + Send + use<>)> {
    let database = Database::new(pool.clone(), Arc::clone(health));
    let (publisher, publishing) = RabbitPublisher::new(
        settings.broker.clone(),
        topology.clone(),
        Arc::clone(health),
        Arc::clone(metrics),
        clock::system,
    );
    background.spawn("publishing", publishing.run(background.last.clone()));
    let retry = RetryPolicy::new(settings.broker.retry_delays.clone())?;
    let inbox_settings = InboxSettings {
        process: Uuid::new_v4(),
        lease: settings.database.lease,
        longest_delay: retry.longest_delay(),
        retention: settings.database.retention,
        clock: None,
    };
    let (inbox, batching) = PostgresInbox::new(&database, inbox_settings);
    // Not until the database has answered, but until nobody waits for the answer any more.
    background.spawn("inbox", background.last.clone().run_until_cancelled_owned(batching));
    background.spawn("database watch", database.clone().watch(background.last.clone()));
    let retention = settings.database.retention;
    let cleaning = inbox::clean_until_stopped(pool.clone(), retention, background.last.clone());
    background.spawn("inbox cleaning", cleaning);
    let (addresses, upkeep) = CachedAddresses::new(database.clone(), Arc::clone(metrics));
    let (listening, last) = (settings.database.clone(), background.last.clone());
    background.spawn("address upkeep", upkeep.run_until_stopped(listening, pool.clone(), last));
    let pipeline = Arc::new(Pipeline {
        inbox,
        addresses,
        bookings: ApiBookings,
        clock: clock::system,
        mappings,
        publisher: publisher.clone(),
        tenants: roster,
        retry,
        max_body_bytes: settings.broker.max_body_bytes,
        metrics: Arc::clone(metrics),
        give_up: stop.hard.child_token(),
    });
    let timers = PostgresTimers::new(database.clone(), settings.database.lease, None);
    let timers = timers::run_until_stopped(Arc::clone(&pipeline), timers, stop.soft.clone());
    let consumer = Consumer::new(
        settings.broker.clone(),
        topology,
        pipeline,
        Quarantine::new(database),
        publisher,
        Arc::clone(health),
        Arc::clone(metrics),
        clock::system,
        stop,
    );
    Ok((consumer, timers))
}

/// What all API clients of a worker share.
pub struct Shared {
    /// `broker.prefetch`: no tenant's API may hold all of it, if there is another tenant.
    pub prefetch: u16,
    /// Where the pods share each tenant's quota.
    pub database: Database,
}

/// The tenants of the settings. One whose settings are the same as before stays as it is, and one whose API is the same
/// keeps its client: token, breaker, pauses and what it has learned. Without `shared`, clients are for a single question.
///
/// # Errors
///
/// If a client cannot be made.
pub fn tenants(
    settings: &[TenantSettings],
    shared: Option<&Shared>,
    before: &Tenants,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Vec<Arc<Tenant>>> {
    let http = http_client()?;
    let tenant = |settings: &TenantSettings| {
        let before = before.of_id(&settings.id);
        if let Some(same) = before.as_ref().filter(|before| before.settings == *settings) {
            return Ok(Arc::clone(same));
        }
        let client = match before.filter(|before| before.settings.has_the_same_api(settings)) {
            Some(before) => Arc::clone(&before.api.client),
            None => Arc::new(shared_client(settings, http.clone(), shared, metrics)?),
        };
        Ok(Arc::new(Tenant::new(settings.clone(), client)))
    };
    settings.iter().map(tenant).collect()
}

fn shared_client(
    settings: &TenantSettings,
    http: reqwest::Client,
    shared: Option<&Shared>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<ApiClient> {
    let client = api_client(settings, http, metrics)?;
    Ok(match shared {
        Some(shared) => client.of_worker(shared.database.clone()),
        None => client,
    })
}

/// Gives the deliveries of each tenant their part of the prefetch window.
pub fn share_places(tenants: &[Arc<Tenant>], shared: &Shared) {
    let is_only = tenants.len() == 1;
    for tenant in tenants {
        tenant.api.client.allow_places(tenant.settings.places(shared.prefetch, is_only));
    }
}

/// A tenant's API client.
///
/// # Errors
///
/// If the base URL is none.
pub fn api_client(
    tenant: &TenantSettings,
    http: reqwest::Client,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<ApiClient> {
    let settings = ApiSettings {
        tenant: tenant.id.clone(),
        base_url: tenant.base_url().map_err(anyhow::Error::msg)?,
        client_id: tenant.client_id.clone(),
        client_secret: tenant.client_secret.clone(),
        limits: tenant.limits.clone(),
    };
    Ok(ApiClient::new(settings, http, clock::system, Arc::clone(metrics)))
}

/// Waits until the database is there and migrated.
async fn wait_for_schema(pool: &Pool, health: &Health) {
    let mut backoff = Backoff::reconnect();
    loop {
        let checked = async {
            let mut client = pool.get().await.context("cannot get a database connection")?;
            inbox::check_schema(&mut client).await?;
            anyhow::Ok(())
        };
        match tokio::time::timeout(SCHEMA_TIMEOUT, checked).await {
            Ok(Ok(())) => return health.database_answered(),
            Ok(Err(error)) => health.database_failed(&database::told(&*error)),
            Err(_) => health.database_failed("the database does not tell its schema in time"),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_ends_the_life_of_the_process_and_one_that_is_stopped_does_not() {
        let (health, stop) = (Arc::new(Health::default()), Stop::default());
        let background = Background::new(&health, &stop);
        background.spawn("stopped", background.last.clone().cancelled_owned());
        assert_eq!(health.missing_task(), None);
        background.spawn("panicking", async { panic!("in a test") });
        while health.missing_task().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(health.missing_task(), Some("panicking"));
        stop.soft.cancel();
        background.stop().await;
        assert_eq!(health.missing_task(), Some("panicking"), "it is not the other one");
    }
}
