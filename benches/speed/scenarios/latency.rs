//! How long it takes from the publishing of a notification to its event at the partner's consumer.
//!
//! The publisher keeps to its timetable whatever comes back, and time counts from the timetable: who delays everything
//! for a while pays for every notification that should have been sent meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use lapin::{
    Channel, Connection, ConnectionProperties, options::BasicConsumeOptions, types::FieldTable,
};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    bench::Bench,
    count::PARTNER_QUEUES,
    fill::publish,
    load::Load,
    programs::Program,
    report::{Measure, Section},
    round::{Case, rounds},
    run::Run,
    stage::{Setup, Stage},
    statistics::{max, percentile},
};

/// For caches and connections; not counted.
const WARM_UP: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(20);

/// After the last notification was sent.
const PATIENCE: Duration = Duration::from_secs(30);

/// A notification's number, and when its event came.
type Arrival = (u32, Instant);

pub(crate) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let (rate, of) = if let Some(rate) = bench.options.rate {
        (rate, String::new())
    } else {
        let most = maximum(bench).await?;
        (most / 2.0, format!(", half of the worker's {most:.0}/s"))
    };
    let seconds = (WARM_UP + MEASURED).as_secs_f64();
    let messages = whole(rate * seconds)?;
    let mut programs = vec![("forwarder", Program::Forwarder)];
    programs.extend(bench.workers());
    let cases = programs
        .into_iter()
        .map(|(name, program)| Case::new(name, Setup::new(program, Load::usual(messages), bench)));
    let rows = rounds(bench, cases.collect(), 3, async |setup, bookings| {
        let setup = setup.later(bookings);
        setup.on_stage(bench, async |stage| measure(stage, rate, bench).await).await
    });
    Ok(Section {
        title: format!("Latency at {rate:.0}/s{of}"),
        base: Some("forwarder".to_owned()),
        rows: rows.await?,
        notes: vec![],
    })
}

/// What the worker can do on this machine.
async fn maximum(bench: &Bench) -> anyhow::Result<f64> {
    let load = Load::usual(bench.options.messages);
    let run = Run::new(Setup::new(Program::Worker(bench.options.worker.clone()), load, bench));
    Ok(run.measure(0, bench).await?.rate)
}

async fn measure(stage: &Stage, rate: f64, bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let load = &stage.setup.load;
    let notifications: Vec<_> = (0..load.messages).map(|index| load.notification(index)).collect();
    bench.rest().await?;
    let connection =
        Connection::connect(&stage.place.amqp_url, ConnectionProperties::default()).await?;
    let (sender, mut arrivals) = mpsc::unbounded_channel();
    for queue in PARTNER_QUEUES {
        let channel = connection.create_channel().await?;
        consume(channel, queue, load.first_booking, sender.clone()).await?;
    }
    let program = stage.start(0)?;
    stage.counter.until_consumed().await?;

    let channel = connection.create_channel().await?;
    let since = Instant::now();
    let timetable = move |index: u32| since + Duration::from_secs_f64(f64::from(index) / rate);
    let publishing: JoinHandle<lapin::Result<()>> = tokio::spawn(async move {
        for (index, (body, properties)) in (0..).zip(notifications) {
            // A sleep is some milliseconds of the timer's grain: those that are due go at once.
            if timetable(index) > Instant::now() {
                tokio::time::sleep_until(timetable(index).into()).await;
            }
            drop(publish(&channel, &body, properties).await?);
        }
        Ok(())
    });

    let mut took: Vec<Option<f64>> = vec![None; usize::try_from(load.messages)?];
    let deadline = timetable(load.messages) + PATIENCE;
    for arrived in 0..load.messages {
        let next = tokio::time::timeout_at(deadline.into(), arrivals.recv()).await;
        let (index, at) = next
            .with_context(|| format!("{arrived} of {} events after {PATIENCE:?}", load.messages))?
            .context("the consumer has ended")?;
        let milliseconds = at.duration_since(timetable(index)).as_secs_f64() * 1000.0;
        let place = took.get_mut(usize::try_from(index)?).context("an event of another load")?;
        ensure!(place.replace(milliseconds).is_none(), "two events of one notification");
    }
    publishing.await??;
    program.stop().await?;
    stage.verify(0).await?;
    let warm_up = usize::try_from(whole(WARM_UP.as_secs_f64() * rate)?)?;
    let took: Vec<f64> = took.into_iter().skip(warm_up).flatten().collect();
    let figures = [
        ("p99", percentile(&took, 990)),
        ("p50", percentile(&took, 500)),
        ("p99.9", percentile(&took, 999)),
        ("max", max(&took)),
    ];
    let value = |(name, value): (_, Option<f64>)| {
        Some(Measure { name, unit: "ms", digits: 1, value: value? })
    };
    Ok(figures.into_iter().filter_map(value).collect())
}

async fn consume(
    channel: Channel,
    queue: &str,
    first_booking: u64,
    arrivals: mpsc::UnboundedSender<Arrival>,
) -> lapin::Result<()> {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consuming =
        channel.basic_consume(queue.into(), "partner".into(), options, FieldTable::default());
    let mut events = consuming.await?;
    tokio::spawn(async move {
        // The channel lives as long as its consumer.
        let _channel = channel;
        while let Some(Ok(event)) = events.next().await {
            let booking = booking(&event.data).and_then(|id| id.checked_sub(first_booking));
            // What cannot be told apart counts as missing in the end.
            if let Some(index) = booking.and_then(|index| u32::try_from(index).ok()) {
                let _ = arrivals.send((index, Instant::now()));
            }
        }
    });
    Ok(())
}

/// The first text of ten digits in a body: the id of the booking. Reading the JSON would take time from what is measured.
fn booking(body: &[u8]) -> Option<u64> {
    let quoted = body.windows(12).find(|window| {
        window.starts_with(b"\"")
            && window.ends_with(b"\"")
            && window[1..11].iter().all(u8::is_ascii_digit)
    })?;
    str::from_utf8(&quoted[1..11]).ok()?.parse().ok()
}

/// A number of notifications.
fn whole(number: f64) -> anyhow::Result<u32> {
    format!("{number:.0}").parse().with_context(|| format!("{number} notifications"))
}
