//! PostgreSQL: the pool, and statements that wait for their answer however long the server is away.

mod batch;
mod listener;

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::{
    ConfigConnectImpl, Connect, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod,
};
use futures_util::future::BoxFuture;
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(crate) use self::batch::Batcher;
pub use self::batch::Pending;
pub use self::listener::{Listener, listen_until_stopped};
use crate::{
    config::DatabaseSettings,
    health::Health,
    retry::{Backoff, chain},
    tls,
};

/// The largest batch takes milliseconds. A statement that takes this long has lost its server.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often an idle worker looks whether the database is there. It costs one tiny statement.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// The database as the story uses it.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    health: Arc<Health>,
    /// The last statement that could be done without failed: logged once, not for each.
    done_without: Arc<AtomicBool>,
}

/// Something to ask the database, as often as it takes: asking twice has to be harmless.
pub trait Statement: Sync {
    /// What the database tells.
    type Answer: Send;

    /// A statement that takes this long has lost its server.
    const TIMEOUT: Duration = STATEMENT_TIMEOUT;

    /// Asks once.
    fn ask(
        &self,
        client: &Object,
    ) -> impl Future<Output = Result<Self::Answer, tokio_postgres::Error>> + Send;
}

/// Why a statement got no answer; every reason may pass.
#[derive(Debug, thiserror::Error)]
enum StatementError {
    #[error("cannot get a database connection")]
    Pool(#[from] PoolError),
    #[error("the database refused")]
    Refused(#[from] tokio_postgres::Error),
    #[error("the database did not answer within {0:?}")]
    TimedOut(Duration),
}

/// The database answers, and refuses what it was given: a text with a NUL, a number out of range.
#[derive(Debug, thiserror::Error)]
#[error("the database cannot hold the data")]
pub struct DataRefused(#[source] tokio_postgres::Error);

impl DataRefused {
    /// By the class of its SQLSTATE: data exception, or program limit exceeded.
    fn is_told_by(error: &tokio_postgres::Error) -> bool {
        error.code().is_some_and(|state| ["22", "54"].contains(&&state.code()[..2]))
    }
}

impl Database {
    /// A database behind a pool, that tells `health` whether it answers.
    #[must_use]
    pub fn new(pool: Pool, health: Arc<Health>) -> Self {
        Self { pool, health, done_without: Arc::default() }
    }

    /// Asks until the database answers, for an hour if need be. Who waits here holds a place in
    /// the prefetch window, so consuming pauses; readiness is false meanwhile.
    pub async fn until_answered<S: Statement>(&self, statement: &S) -> S::Answer {
        let mut backoff = Backoff::reconnect();
        loop {
            match self.until_decided(statement).await {
                Ok(answer) => return answer,
                Err(error) => {
                    self.health.database_failed(&chain(&error));
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
    }

    /// Asks until the database answers, or refuses the data.
    ///
    /// # Errors
    ///
    /// If the database cannot hold what it is given: asked again, it would refuse again.
    pub async fn until_decided<S: Statement>(
        &self,
        statement: &S,
    ) -> Result<S::Answer, DataRefused> {
        let mut backoff = Backoff::reconnect();
        loop {
            match self.attempt(statement).await {
                Ok(answer) => {
                    self.health.database_answered();
                    return Ok(answer);
                }
                // The database chose us to give way; it is fine.
                Err(StatementError::Refused(error)) if is_deadlock(&error) => {}
                Err(StatementError::Refused(error)) if DataRefused::is_told_by(&error) => {
                    return Err(DataRefused(error));
                }
                Err(error) => {
                    self.health.database_failed(&told(&error));
                    tokio::time::sleep(backoff.next_delay()).await;
                }
            }
        }
    }

    /// Asks for what can be done without: not at all while the database is known to be away, else
    /// once. `None`: no answer.
    pub async fn if_available<S: Statement>(&self, statement: &S) -> Option<S::Answer> {
        // A connection that broke while nobody looked costs whoever takes it next an error.
        for last in [false, true] {
            if !self.health.parts().database {
                return None;
            }
            match self.attempt(statement).await {
                Ok(answer) => {
                    self.done_without.store(false, Ordering::Relaxed);
                    return Some(answer);
                }
                Err(StatementError::Refused(_)) if !last => {}
                Err(error) => {
                    if !self.done_without.swap(true, Ordering::Relaxed) {
                        warn!(error = %told(&error), "going on without the database");
                    }
                    return None;
                }
            }
        }
        None
    }

    /// Asks for a sign of life every other second until stopped, so that readiness tells the truth
    /// while there is nothing to do.
    pub async fn watch(self, stop: CancellationToken) {
        let mut rounds = tokio::time::interval(WATCH_EVERY);
        while stop.run_until_cancelled(rounds.tick()).await.is_some() {
            stop.run_until_cancelled(self.until_answered(&SignOfLife)).await;
        }
    }

    async fn attempt<S: Statement>(&self, statement: &S) -> Result<S::Answer, StatementError> {
        let timed_out = |_| StatementError::TimedOut(S::TIMEOUT);
        let client = timeout(S::TIMEOUT, self.pool.get()).await.map_err(timed_out)??;
        if let Ok(answer) = timeout(S::TIMEOUT, statement.ask(&client)).await {
            return Ok(answer?);
        }
        // Not back into the pool: its server may be frozen, and the statement is still under way.
        drop(Object::take(client));
        Err(StatementError::TimedOut(S::TIMEOUT))
    }
}

fn is_deadlock(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&tokio_postgres::error::SqlState::T_R_DEADLOCK_DETECTED)
}

struct SignOfLife;

impl Statement for SignOfLife {
    type Answer = ();

    async fn ask(&self, client: &Object) -> Result<(), tokio_postgres::Error> {
        client.simple_query("").await.map(|_| ())
    }
}

/// An error and its sources in one line; in front, if it is the database's, what to look at in the
/// settings where that can be told.
#[must_use]
pub fn told(error: &(dyn Error + 'static)) -> String {
    let line = chain(error);
    match advice(error) {
        Some(advice) => format!("{advice}: {line}"),
        None => line,
    }
}

fn advice(error: &(dyn Error + 'static)) -> Option<String> {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    let refused = causes.find_map(|cause| cause.downcast_ref::<tokio_postgres::Error>())?;
    // The server asks for a certificate in words, and only after the handshake.
    let wants = refused.as_db_error().is_some_and(|e| e.message().contains("client certificate"));
    let asked = || "the server wants a certificate: database.client_cert_file".to_owned();
    tls::advice("database", refused).or_else(|| wants.then(asked))
}

/// A pool of connections; nothing is opened yet. Each connection is made with the URL and the
/// certificates as they are at that moment.
///
/// # Errors
///
/// If the URL or a file for TLS is wrong.
pub fn connect_pool(settings: &DatabaseSettings) -> anyhow::Result<Pool> {
    let first = dialing(settings)?;
    let config = first.0.clone();
    let dial = Dial { settings: settings.clone(), first };
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let pool = Pool::builder(Manager::from_connect(config, dial, recycling))
        .max_size(settings.pool_size)
        .runtime(deadpool_postgres::Runtime::Tokio1)
        .wait_timeout(Some(STATEMENT_TIMEOUT))
        .create_timeout(Some(STATEMENT_TIMEOUT))
        .recycle_timeout(Some(STATEMENT_TIMEOUT))
        .build()?;
    Ok(pool)
}

/// What a connection is made with.
type Dialing = (tokio_postgres::Config, MakeRustlsConnect);

/// What a connection is made with now.
fn dialing(settings: &DatabaseSettings) -> anyhow::Result<Dialing> {
    let tls = MakeRustlsConnect::new(settings.client_tls()?.as_ref().clone());
    Ok((settings.connect_config()?, tls))
}

/// Makes the pool's connections.
struct Dial {
    settings: DatabaseSettings,
    /// What the pool was made with.
    first: Dialing,
}

impl Connect for Dial {
    fn connect(&self, _: &tokio_postgres::Config) -> BoxFuture<'_, Connected> {
        Box::pin(async {
            // What could be used once is kept, so this does not fail; if it did, what the pool was
            // made with is the best there is.
            let (config, tls) = dialing(&self.settings).unwrap_or_else(|_| self.first.clone());
            ConfigConnectImpl { tls }.connect(&config).await
        })
    }
}

type Connected = Result<(Client, JoinHandle<()>), tokio_postgres::Error>;
