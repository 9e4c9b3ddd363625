//! A steady stream for some seconds: processor time, memory and connections.

use std::time::{Duration, Instant};

use anyhow::ensure;
use lapin::{Connection, ConnectionProperties, options::ConfirmSelectOptions};
use serde_json::Value;

use super::{
    Chains, Scene,
    table::{shown, shown_if},
};
use crate::{bench::Bench, count::Counter, fill::publish, process::Tree, programs::Running};

/// Before the time is taken: caches fill, plans are made.
const WARM_UP: Duration = Duration::from_secs(5);
/// Whole rounds, each of a second of bookings, one of moves and one of cancellations.
const MEASURED: Duration = Duration::from_secs(15);
/// The broker tells of its connections some seconds late.
const MANAGEMENT_IS_LATE: Duration = Duration::from_secs(6);
/// Publishing takes place in so many steps a second.
const STEPS_PER_SECOND: u32 = 50;
/// After the last was published.
const LAST_EVENT: Duration = Duration::from_secs(20);

pub(super) struct Steady {
    pub(super) name: String,
    pub(super) load: Vec<String>,
    pub(super) connections: [String; 3],
}

/// Processor time and memory of everybody.
pub(super) struct Cost {
    cpu: [Option<f64>; 3],
    memory: [Option<f64>; 3],
}

impl Cost {
    pub(super) fn now(running: &[Running], bench: &Bench) -> Self {
        let workers =
            |of: fn(Tree) -> f64| Some(running.iter().map(|worker| of(worker.tree)).sum::<f64>());
        let [rabbitmq, postgresql] = [bench.servers.rabbitmq, bench.servers.postgresql];
        let each = |of: fn(Tree) -> f64| [workers(of), rabbitmq.map(of), postgresql.map(of)];
        Self { cpu: each(Tree::cpu_seconds), memory: each(|tree| tree.memory().mib) }
    }

    /// The cells of a row from `rate` on: processors that were busy since, and memory now.
    pub(super) fn cells(&self, before: &Self, seconds: f64) -> [String; 6] {
        let cores = |nth: usize| {
            shown_if(self.cpu[nth].zip(before.cpu[nth]).map(|(now, then)| (now - then) / seconds))
        };
        let memory = |nth: usize| shown_if(self.memory[nth]);
        [cores(0), cores(1), cores(2), memory(0), memory(1), memory(2)]
    }
}

/// What was seen while the stream was steady.
struct Seen {
    /// Notifications a second that were dealt with.
    rate: f64,
    cells: [String; 6],
    /// AMQP and PostgreSQL, of each pod.
    connections: [f64; 2],
}

pub(super) async fn measure(bench: &Bench, rate: u32, pods: usize) -> anyhow::Result<Steady> {
    let scene = Scene::begin(bench).await?;
    let counter = Counter::connect(&scene.place.amqp_url).await?;
    bench.rest().await?;
    let mut running = scene.start(bench, pods)?;
    let chains = Chains::taking_turns(rate.max(1));
    let seconds = u32::try_from((WARM_UP + MEASURED).as_secs())?;
    let notifications = if rate == 0 { 0 } else { chains.whole_rounds(rate * seconds) };
    let telling = tell(&scene.place.amqp_url, &chains, rate, notifications);
    let (told, seen) = tokio::join!(telling, look(bench, &scene, &counter, &running));
    told?;
    let seen = seen?;
    until_arrived(&counter, Chains::events(notifications), &mut running).await?;
    for worker in running {
        worker.stop().await?;
    }
    scene.end(bench).await?;
    // A worker that falls behind is not under the load that its row tells of.
    ensure!(
        seen.rate >= f64::from(rate) * 0.93,
        "{rate}/s were told, and {:.0}/s were dealt with: the machine is too slow for that",
        seen.rate
    );
    Ok(seen.tell(rate, pods))
}

