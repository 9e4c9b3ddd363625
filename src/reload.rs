//! Follows the settings file while the worker runs: tenants and the log's level change without a restart, all or
//! nothing.
//!
//! The file is read every second rather than watched: that sees a Kubernetes volume's swapped symlinks, a file on a
//! network share and an editor's rename alike, and costs less than a delivery. Secrets in files are read along.

mod departures;
mod watch;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use tokio::{
    signal::unix::Signal,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::{
    departures::Departures,
    watch::{Reading, Watch},
};
use crate::{
    app::{self, Shared},
    broker::{self, Topology},
    config::{Problems, Settings, TenantSettings},
    metrics::Metrics,
    telemetry::LogLevel,
    tenants::{Roster, Tenant, Tenants},
};

/// How often the file is read. A change is in force after two rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Puts what the file says of tenants into force.
pub struct Reload {
    file: PathBuf,
    /// What the worker runs with: its tenants are those of now, the rest is as it was at start.
    in_force: Settings,
    watch: Watch,
    departures: Departures,
    /// Why the last settings were refused.
    refusal: Option<String>,
    roster: Arc<Roster>,
    topology: Topology,
    shared: Shared,
    level: LogLevel,
    metrics: Arc<Metrics>,
}

impl Reload {
    /// Follows `file`, of which `settings` were read. A tenant that is removed leaves within the time that what waits
    /// in the retry queues needs for all of its attempts, the last one included.
    #[must_use]
    pub fn new(
        file: PathBuf,
        settings: Settings,
        roster: Arc<Roster>,
        topology: Topology,
        shared: Shared,
        level: LogLevel,
        metrics: Arc<Metrics>,
    ) -> Self {
        let retries: Duration = settings.broker.retry_delays.iter().sum();
        let departures = Departures::within(retries + settings.database.lease);
        let watch = Watch::new(Ok(settings.clone()));
        metrics.config_in_force(hash(&settings.tenants));
        let (in_force, refusal) = (settings, None);
        Self {
            file,
            in_force,
            watch,
            departures,
            refusal,
            roster,
            topology,
            shared,
            level,
            metrics,
        }
    }

