//! A backlog, and a worker that takes it away at full speed: what the queue costs, what the worker costs then, and what
//! is left in the database.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::Value;

use super::{
    Chains, Scene, database,
    steady::{Cost, until_arrived},
    table::{Table, shown_if},
};
use crate::{bench::Bench, count::Counter, fill::fill_with, process::Tree};

/// More than any window: those of one chain are never in flight together.
const TOGETHER: u32 = 2_000;

/// Processor time is taken between these shares of the events.
const FROM: f64 = 0.1;
const TO: f64 = 0.9;

pub(super) struct Whole {
    pub(super) load: Vec<String>,
    pub(super) queue: Table,
    pub(super) database: Table,
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Whole> {
    let scene = Scene::begin(bench).await?;
    let chains = Chains::taking_turns(TOGETHER);
    let notifications = chains.whole_rounds(bench.options.messages);
    let mut queue = Table::new(["RabbitMQ", "Memory, MiB", "Disk, MB"]);
    bench.rest().await?;
    queue.add(state(bench, "before").await?);
    let mut bytes = 0;
    let backlog = (0..notifications).map(|index| {
        let (body, properties) = chains.notification(index)?;
        bytes += body.len();
        Ok((body, properties))
    });
    fill_with(&scene.place.amqp_url, backlog).await?;
    let mean = bytes / usize::try_from(notifications)?;
    bench.rest().await?;
    let named = format!("{notifications} notifications wait, {mean} bytes each");
    queue.add(state(bench, &named).await?);

    let client = database::connect(&scene.place).await?;
    let log_before = database::log_position(&client).await?;
    let load = take_away(bench, &scene, Chains::events(notifications), notifications).await?;
    let log = database::log_position(&client).await? - log_before;
    let database = database::growth(&client, notifications, log).await?;
    drop(client);
    bench.rest().await?;
    let events = Chains::events(notifications);
    queue.add(state(bench, &format!("worked off: {events} events wait instead")).await?);
    scene.end(bench).await?;
    Ok(Whole { load, queue, database })
}

/// One worker at full speed.
async fn take_away(
    bench: &Bench,
    scene: &Scene,
    events: u32,
    notifications: u32,
) -> anyhow::Result<Vec<String>> {
    let counter = Counter::connect(&scene.place.amqp_url).await?;
    let mut running = scene.start(bench, 1)?;
    let from = until_share(&counter, events, FROM).await?;
    let (before, since) = (Cost::now(&running, bench), Instant::now());
    let to = until_share(&counter, events, TO).await?;
    let seconds = since.elapsed().as_secs_f64();
    let cells = Cost::now(&running, bench).cells(&before, seconds);
    let share = f64::from(notifications) / f64::from(events);
    let rate = f64::from(to - from) * share / seconds;
    until_arrived(&counter, events, &mut running).await?;
    for worker in running {
        worker.stop().await?;
    }
    Ok(["a backlog, 1 pod".to_owned(), format!("{rate:.0}")].into_iter().chain(cells).collect())
}

/// Waits until this share of the events came; how many they are then.
async fn until_share(counter: &Counter, events: u32, share: f64) -> anyhow::Result<u32> {
    const PATIENCE: Duration = Duration::from_mins(5);
    let since = Instant::now();
    loop {
        let arrived = counter.arrived().await?;
        if f64::from(arrived) >= share * f64::from(events) {
            return Ok(arrived);
        }
        anyhow::ensure!(since.elapsed() < PATIENCE, "{arrived} of {events} events came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the broker takes now.
async fn state(bench: &Bench, when: &str) -> anyhow::Result<[String; 3]> {
    let memory = bench.servers.rabbitmq.map(Tree::memory).map(|memory| memory.mib);
    let nodes: Value = serde_json::from_str(&bench.servers.management("GET", "nodes", "").await?)?;
    let folder = nodes[0]["db_dir"].as_str().context("RabbitMQ does not tell where its data is")?;
    let disk = kilobytes(Path::new(folder)).map(|size| f64::from(size) / 1e3);
    Ok([when.to_owned(), shown_if(memory), shown_if(disk)])
}

/// Of everything below a folder; `None` if it is on another machine.
fn kilobytes(folder: &Path) -> Option<u32> {
    let mut bytes = 0;
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    fs::read_dir(folder).ok()?;
    while let Some(folder) = folders.pop() {
        // A file that is deleted meanwhile takes no room.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    u32::try_from(bytes / 1_000).ok()
}
