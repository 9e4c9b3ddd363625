//! `docplanner-simulator notifications`

use std::io::{self, Write};
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;

use super::arguments::{self, WorldArguments};
use super::mirror::Mirror;
use super::publisher::{Publisher, Target};
use super::stop_signal;
use super::summary::Summary;
use crate::simulator::notifications::{Generated, Generator, GeneratorOptions};

/// How often progress is reported.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Publish notifications to a queue, or print them
///
/// Publishes persistent messages through the default exchange, mandatory and confirmed. The queue
/// has to exist. Counts per kind come on stderr at the end.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many [default: until stopped]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// How fast at most, as 50/s or 600/m [default: as fast as the broker confirms]
    #[arg(long, value_name = "COUNT/TIME", value_parser = arguments::rate)]
    rate: Option<(u32, Duration)>,
    /// Print one body per line instead of publishing
    #[arg(long)]
    print: bool,

    /// The broker
    #[arg(
        long,
        value_name = "URL",
        default_value = "amqp://guest:guest@127.0.0.1:5672/%2f",
        help_heading = "Broker"
    )]
    amqp_url: String,
    /// The queue
    #[arg(long, default_value = "docplanner.notifications", help_heading = "Broker")]
    queue: String,
    /// Sent in the header x-docplanner-tenant [default: no header]
    #[arg(long, help_heading = "Broker")]
    tenant: Option<String>,

    /// A running `docplanner-simulator api` that is to know the bookings [default: none]
    #[arg(long, value_name = "URL", help_heading = "API")]
    api_url: Option<String>,

    /// Begin with one of each of the 17 kinds
    #[arg(long, help_heading = "Content")]
    one_of_each: bool,
    /// The share that repeats an earlier notification, half of it in another dialect
    #[arg(long, value_name = "SHARE", value_parser = arguments::share, default_value_t = 0.0,
          help_heading = "Content")]
    duplicates: f64,
    /// The share that comes up to eight places late
    #[arg(long, value_name = "SHARE", value_parser = arguments::share, default_value_t = 0.0,
          help_heading = "Content")]
    reorder: f64,
    /// The share that is bad input: broken JSON, no name, no id, 300 kB, …
    #[arg(long, value_name = "SHARE", value_parser = arguments::share, default_value_t = 0.0,
          help_heading = "Content")]
    malformed: f64,
    /// The share of the world's addresses at which something happens
    #[arg(long, value_name = "SHARE", value_parser = arguments::share, default_value_t = 1.0,
          help_heading = "Content")]
    addresses: f64,
    #[command(flatten)]
    world: WorldArguments,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut outlet = if arguments.print {
        Outlet::Standard(io::stdout())
    } else {
        Outlet::Queue(Box::new(Publisher::connect(target(arguments)).await?))
    };
    let mut summary = Summary::default();
    let sent = send_all(arguments, &mut outlet, &mut summary).await;
    let closed = outlet.close().await;
    eprintln!("{summary}");
    sent.and(closed)
}

/// Until there are no more, somebody asks to stop, or nobody takes them.
async fn send_all(
    arguments: &Arguments,
    outlet: &mut Outlet,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    let mut stop = pin!(stop_signal());
    let pace = Pace { start: Instant::now(), rate: arguments.rate };
    let mirror = arguments.api_url.as_deref().map(Mirror::new);
    let mut reported = Instant::now();
    for notification in generator(arguments) {
        tokio::select! {
            biased;
            stopped = &mut stop => {
                stopped.context("cannot wait for signals")?;
                break;
            }
            () = pace.wait(notification.index) => {}
        }
        if let Some(mirror) = &mirror {
            mirror.reflect(&notification).await?;
        }
        // Not interrupted: a message half sent would be in no summary.
        if !outlet.send(&notification).await? {
            break;
        }
        summary.count(&notification);
        if reported.elapsed() >= PROGRESS_INTERVAL {
            reported = Instant::now();
            eprintln!("{} notifications so far", summary.total);
        }
    }
    Ok(())
}

fn generator(arguments: &Arguments) -> Generator {
    let options = GeneratorOptions {
        start: arguments.world.start,
        one_of_each: arguments.one_of_each,
        duplicates: arguments.duplicates,
        reorder: arguments.reorder,
        malformed: arguments.malformed,
        addresses: arguments.addresses,
        count: arguments.count,
        ..GeneratorOptions::default()
    };
    Generator::new(arguments.world.seed, &arguments.world.world(), options)
}

fn target(arguments: &Arguments) -> Target {
    Target {
        url: arguments.amqp_url.clone(),
        queue: arguments.queue.clone(),
        tenant: arguments.tenant.clone(),
        seed: arguments.world.seed,
    }
}

/// When each notification is due.
struct Pace {
    start: Instant,
    rate: Option<(u32, Duration)>,
}

impl Pace {
    async fn wait(&self, index: usize) {
        let Some((count, window)) = self.rate else { return };
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let due = self.start + window.mul_f64(f64::from(index) / f64::from(count));
        tokio::time::sleep_until(due.into()).await;
    }
}

enum Outlet {
    Standard(io::Stdout),
    Queue(Box<Publisher>),
}

impl Outlet {
    /// Whether it was taken: a closed pipe takes no more, which is no failure.
    async fn send(&mut self, notification: &Generated) -> anyhow::Result<bool> {
        match self {
            Self::Standard(out) => match writeln!(out, "{}", notification.body) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
                Err(error) => Err(error).context("cannot print"),
            },
            Self::Queue(publisher) => publisher.publish(notification).await.map(|()| true),
        }
    }

    async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Standard(_) => Ok(()),
            Self::Queue(publisher) => publisher.close().await,
        }
    }
}
