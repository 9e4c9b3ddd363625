//! How long the worker takes from its start to its first acknowledgement, and from SIGTERM to its end.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use lapin::{Connection, ConnectionProperties};

use crate::{
    bench::Bench,
    fill::publish,
    load::Load,
    programs::Program,
    report::{Measure, Section},
    round::{Case, rounds},
    stage::{Setup, Stage},
};

/// For whatever should happen at once.
const DEADLINE: Duration = Duration::from_secs(30);

enum Question {
    Start(Setup),
    Drain(Setup),
}

pub(crate) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let mut cases = Vec::new();
    let mut notes = Vec::new();
    for (name, program) in bench.workers() {
        let setup = |messages| Setup::new(program.clone(), Load::usual(messages), bench);
        // Every address once: what another worker has asked the API is in the database.
        cases.push(Case::new(format!("{name}, start"), Question::Start(setup(500))));
        for prefetch in [256, 1_000] {
            let setup = Setup { prefetch, ..setup(bench.options.messages / 2) };
            cases.push(Case::new(format!("{name}, drain of {prefetch}"), Question::Drain(setup)));
        }
        if let Program::Worker(binary) = &program {
            let kib = fs::metadata(binary)?.len() / 1024;
            notes.push(format!("{name}: the binary has {kib} KiB"));
        }
    }
    let rows = rounds(bench, cases, 3, async |question, bookings| {
        let took = match question {
            Question::Start(setup) => start(setup, bookings, bench).await?,
            Question::Drain(setup) => {
                setup
                    .later(bookings)
                    .on_stage(bench, async |stage| drain(stage, bench).await)
                    .await?
            }
        };
        let value = took.as_secs_f64() * 1000.0;
        Ok(vec![Measure { name: "took", unit: "ms", digits: 0, value }])
    });
    Ok(Section {
        title: "Start to first acknowledgement, and SIGTERM with a full window to the end"
            .to_owned(),
        base: None,
        rows: rows.await?,
        notes,
    })
}

async fn start(setup: &Setup, bookings: u64, bench: &Bench) -> anyhow::Result<Duration> {
    let mut setup = setup.later(bookings);
    let listen = free_address()?;
    setup.settings.push(format!("http.listen={listen:?}"));
    setup.on_stage(bench, async |stage| first_acknowledgement(stage, &listen, bench).await).await
}

/// A worker has been here before; then one notification, and a worker that is started.
async fn first_acknowledgement(
    stage: &Stage,
    listen: &str,
    bench: &Bench,
) -> anyhow::Result<Duration> {
    stage.fill(bench).await?;
    let before = stage.start(0)?;
    until("everything has arrived", async || {
        Ok((stage.counter.arrived().await? == stage.setup.load.events()).then_some(()))
    })
    .await?;
    before.stop().await?;
    let connection =
        Connection::connect(&stage.place.amqp_url, ConnectionProperties::default()).await?;
    let later = stage.setup.later(1_000_000);
    let (body, properties) = later.load.notification(0);
    drop(publish(&connection.create_channel().await?, &body, properties).await?);
    until("it waits", async || Ok((stage.counter.waiting().await? == 1).then_some(()))).await?;
    bench.rest().await?;

    let http = reqwest::Client::new();
    let program = stage.start(1)?;
    let first = until("the first acknowledgement", async || {
        Ok(has_acknowledged(&http, listen).await.then(Instant::now))
    })
    .await?;
    let took = first - program.started_at;
    program.stop().await?;
    stage.verify(stage.setup.load.events() + 1).await?;
    Ok(took)
}

/// Whether the worker counts a delivery as settled, which it does after its acknowledgement.
async fn has_acknowledged(http: &reqwest::Client, listen: &str) -> bool {
    let Ok(answer) = http.get(format!("http://{listen}/metrics")).send().await else {
        return false;
    };
    let text = answer.text().await.unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("docplanner_worker_deliveries_total{"))
        .filter(|line| line.contains("disposition=\"published\""))
        .any(|line| !line.ends_with(" 0"))
}

async fn drain(stage: &Stage, bench: &Bench) -> anyhow::Result<Duration> {
    stage.fill(bench).await?;
    let program = stage.start(0)?;
    let load = &stage.setup.load;
    until("a part has arrived", async || {
        Ok((stage.counter.arrived().await? > load.messages / 5).then_some(()))
    })
    .await?;
    let took = program.stop().await?;
    let (arrived, waiting) = (stage.counter.arrived().await?, stage.counter.waiting().await?);
    ensure!(waiting > 0, "the queue was empty before the stop");
    // An event whose acknowledgement was cut off would be there twice.
    ensure!(arrived + waiting == load.messages, "{arrived} events, {waiting} notifications wait");
    Ok(took)
}

async fn until<T>(
    what: &str,
    mut check: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let since = Instant::now();
    loop {
        if let Some(found) = check().await? {
            return Ok(found);
        }
        ensure!(since.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Free at this moment, and unlikely to be taken in the next.
fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?.to_string())
}
