//! `docplanner-simulator api`

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::arguments::{self, WorldArguments};
use super::stop_signal;
use crate::simulator::api::{Client, Dialect, Options, RateLimit, Simulator};
use crate::simulator::notifications::{Change, Generator, GeneratorOptions};
use crate::simulator::world::World;

const CONTROL: &str = r#"Control, while it runs:
  GET, POST, DELETE /_simulator/faults           what goes wrong
  GET, DELETE       /_simulator/requests         how often what was asked
  GET               /_simulator/world            all there is
  PATCH, DELETE     /_simulator/addresses/{id}   change flags; remove
  PUT               /_simulator/bookings/{id}    add or replace
  PUT               /_simulator/clients/{id}/secret  the only one that gets tokens from now on
  DELETE            /_simulator/tokens           every token answers 401 from now on

A fault names requests, an effect, and how often or with which probability:
  {"on": "GET /addresses/111", "effect": {"status": {"code": 503}}, "times": 2}
  {"on": "/bookings/*$", "effect": "hang", "probability": 0.1}

Requests are named by method (optional) and path, which matches anywhere by whole segments;
* is any one segment, ^ ties the path to the beginning and $ to the end.

Effects:
  {"latency": {"ms": 500}}
  {"status": {"code": 429, "retry_after_seconds": 3, "reset_after_seconds": 60}}
  {"firewall": {"code": 405}}
  "reset", "hang", "garbage", "truncated", "wrong_shape""#;

/// Serve the API: tokens, facilities, doctors, addresses, services, bookings
///
/// Prints its base URL, which stands for `https://www.{domain}`.
#[derive(Debug, Args)]
#[command(after_long_help = CONTROL)]
pub(super) struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8099")]
    listen: SocketAddr,
    /// Credentials that are accepted; may be repeated
    #[arg(long = "client", value_name = "ID:SECRET", value_parser = arguments::client,
          default_value = "demo:secret")]
    clients: Vec<Client>,
    /// How long a token lives
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration,
          default_value = "1h")]
    token_lifetime: Duration,
    /// How much each client may ask, as 8000/h or 400/5m [default: no limit]
    #[arg(long, value_name = "COUNT/TIME", value_parser = arguments::rate_limit)]
    rate_limit: Option<RateLimit>,
    /// Send Retry-After with 429
    #[arg(long, requires = "rate_limit")]
    retry_after: bool,
    /// The names of scopes and the shape of answers: spec, source-page or lenient
    #[arg(long, value_parser = arguments::dialect, default_value = "spec")]
    dialect: Dialect,
    /// Know the bookings of the first N notifications of the same seed, world and start
    #[arg(long, value_name = "N", default_value_t = 0)]
    bookings: usize,
    #[command(flatten)]
    world: WorldArguments,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let world = world(arguments);
    let size = format!(
        "{} facilities and {} addresses in {}",
        world.facilities().count(),
        world.addresses().count(),
        world.country.as_str()
    );
    let rate_limit = arguments.rate_limit.clone();
    let options = Options {
        listen: arguments.listen,
        seed: arguments.world.seed,
        world,
        clients: arguments.clients.clone(),
        token_lifetime: arguments.token_lifetime,
        dialect: arguments.dialect.clone(),
        rate_limit: rate_limit.map(|it| RateLimit { retry_after: arguments.retry_after, ..it }),
    };
    let failure = || format!("cannot listen on {}", arguments.listen);
    let simulator = Simulator::start(options).await.with_context(failure)?;
    println!("{}", simulator.base_url());
    eprintln!("Serving {size} (seed {}).", arguments.world.seed);
    stop_signal().await.context("cannot wait for signals")?;
    simulator.stop().await;
    eprintln!("Stopped.");
    Ok(())
}

/// Addresses stay as the world has them: a notification may mention one that is gone later.
fn world(arguments: &Arguments) -> World {
    let mut world = arguments.world.world();
    let start = arguments.world.start;
    let options =
        GeneratorOptions { start, count: Some(arguments.bookings), ..GeneratorOptions::default() };
    let past: Vec<_> = Generator::new(arguments.world.seed, &world, options).collect();
    for change in past.into_iter().flat_map(|notification| notification.changes) {
        if let Change::Booking(booking) = change {
            world.insert_booking(*booking);
        }
    }
    world
}
