//! How much memory the worker takes with a large window before a long queue, and, with `--minutes`, whether that stays.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{ConfirmSelectOptions, QueuePurgeOptions},
};

use crate::{
    bench::Bench,
    count::PARTNER_QUEUES,
    fill::publish,
    load::Load,
    process::Memory,
    report::{Measure, Section},
    round::{Case, rounds},
    run::Run,
    stage::{Setup, Stage},
};

const PREFETCH: u16 = 1_000;
const BACKLOG: u32 = 200_000;

pub(crate) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let load = Load::usual(BACKLOG);
    let setups = bench.workers().into_iter().map(|(name, program)| {
        (name, Setup { prefetch: PREFETCH, ..Setup::new(program, load.clone(), bench) })
    });
    let cases = setups.map(|(name, setup)| Case::new(name, setup)).collect();
    let minutes = bench.options.minutes;
    let rows = rounds(bench, cases, 1, async |setup: &Setup, bookings| match minutes {
        None => backlog(setup, bookings, bench).await,
        Some(minutes) => {
            let time = Duration::from_mins(1) * minutes;
            setup.later(bookings).on_stage(bench, async |stage| flat(stage, time).await).await
        }
    });
    let title = match minutes {
        None => format!("Memory: prefetch {PREFETCH}, backlog {}", load.messages),
        Some(minutes) => format!("Memory over {minutes} minutes: prefetch {PREFETCH}"),
    };
    Ok(Section { title, base: None, rows: rows.await?, notes: vec![] })
}

async fn backlog(setup: &Setup, bookings: u64, bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let outcome = Run::new(setup.clone()).measure(bookings, bench).await?;
    Ok(vec![
        mebibytes("peak", outcome.memory.peak_mib),
        mebibytes("rss", outcome.memory.mib),
        Measure { name: "rate", unit: "1/s", digits: 0, value: outcome.rate },
    ])
}

/// Keeps the queue from running empty, and the partner's queues from running full.
async fn flat(stage: &Stage, time: Duration) -> anyhow::Result<Vec<Measure>> {
    /// So many are sent whenever less than that wait.
    const PORTION: u32 = 20_000;
    let connection =
        Connection::connect(&stage.place.amqp_url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut sent = 0;
    let mut arrived = 0;
    let mut seen: Vec<Memory> = Vec::new();
    send(stage, &channel, &mut sent, PORTION).await?;
    let mut program = stage.start(0)?;
    let since = Instant::now();
    while since.elapsed() < time {
        if stage.counter.waiting().await? < PORTION {
            send(stage, &channel, &mut sent, PORTION).await?;
        }
        for queue in PARTNER_QUEUES {
            arrived += channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
        }
        program.is_alive()?;
        seen.push(program.tree.memory());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    program.stop().await?;
    let astray = stage.counter.astray().await?;
    ensure!(astray.is_empty(), "{}", astray.join(", "));
    // The first tenth is the start.
    let tenth = seen.len() / 10;
    let most = |of: &[Memory]| of.iter().map(|memory| memory.mib).fold(0.0, f64::max);
    let (early, late) = (seen.get(tenth..2 * tenth), seen.get(9 * tenth..));
    Ok(vec![
        mebibytes("last tenth", most(late.context("no samples")?)),
        mebibytes("second tenth", most(early.context("no samples")?)),
        mebibytes("peak", seen.iter().map(|memory| memory.peak_mib).fold(0.0, f64::max)),
        Measure {
            name: "rate",
            unit: "1/s",
            digits: 0,
            value: f64::from(arrived) / since.elapsed().as_secs_f64(),
        },
    ])
}

async fn send(stage: &Stage, channel: &Channel, sent: &mut u32, count: u32) -> anyhow::Result<()> {
    let mut last = None;
    for index in *sent..*sent + count {
        let (body, properties) = stage.setup.load.notification(index);
        last = Some(publish(channel, &body, properties).await?);
    }
    *sent += count;
    if let Some(confirm) = last {
        confirm.await?;
    }
    Ok(())
}

fn mebibytes(name: &'static str, value: f64) -> Measure {
    Measure { name, unit: "MiB", digits: 1, value }
}