    /// Reads the file again and again, and at once when asked by a signal.
    pub async fn run_until_stopped(mut self, mut hangups: Signal, stop: CancellationToken) {
        let mut rounds = interval(LOOK_EVERY);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = hangups.recv() => true,
                _ = rounds.tick() => false,
            };
            let file = self.file.clone();
            let reading = tokio::task::spawn_blocking(move || Settings::load(Some(&file))).await;
            let Ok(reading) = reading else { continue };
            if let Some(reading) = self.watch.notice(reading, is_asked)
                && stop.run_until_cancelled(self.act_on(reading, is_asked)).await.is_none()
            {
                return;
            }
            self.see_off();
        }
    }

    async fn act_on(&mut self, reading: Reading, is_asked: bool) {
        let result = match reading {
            Ok(settings) => self.take(settings).await,
            Err(problems) => {
                self.refuse(problems.to_string(), is_asked);
                return;
            }
        };
        match result {
            Ok(applied) => {
                self.refusal = None;
                self.metrics.config_reloaded(if applied { "applied" } else { "unchanged" });
            }
            Err(why) => {
                // Nothing is wrong with the file, so it is not waited for another one.
                self.watch.look_again();
                self.refuse(format!("{why:#}"), is_asked);
            }
        }
    }

    /// Puts the tenants into force; `false` if they are already.
    async fn take(&mut self, settings: Settings) -> anyhow::Result<bool> {
        self.log_as(&settings)?;
        let mut restart = self.in_force.fixed.changed(&settings.fixed);
        restart.retain(|setting| setting != "log.level");
        let restart = restart.join(", ");
        if !restart.is_empty() {
            warn!(settings = restart, "takes effect after a restart only: {restart}");
        }
        if settings.tenants == self.in_force.tenants {
            info!("the tenants' settings are as before");
            return Ok(false);
        }
        let before = self.roster.now();
        let tenants = app::tenants(&settings.tenants, Some(&self.shared), &before, &self.metrics)?;
        self.prepare(&settings).await?;
        let names = |all: &[Arc<Tenant>], these: &dyn Fn(&Arc<Tenant>) -> bool| {
            let these = all.iter().filter(|tenant| these(tenant));
            these.map(|tenant| tenant.profile.id.as_str()).collect::<Vec<_>>().join(" ")
        };
        let had = |tenant: &Arc<Tenant>| before.all().iter().any(|it| it.is_of(&tenant.profile.id));
        let is_same = |tenant: &Arc<Tenant>| before.all().iter().any(|it| Arc::ptr_eq(it, tenant));
        let added = names(&tenants, &|tenant| !had(tenant));
        let changed = names(&tenants, &|tenant| had(tenant) && !is_same(tenant));
        let removed = self.departures.begin(before.all(), &tenants, Instant::now());
        let removed = names(&removed, &|_| true);
        self.put_into_force(tenants);
        self.metrics.config_in_force(hash(&settings.tenants));
        self.in_force.tenants = settings.tenants;
        info!(added, changed, removed, "the tenants are reloaded");
        if !removed.is_empty() {
            let within = self.departures.within;
            info!(removed, ?within, "leaving: what was begun for {removed} is finished first");
        }
        Ok(true)
    }

    fn log_as(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let level = &settings.log.level;
        if *level != self.in_force.log.level {
            self.level.set(level)?;
            info!(level, "the log's level is {level} from now on");
            self.in_force.log.level.clone_from(level);
        }
        Ok(())
    }

    /// Declares the queues, and looks for the exchanges, that no route has led to so far.
    async fn prepare(&self, settings: &Settings) -> anyhow::Result<()> {
        let known: Vec<_> = self.in_force.targets().collect();
        if settings.targets().all(|target| known.contains(&target)) {
            return Ok(());
        }
        let broker = &self.in_force.broker;
        let topology = Topology::new(broker, settings.targets());
        let connection = broker::connect(broker, "reload").await?;
        topology.ensure(&connection).await?;
        let missing = topology.missing_exchanges(&connection).await?.join(", ");
        // What is left of it ends with the connection.
        let _ = connection.close(200, "prepared".into()).await;
        anyhow::ensure!(missing.is_empty(), "routes name exchanges that are not there: {missing}");
        Ok(())
    }

    fn put_into_force(&self, tenants: Vec<Arc<Tenant>>) {
        app::share_places(&tenants, &self.shared);
        let tenants = Tenants::new(tenants, self.departures.tenants());
        let all = || tenants.all().iter().chain(tenants.leaving());
        self.topology.route_to(all().flat_map(|it| it.rules.iter().map(|r| r.target.clone())));
        self.metrics.serve(all().map(|tenant| tenant.profile.id.as_str()));
        self.roster.replace(tenants);
    }

    /// Told once, unless somebody asks again.
    fn refuse(&mut self, why: String, is_asked: bool) {
        if !is_asked && self.refusal.as_ref() == Some(&why) {
            return;
        }
        for problem in why.lines() {
            error!(problem, "the settings are refused, those in force stay: {problem}");
        }
        self.metrics.config_reloaded("refused");
        self.refusal = Some(why);
    }

    fn see_off(&mut self) {
        let gone = self.departures.end(Instant::now());
        if gone.is_empty() {
            return;
        }
        self.put_into_force(self.roster.now().all().to_vec());
        for tenant in gone {
            info!(tenant, "{tenant} is gone; its timers wait in the database should it come back");
        }
    }
}

/// A number that a gauge keeps exactly. Secrets are no part of what is printed.
fn hash(tenants: &[TenantSettings]) -> u64 {
    let digest = Sha256::digest(format!("{tenants:?}"));
    digest.iter().take(6).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
