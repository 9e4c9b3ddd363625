//! The programs that are measured, each in a process of its own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tokio::process::{Child, Command};

use crate::{
    place::{EXCHANGE, INCOMING, Place},
    process::Tree,
};

/// Longer than a drain may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// What moves notifications.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    /// This binary, with the argument `forward`.
    Forwarder,
    /// The worker at this path.
    Worker(PathBuf),
    /// A worker of another ecosystem: the executable in `benches/peers/NAME/run`.
    Peer(&'static str),
}

/// What a program is told.
pub(crate) struct Told<'a> {
    pub(crate) place: &'a Place,
    /// The worker's settings file.
    pub(crate) settings: &'a Path,
    pub(crate) prefetch: u16,
    pub(crate) api_url: &'a str,
}

/// A program that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) tree: Tree,
    pub(crate) log: PathBuf,
    pub(crate) started_at: Instant,
}

impl Program {
    /// Fetches what it needs, once.
    pub(crate) async fn install(&self) -> anyhow::Result<()> {
        let Self::Peer(name) = self else { return Ok(()) };
        let run = peer(name);
        let installing = Command::new(&run).arg("install").stdout(Stdio::null()).status().await;
        let status = installing.with_context(|| format!("cannot start {}", run.display()))?;
        ensure!(status.success(), "{} install: {status}", run.display());
        Ok(())
    }

    /// Starts the `nth` of them.
    pub(crate) fn start(&self, told: &Told, nth: usize) -> anyhow::Result<Running> {
        let mut command = match self {
            Self::Forwarder => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("forward");
                command
            }
            Self::Worker(binary) => {
                let mut command = Command::new(binary);
                command.args(["run", "--config"]).arg(told.settings);
                command
            }
            Self::Peer(name) => Command::new(peer(name)),
        };
        if !matches!(self, Self::Worker(_)) {
            command
                .env("AMQP_URL", &told.place.amqp_url)
                .env("DATABASE_URL", &told.place.database_url)
                .env("PREFETCH", told.prefetch.to_string())
                .env("INCOMING_QUEUE", INCOMING)
                .env("EXCHANGE", EXCHANGE)
                .env("API_URL", told.api_url);
        }
        let log = told.place.folder.join(format!("program-{nth}.log"));
        let written = File::create(&log).with_context(|| log.display().to_string())?;
        let started_at = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(written.try_clone()?)
            .stderr(written)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {self:?}"))?;
        let tree = Tree::new(child.id().context("ended at once")?);
        Ok(Running { child, tree, log, started_at })
    }
}

fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name).join("run")
}

impl Running {
    /// An error if it has ended by itself.
    pub(crate) fn is_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                anyhow::bail!("the program ended by itself ({status}): see {}", self.log.display())
            }
        }
    }

    /// SIGTERM, then the end: how long that took.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Duration> {
        let pid = self.child.id().context("the program ended by itself")?;
        let since = Instant::now();
        let sent = Command::new("kill").arg(pid.to_string()).status().await?;
        ensure!(sent.success(), "cannot send SIGTERM to {pid}");
        let ending = tokio::time::timeout(STOP_TIMEOUT, self.child.wait());
        ending.await.with_context(|| format!("it runs {STOP_TIMEOUT:?} after SIGTERM"))??;
        Ok(since.elapsed())
    }
}
