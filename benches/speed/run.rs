//! One run: a full queue, programs that empty it, and what that cost.

use std::time::{Duration, Instant};

use anyhow::ensure;
use docplanner_worker::simulator::api::{Fault, Options, Simulator};

use crate::{
    bench::Bench,
    count::Counter,
    fill::fill,
    load::Load,
    place::Place,
    process::{Memory, Tree},
    programs::{Program, Running, Told},
    statistics::x_at,
};

/// How often is counted.
const TICK: Duration = Duration::from_millis(50);

/// A program that publishes nothing for so long has failed.
const STALLED: Duration = Duration::from_secs(30);

/// Between these shares of all events the time is taken: the start, caches that are still cold and the last window are
/// outside.
const MEASURED: (f64, f64) = (0.05, 0.95);

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) program: Program,
    pub(crate) processes: usize,
    pub(crate) load: Load,
    pub(crate) prefetch: u16,
    /// How late the API answers.
    pub(crate) api_latency: Option<Duration>,
    /// More lines of the worker's settings.
    pub(crate) settings: Vec<String>,
    /// A database that is there, instead of a new one.
    pub(crate) database: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Notifications a second.
    pub(crate) rate: f64,
    /// Processor seconds for 10,000 notifications: of the programs, RabbitMQ and PostgreSQL.
    pub(crate) cpu: [Option<f64>; 3],
    /// Of all processes together: the most that was seen, and the most that ever was.
    pub(crate) memory: Memory,
    /// Requests to the API.
    pub(crate) requests: u32,
}

/// One look at everything.
struct Sample {
    at: f64,
    arrived: f64,
    cpu: [Option<f64>; 3],
    memory: Memory,
}

impl Run {
    pub(crate) fn new(program: Program, load: Load, bench: &Bench) -> Self {
        Self {
            program,
            processes: 1,
            load,
            prefetch: bench.options.prefetch,
            api_latency: None,
            settings: bench.options.settings.clone(),
            database: None,
        }
    }

    /// Makes a place, runs, and removes the place.
    pub(crate) async fn measure(&self, bench: &Bench) -> anyhow::Result<Outcome> {
        let place = Place::make(bench, self.database.as_deref()).await?;
        let outcome = self.measure_in(&place, bench).await;
        place.remove(bench, outcome.is_err()).await?;
        outcome
    }

    async fn measure_in(&self, place: &Place, bench: &Bench) -> anyhow::Result<Outcome> {
        let docplanner = self.docplanner().await?;
        let mut more = vec![format!("broker.prefetch={}", self.prefetch)];
        more.extend(self.settings.clone());
        let settings = place.settings(&self.load, &docplanner, &more)?;
        place.prepare(self.preparing(bench), &settings).await?;
        fill(&place.amqp_url, &self.load).await?;
        let counter = Counter::connect(&place.amqp_url).await?;
        ensure!(counter.waiting().await? == self.load.messages, "the queue is not full");
        bench.rest().await?;

        let told = Told {
            place,
            settings: &settings,
            prefetch: self.prefetch,
            api_url: &docplanner.base_url(),
        };
        let mut running: Vec<Running> = (0..self.processes)
            .map(|nth| self.program.start(&told, nth))
            .collect::<anyhow::Result<_>>()?;
        let samples = self.watch(&counter, &mut running, bench).await?;
        for program in running {
            program.stop().await?;
        }
        self.verify(&counter).await?;
        let requests = u32::try_from(docplanner.requests().len())?;
        docplanner.stop().await;
        self.conclude(&samples, requests)
    }

    /// Docplanner, with all addresses of the load.
    pub(crate) async fn docplanner(&self) -> anyhow::Result<Simulator> {
        let options = Options { world: self.load.world(), ..Options::default() };
        let docplanner = Simulator::start(options).await?;
        if let Some(latency) = self.api_latency {
            docplanner.fault(Fault::latency(latency).on("GET /facilities"));
        }
        Ok(docplanner)
    }