async fn look(
    bench: &Bench,
    scene: &Scene,
    counter: &Counter,
    running: &[Running],
) -> anyhow::Result<Seen> {
    tokio::time::sleep(WARM_UP).await;
    let (before, since) = (Cost::now(running, bench), Instant::now());
    let arrived = counter.arrived().await?;
    tokio::time::sleep(MANAGEMENT_IS_LATE).await;
    let connections = connections(bench, scene, running.len()).await?;
    tokio::time::sleep(MEASURED.saturating_sub(since.elapsed())).await;
    let seconds = since.elapsed().as_secs_f64();
    let cells = Cost::now(running, bench).cells(&before, seconds);
    let events = f64::from(counter.arrived().await? - arrived) / seconds;
    let events_of_each = f64::from(Chains::events(6_000)) / 6_000.0;
    Ok(Seen { rate: events / events_of_each, cells, connections })
}

impl Seen {
    fn tell(self, rate: u32, pods: usize) -> Steady {
        let name = match (rate, pods) {
            (0, _) => "nothing to do, 1 pod".to_owned(),
            (_, 1) => "steady, 1 pod".to_owned(),
            (_, pods) => format!("steady, {pods} pods together"),
        };
        let [amqp, postgresql] = self.connections.map(shown);
        let rate_of_name = format!("{rate}/s, {name}");
        Steady {
            load: [name, format!("{:.0}", self.rate)].into_iter().chain(self.cells).collect(),
            connections: [rate_of_name.clone(), amqp, postgresql],
            name: rate_of_name,
        }
    }
}

/// Publishes at a rate; confirms are waited for step by step.
async fn tell(amqp_url: &str, chains: &Chains, rate: u32, count: u32) -> anyhow::Result<()> {
    let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / STEPS_PER_SECOND);
    let since = Instant::now();
    let mut published = 0;
    while published < count {
        ticks.tick().await;
        let due = u32::try_from(since.elapsed().as_millis() * u128::from(rate) / 1_000)?;
        let mut confirms = Vec::new();
        while published < due.min(count) {
            let (body, properties) = chains.notification(published)?;
            confirms.push(publish(&channel, &body, properties).await?);
            published += 1;
        }
        for confirm in confirms {
            ensure!(confirm.await?.is_ack(), "the broker refused a notification");
        }
    }
    Ok(connection.close(200, "told".into()).await?)
}

async fn connections(bench: &Bench, scene: &Scene, pods: usize) -> anyhow::Result<[f64; 2]> {
    let vhost = scene.place.amqp_url.rsplit('/').next().unwrap_or_default();
    let path = format!("vhosts/{vhost}/connections");
    let list: Vec<Value> =
        serde_json::from_str(&bench.servers.management("GET", &path, "").await?)?;
    let of_worker = |connection: &&Value| {
        let name = connection["client_properties"]["connection_name"].as_str();
        name.is_some_and(|name| name.starts_with("docplanner-worker"))
    };
    let amqp = u32::try_from(list.iter().filter(of_worker).count())?;
    let client = super::database::connect(&scene.place).await?;
    let query = "SELECT count(*)::integer FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let postgresql: i32 = client.query_one(query, &[]).await?.get(0);
    let pods = f64::from(u32::try_from(pods)?);
    Ok([f64::from(amqp) / pods, f64::from(postgresql) / pods])
}

/// Waits for the last event, and that there is no other.
pub(super) async fn until_arrived(
    counter: &Counter,
    events: u32,
    running: &mut [Running],
) -> anyhow::Result<()> {
    let since = Instant::now();
    while counter.arrived().await? < events {
        for worker in running.iter_mut() {
            worker.is_alive()?;
        }
        let arrived = counter.arrived().await?;
        ensure!(since.elapsed() < LAST_EVENT, "{arrived} of {events} events came");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (arrived, astray) = (counter.arrived().await?, counter.astray().await?);
    ensure!(arrived == events, "{arrived} events came, not {events}");
    ensure!(astray.is_empty(), "{}", astray.join(", "));
    Ok(())
}
