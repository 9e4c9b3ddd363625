//! Everything that a run needs before it begins.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::ensure;
use docplanner_worker::simulator::api::{Fault, Options, Simulator};

use crate::{
    bench::Bench,
    count::Counter,
    fill::fill,
    load::Load,
    place::{Database, Place},
    programs::{Program, Running, Told},
};

/// What runs, on what.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) program: Program,
    pub(crate) load: Load,
    pub(crate) prefetch: u16,
    /// How late the API answers.
    pub(crate) api_latency: Option<Duration>,
    /// More lines of the worker's settings.
    pub(crate) settings: Vec<String>,
    pub(crate) database: Database,
}

impl Setup {
    pub(crate) fn new(program: Program, load: Load, bench: &Bench) -> Self {
        Self {
            program,
            load,
            prefetch: bench.options.prefetch,
            api_latency: None,
            settings: bench.options.settings.clone(),
            database: Database::New,
        }
    }

    /// The same with other bookings.
    pub(crate) fn later(&self, bookings: u64) -> Self {
        let mut later = self.clone();
        later.load.first_booking += bookings;
        later
    }

    /// Sets the stage, lets `act` happen on it, and clears it away, however that ended. Logs of a failure stay.
    pub(crate) async fn on_stage<T>(
        &self,
        bench: &Bench,
        act: impl AsyncFnOnce(&Stage) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let place = Place::make(bench, &self.database).await?;
        let acted = match Stage::set(self, place.clone(), bench).await {
            Ok(stage) => act(&stage).await,
            Err(error) => Err(error),
        };
        place.remove(bench, acted.is_err()).await?;
        acted
    }
}

/// Queues, tables, and an API that knows the load's addresses. No program runs yet.
pub(crate) struct Stage {
    pub(crate) setup: Setup,
    pub(crate) place: Place,
    pub(crate) docplanner: Simulator,
    pub(crate) counter: Counter,
    settings: PathBuf,
}

impl Stage {
    async fn set(setup: &Setup, place: Place, bench: &Bench) -> anyhow::Result<Self> {
        let options = Options { world: setup.load.world(), ..Options::default() };
        let docplanner = Simulator::start(options).await?;
        if let Some(latency) = setup.api_latency {
            docplanner.fault(Fault::latency(latency).on("GET /facilities"));
        }
        let mut more = vec![format!("broker.prefetch={}", setup.prefetch)];
        more.extend(setup.settings.clone());
        let settings = place.settings(&setup.load, &docplanner, &more)?;
        place.prepare(setup.preparing(bench), &settings).await?;
        let counter = Counter::connect(&place.amqp_url).await?;
        Ok(Self { setup: setup.clone(), place, docplanner, counter, settings })
    }

    /// Puts the whole load into the queue, and waits until the servers have done with it.
    pub(crate) async fn fill(&self, bench: &Bench) -> anyhow::Result<()> {
        fill(&self.place.amqp_url, &self.setup.load).await?;
        let waiting = self.counter.waiting().await?;
        ensure!(waiting == self.setup.load.messages, "{waiting} wait: the queue is not full");
        bench.rest().await
    }

    /// Starts the `nth` process of the program.
    pub(crate) fn start(&self, nth: usize) -> anyhow::Result<Running> {
        let told = Told {
            place: &self.place,
            settings: &self.settings,
            prefetch: self.setup.prefetch,
            api_url: &self.docplanner.base_url(),
        };
        self.setup.program.start(&told, nth)
    }

    /// After the programs have stopped: so many events are there, and nothing elsewhere. What a program that has
    /// ended did not acknowledge is back in the queue.
    pub(crate) async fn verify(&self, events: u32) -> anyhow::Result<()> {
        let arrived = self.counter.arrived().await?;
        ensure!(arrived == events, "{arrived} events, not {events}");
        let waiting = self.counter.waiting().await?;
        ensure!(waiting == 0, "{waiting} notifications are not acknowledged");
        let astray = self.counter.astray().await?;
        ensure!(astray.is_empty(), "{}", astray.join(", "));
        Ok(())
    }
}

impl Setup {
    /// Which worker declares and migrates: the measured one, because another may know other tables.
    fn preparing<'a>(&'a self, bench: &'a Bench) -> &'a Path {
        match &self.program {
            Program::Worker(binary) => binary,
            _ => &bench.options.worker,
        }
    }
}
