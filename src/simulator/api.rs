//! Docplanner over HTTP: tokens, facilities, doctors, addresses, services and bookings, and the
//! bad days of all of them.
//!
//! ```no_run
//! # use docplanner_worker::simulator::api::{Fault, Options, Simulator};
//! # async fn story() -> std::io::Result<()> {
//! let docplanner = Simulator::start(Options::default()).await?;
//! docplanner.fault(Fault::status(503).on("/addresses/410150").times(2));
//! // … something asks `docplanner.base_url()` for the address …
//! docplanner.wait_for_requests("/addresses/410150", 3).await;
//! # Ok(())
//! # }
//! ```

use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use auth::Client;
pub use dialect::{Dialect, SingleAddress, UnknownScopes, Values};
pub use fault::{Effect, Fault};
pub use handle::Handle;
pub use log::LoggedRequest;
pub use operation::Operation;
pub use pattern::Pattern;
pub use rate_limit::RateLimit;

use super::world::World;
use auth::Tokens;
use connection::{Acceptor, Tear};
use faults::Faults;
use log::Log;
use rate_limit::Limiter;
use server::Shared;

mod answer;
mod auth;
mod bodies;
mod connection;
mod control;
mod dialect;
mod fault;
mod faults;
mod handle;
mod log;
mod operation;
mod pattern;
mod rate_limit;
mod resources;
mod server;
#[cfg(test)]
mod tests;

/// How long a stopping simulator waits for its connections to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What to play.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// For tokens and for faults with a probability.
    pub seed: u64,
    /// What exists.
    pub world: World,
    /// Who may ask.
    pub clients: Vec<Client>,
    /// How long a token lives.
    pub token_lifetime: Duration,
    /// How scopes are named and answers shaped.
    pub dialect: Dialect,
    /// How much a client may ask.
    pub rate_limit: Option<RateLimit>,
}

impl Default for Options {
    /// [`World::sample`] on a free port of this machine, for the client `demo` with the secret
    /// `secret`.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 1,
            world: World::sample(),
            clients: vec![Client::new("demo", "secret")],
            token_lifetime: Duration::from_hours(1),
            dialect: Dialect::default(),
            rate_limit: None,
        }
    }
}

/// A running simulator, until it is stopped or dropped. Everything else is done by its
/// [`Handle`], which it derefs to.
pub struct Simulator {
    handle: Handle,
    server: Option<JoinHandle<io::Result<()>>>,
}

impl Simulator {
    /// Listens before it returns.
    ///
    /// # Errors
    ///
    /// When it cannot listen there.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(shared(options));
        let service = server::router(&shared).into_make_service_with_connect_info::<Tear>();
        let stopped = shared.stop.clone().cancelled_owned();
        let server = axum::serve(Acceptor(listener), service).with_graceful_shutdown(stopped);
        let server = tokio::spawn(server.into_future());
        Ok(Self { handle: Handle { shared, address }, server: Some(server) })
    }

    /// A handle that outlives borrows of the simulator.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Takes no more connections, resets the requests that wait, and ends. Another simulator can
    /// listen on the same address afterwards.
    pub async fn stop(mut self) {
        self.handle.shared.stop.cancel();
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(STOP_TIMEOUT, &mut server).await.is_err()
        {
            server.abort();
        }
    }
}

impl Deref for Simulator {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.handle.shared.stop.cancel();
    }
}

fn shared(options: Options) -> Shared {
    let Options { seed, world, clients, token_lifetime, dialect, rate_limit, .. } = options;
    Shared {
        world: RwLock::new(world),
        dialect: RwLock::new(dialect),
        tokens: Mutex::new(Tokens::new(clients, token_lifetime, seed)),
        limiter: Mutex::new(Limiter::new(rate_limit)),
        faults: Faults::new(seed),
        log: Log::new(),
        seconds_ahead: AtomicI64::new(0),
        stop: CancellationToken::new(),
    }
}