    /// Which worker declares and migrates: the measured one, because another may know other tables.
    pub(crate) fn preparing<'a>(&'a self, bench: &'a Bench) -> &'a std::path::Path {
        match &self.program {
            Program::Worker(binary) => binary,
            _ => &bench.options.worker,
        }
    }

    /// Counts until everything has arrived.
    async fn watch(
        &self,
        counter: &Counter,
        running: &mut [Running],
        bench: &Bench,
    ) -> anyhow::Result<Vec<Sample>> {
        let events = self.load.events();
        let since = Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut samples: Vec<Sample> = Vec::new();
        let (mut last, mut moved_at) = (0, since);
        loop {
            ticks.tick().await;
            let arrived = counter.arrived().await?;
            let at = since.elapsed().as_secs_f64();
            samples.push(Sample::take(at, arrived, running, bench));
            if arrived >= events {
                return Ok(samples);
            }
            if arrived != last {
                (last, moved_at) = (arrived, Instant::now());
            }
            for program in running.iter_mut() {
                program.has_ended()?;
            }
            let log = running.first().map(|program| program.log.display().to_string());
            ensure!(
                moved_at.elapsed() < STALLED,
                "{arrived} of {events} events, and no more for {STALLED:?}: see {}",
                log.unwrap_or_default()
            );
        }
    }

    /// Whoever has stopped holds nothing: what it has not acknowledged is back in the queue.
    async fn verify(&self, counter: &Counter) -> anyhow::Result<()> {
        let (arrived, events) = (counter.arrived().await?, self.load.events());
        ensure!(arrived == events, "{arrived} events, not {events}");
        let waiting = counter.waiting().await?;
        ensure!(waiting == 0, "{waiting} notifications are not acknowledged");
        let astray = counter.astray().await?;
        ensure!(astray.is_empty(), "{}", astray.join(", "));
        Ok(())
    }

    fn conclude(&self, samples: &[Sample], requests: u32) -> anyhow::Result<Outcome> {
        let events = f64::from(self.load.events());
        // A duplicate leaves no event, but they come evenly.
        let notifications = f64::from(self.load.messages) * (MEASURED.1 - MEASURED.0);
        let arrivals: Vec<_> = samples.iter().map(|sample| (sample.at, sample.arrived)).collect();
        let moment = |share: f64| x_at(&arrivals, share * events).unwrap_or_default();
        let seconds = moment(MEASURED.1) - moment(MEASURED.0);
        ensure!(seconds > 0.5, "{seconds:.2} s are too short to measure: more --messages");
        let cpu = [0, 1, 2].map(|whose| {
            let spent = samples
                .iter()
                .map(|sample| Some((sample.cpu[whose]?, sample.arrived)))
                .collect::<Option<Vec<_>>>()?;
            let at = |share: f64| x_at(&spent, share * events);
            Some((at(MEASURED.1)? - at(MEASURED.0)?) * 10_000.0 / notifications)
        });
        let memory = samples.iter().fold(Memory::default(), |most, sample| Memory {
            mib: most.mib.max(sample.memory.mib),
            peak_mib: most.peak_mib.max(sample.memory.peak_mib),
        });
        Ok(Outcome { rate: notifications / seconds, cpu, memory, requests })
    }
}

impl Sample {
    fn take(at: f64, arrived: u32, running: &[Running], bench: &Bench) -> Self {
        let programs: f64 = running.iter().map(|program| program.tree.cpu_seconds()).sum();
        let server = |tree: &Option<Tree>| tree.as_ref().map(Tree::cpu_seconds);
        let memory = running.iter().map(|program| program.tree.memory());
        Self {
            at,
            arrived: f64::from(arrived),
            cpu: [
                Some(programs),
                server(&bench.servers.rabbitmq),
                server(&bench.servers.postgresql),
            ],
            memory: memory.fold(Memory::default(), |sum, one| Memory {
                mib: sum.mib + one.mib,
                peak_mib: sum.peak_mib + one.peak_mib,
            }),
        }
    }
}
