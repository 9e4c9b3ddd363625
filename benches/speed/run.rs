//! One run: a full queue, programs that empty it, and what that cost.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::{
    bench::Bench,
    process::{Memory, Tree},
    programs::{Program, Running},
    report::Measure,
    stage::{Setup, Stage},
    statistics::x_at,
};

/// How often events are counted. Each count interrupts the leaders of four queues, and each is interpolated.
const TICK: Duration = Duration::from_millis(200);

/// How often the processes are looked at, which is dearer.
const TICKS_BETWEEN_LOOKS: u32 = 2;

/// A program that publishes nothing for so long has failed.
const STALLED: Duration = Duration::from_secs(30);

/// Between these shares of all events the time is taken: the start, caches that are still cold and the last window are
/// outside.
const MEASURED: (f64, f64) = (0.05, 0.95);

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) setup: Setup,
    pub(crate) processes: usize,
    /// A question to the database that has to be answered with `true` when everything has arrived.
    pub(crate) afterwards: Option<&'static str>,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Notifications a second.
    pub(crate) rate: f64,
    /// Processor seconds for 10,000 notifications: of the programs, RabbitMQ and PostgreSQL.
    cpu: [Option<f64>; 3],
    /// Of all processes together.
    pub(crate) memory: Memory,
    /// To the API.
    requests: u32,
}

/// What was seen on the way.
#[derive(Default)]
struct Seen {
    /// When so many events had arrived.
    arrivals: Vec<(f64, f64)>,
    looks: Vec<Look>,
}

/// What everything had cost when so many events had arrived.
struct Look {
    arrived: f64,
    cpu: [Option<f64>; 3],
    memory: Memory,
}

impl Run {
    /// One process.
    pub(crate) fn new(setup: Setup) -> Self {
        Self { setup, processes: 1, afterwards: None }
    }

    pub(crate) fn program(&self) -> &Program {
        &self.setup.program
    }

    /// The whole run, with bookings of its own.
    pub(crate) async fn measure(&self, bookings: u64, bench: &Bench) -> anyhow::Result<Outcome> {
        let setup = self.setup.later(bookings);
        setup.on_stage(bench, async |stage| self.measure_on(stage, bench).await).await
    }

    async fn measure_on(&self, stage: &Stage, bench: &Bench) -> anyhow::Result<Outcome> {
        stage.fill(bench).await?;
        let mut running = Vec::new();
        for nth in 0..self.processes {
            running.push(stage.start(nth)?);
        }
        let seen = watch(stage, &mut running, bench).await?;
        if let Some(question) = self.afterwards {
            stage.place.ensure(bench, question).await?;
        }
        for program in running {
            program.stop().await?;
        }
        stage.verify(stage.setup.load.events()).await?;
        conclude(stage, &seen)
    }
}

impl Outcome {
    /// As a row shows them.
    pub(crate) fn values(&self) -> Vec<Measure> {
        let [own, rabbitmq, postgresql] = self.cpu;
        let figures = [
            ("rate", "1/s", 0, Some(self.rate)),
            ("cpu", "s/10k", 2, own),
            ("rabbitmq", "s/10k", 2, rabbitmq),
            ("postgresql", "s/10k", 2, postgresql),
            ("rss", "MiB", 1, Some(self.memory.mib)),
            ("peak", "MiB", 1, Some(self.memory.peak_mib)),
            ("requests", "", 0, Some(f64::from(self.requests))),
        ];
        let values = figures.into_iter();
        let values = values
            .map(|(name, unit, digits, value)| Some(Measure { name, unit, digits, value: value? }));
        values.flatten().collect()
    }
}

/// Counts until everything has arrived.
async fn watch(stage: &Stage, running: &mut [Running], bench: &Bench) -> anyhow::Result<Seen> {
    let events = stage.setup.load.events();
    let since = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut seen = Seen::default();
    let (mut last, mut moved_at) = (0, since);
    for tick in 0_u32.. {
        ticks.tick().await;
        let arrived = stage.counter.arrived().await?;
        seen.arrivals.push((since.elapsed().as_secs_f64(), f64::from(arrived)));
        if tick.is_multiple_of(TICKS_BETWEEN_LOOKS) || arrived >= events {
            seen.looks.push(Look::at(arrived, running, bench));
        }
        if arrived >= events {
            break;
        }
        if arrived != last {
            (last, moved_at) = (arrived, Instant::now());
        }
        for program in running.iter_mut() {
            program.is_alive()?;
        }
        ensure!(
            moved_at.elapsed() < STALLED,
            "{arrived} of {events} events, and no more for {STALLED:?}: see {}",
            stage.place.folder.display()
        );
    }
    Ok(seen)
}

fn conclude(stage: &Stage, seen: &Seen) -> anyhow::Result<Outcome> {
    let load = &stage.setup.load;
    let events = f64::from(load.events());
    // A duplicate leaves no event, but they come evenly.
    let notifications = f64::from(load.messages) * (MEASURED.1 - MEASURED.0);
    let between = |points: &[(f64, f64)]| {
        let at = |share: f64| x_at(points, share * events);
        Some(at(MEASURED.1)? - at(MEASURED.0)?)
    };
    let seconds = between(&seen.arrivals).unwrap_or_default();
    ensure!(seconds > 0.5, "{seconds:.2} s are too short to measure: more --messages");
    let cpu = [0, 1, 2].map(|whose| {
        let spent = seen.looks.iter().map(|look| Some((look.cpu[whose]?, look.arrived)));
        Some(between(&spent.collect::<Option<Vec<_>>>()?)? * 10_000.0 / notifications)
    });
    let memory = seen.looks.iter().map(|look| look.memory).fold(Memory::default(), Memory::max);
    let requests = u32::try_from(stage.docplanner.requests().len())?;
    Ok(Outcome { rate: notifications / seconds, cpu, memory, requests })
}

impl Look {
    fn at(arrived: u32, running: &[Running], bench: &Bench) -> Self {
        let programs: f64 = running.iter().map(|program| program.tree.cpu_seconds()).sum();
        let servers = &bench.servers;
        let [rabbitmq, postgresql] =
            [servers.rabbitmq, servers.postgresql].map(|server| server.map(Tree::cpu_seconds));
        let memory = running.iter().map(|program| program.tree.memory());
        Self {
            arrived: f64::from(arrived),
            cpu: [Some(programs), rabbitmq, postgresql],
            memory: memory.fold(Memory::default(), Memory::plus),
        }
    }
}
