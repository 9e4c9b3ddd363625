//! Builds everything from the settings, runs it, and stops it in reverse order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use deadpool_postgres::Pool;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    broker::{Consumer, RabbitPublisher, Topology},
    clock,
    config::{Settings, TenantSettings},
    database::{Database, connect_pool},
    docplanner::{ApiBookings, ApiClient, ApiSettings, CachedAddresses, Upkeep},
    health::Health,
    inbox::{self, InboxSettings, PostgresInbox},
    mapping::{MappingCopy, Mappings},
    metrics::Metrics,
    pipeline::Pipeline,
    probes,
    quarantine::Quarantine,
    retry::{Backoff, RetryPolicy},
    shutdown::Stop,
    tenants::Tenants,
    timers::{self, PostgresTimers},
};

/// Consumes until a signal, then drains. A second signal leaves at once.
///
/// # Errors
///
/// If something in the settings cannot be used at all. A server that is away is no error: the
/// worker waits for it, not ready.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let stop = Stop::default();
    let signals = tokio::spawn(stop.clone().on_signals());
    let hard = stop.hard.clone();
    let result = hard.run_until_cancelled(Box::pin(run_until_stopped(settings, stop))).await;
    signals.abort();
    result.unwrap_or(Ok(()))
}

async fn run_until_stopped(settings: Settings, stop: Stop) -> anyhow::Result<()> {
    info!(version = env!("CARGO_PKG_VERSION"), tenants = settings.tenants.len(), "starting");
    let metrics = Arc::new(Metrics::new(settings.tenants.iter().map(|tenant| tenant.id.as_str())));
    let health = Arc::new(Health::default());
    let background = Background::default();

    let listener = probes::bind(settings.http.listen).await?;
    let last = background.last.clone();
    background.spawn(probes::serve(listener, Arc::clone(&health), Arc::clone(&metrics), last));

    let pool = connect_pool(&settings.database).context("database")?;
    let prepared = async {
        wait_for_schema(&pool, &health).await;
        let database = Database::new(pool.clone(), Arc::clone(&health));
        MappingCopy::load(database, background.last.clone()).await
    };
    if let Some((mappings, following)) = stop.soft.run_until_cancelled(prepared).await {
        background.spawn(following);
        let drain_timeout = settings.broker.drain_timeout;
        let soft = stop.soft.clone();
        let (consumer, timers) =
            build(&settings, &pool, mappings, &health, &metrics, &background, stop)?;
        let timers = tokio::spawn(timers);
        consumer.run().await;
        soft.cancel();
        // Timers that are not finished fire again elsewhere, once their leases have run out.
        if tokio::time::timeout(drain_timeout, timers).await.is_err() {
            warn!("not every timer that was due could be finished in time");
        }
    }

    background.stop().await;
    info!("stopped");
    Ok(())
}

/// What deliveries need until the last of them is settled; stopped after the consumer.
#[derive(Default)]
struct Background {
    tasks: TaskTracker,
    last: CancellationToken,
}

/// For reading the schema's version. A frozen server accepts connections and says nothing.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(10);

/// For closing connections. A server that is away must not keep a stopped worker.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

impl Background {
    /// Spawns a task that ends by itself after `last` is cancelled.
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    async fn stop(self) {
        self.last.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tasks.wait()).await.is_err() {
            warn!("not everything could be closed in time");
        }
    }
}

type Worker = Consumer<PostgresInbox, CachedAddresses, ApiBookings, RabbitPublisher>;

/// The consumer and the timers, with everything behind them.
fn build(
    settings: &Settings,
    pool: &Pool,
    mappings: Arc<dyn Mappings>,
    health: &Arc<Health>,
    metrics: &Arc<Metrics>,
    background: &Background,
    stop: Stop,
) -> anyhow::Result<(Worker, impl Future<Output = ()> + Send + use<>)> {
    let topology = Topology::new(&settings.broker);
    let database = Database::new(pool.clone(), Arc::clone(health));
    let (publisher, publishing) = RabbitPublisher::new(
        settings.broker.clone(),
        topology.clone(),
        Arc::clone(health),
        Arc::clone(metrics),
        clock::system,
    );
    background.spawn(publishing.run(background.last.clone()));
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
    background.spawn(background.last.clone().run_until_cancelled_owned(batching));
    background.spawn(database.clone().watch(background.last.clone()));
    let retention = settings.database.retention;
    background.spawn(inbox::clean_until_stopped(pool.clone(), retention, background.last.clone()));
    let clients = api_clients(settings, &database, metrics)?;
    let (addresses, upkeep) = addresses(&settings.tenants, &clients, &database, metrics);
    let (listening, last) = (settings.database.clone(), background.last.clone());
    background.spawn(upkeep.run_until_stopped(listening, pool.clone(), last));
    let pipeline = Arc::new(Pipeline {
        inbox,
        addresses,
        bookings: ApiBookings::new(clients),
        clock: clock::system,
        mappings,
        publisher: publisher.clone(),
        tenants: Tenants::new(&settings.tenants),
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

/// The tenants' API clients by the tenants' ids.
type ApiClients = BTreeMap<String, Arc<ApiClient>>;

/// Every tenant's API client. Whatever asks the API shares it: its token, its
/// breaker, its quota and its bounds are the tenant's.
///
/// # Errors
///
/// If a client cannot be made.
fn api_clients(
    settings: &Settings,
    database: &Database,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<ApiClients> {
    let client = |tenant: &TenantSettings| {
        let places = settings.concurrency_of(tenant);
        let client = api_client(tenant, metrics)?.of_worker(places, database.clone());
        Ok((tenant.id.clone(), Arc::new(client)))
    };
    settings.tenants.iter().map(client).collect()
}

/// The address cache over the tenants' API clients, and what has to run for it.
fn addresses(
    tenants: &[TenantSettings],
    clients: &ApiClients,
    database: &Database,
    metrics: &Arc<Metrics>,
) -> (CachedAddresses, Upkeep<impl Future<Output = ()> + Send + use<>>) {
    let with_client = |tenant: &TenantSettings| {
        let client = clients.get(&tenant.id)?;
        Some((tenant.id.clone(), Arc::clone(client), tenant.flags_ttl))
    };
    let clients = tenants.iter().filter_map(with_client).collect();
    CachedAddresses::new(clients, database.clone(), Arc::clone(metrics))
}

/// A tenant's API client.
///
/// # Errors
///
/// If the base URL is none, or TLS cannot be set up.
pub fn api_client(tenant: &TenantSettings, metrics: &Arc<Metrics>) -> anyhow::Result<ApiClient> {
    crate::tls::install_provider();
    let settings = ApiSettings {
        tenant: tenant.id.clone(),
        base_url: tenant.base_url().map_err(anyhow::Error::msg)?,
        client_id: tenant.client_id.clone(),
        client_secret: tenant.client_secret.clone(),
        limits: tenant.limits.clone(),
    };
    Ok(ApiClient::new(settings, clock::system, Arc::clone(metrics))?)
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
            Ok(Err(error)) => health.database_failed(&format!("{error:#}")),
            Err(_) => health.database_failed("the database does not tell its schema in time"),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}
