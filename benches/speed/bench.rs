//! What every scenario works with.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;

use crate::{Options, programs::Program, servers::Servers};

/// The options, the servers, and a folder for what programs write.
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) servers: Servers,
    /// Settings files and logs, a folder for each run.
    pub(crate) runs: PathBuf,
}

impl Bench {
    pub(crate) fn new(options: Options, servers: Servers) -> anyhow::Result<Self> {
        for worker in std::iter::once(&options.worker).chain(&options.baseline) {
            anyhow::ensure!(worker.exists(), "there is no {}: see `make bench`", worker.display());
        }
        let runs = options.folder.join("runs");
        std::fs::create_dir_all(&runs)
            .with_context(|| format!("cannot make {}", runs.display()))?;
        Ok(Self { options, servers, runs })
    }

    /// Whether a case is wanted.
    pub(crate) fn wants(&self, case: &str) -> bool {
        let cases = &self.options.cases;
        let is_meant = |name: &String| match name.strip_suffix('*') {
            Some(beginning) => case.starts_with(beginning),
            None => case == name,
        };
        cases.is_empty() || cases.iter().any(is_meant)
    }

    /// The worker, and the baseline if there is one.
    pub(crate) fn workers(&self) -> Vec<(&'static str, Program)> {
        let mut workers = vec![("worker", Program::Worker(self.options.worker.clone()))];
        workers.extend(
            self.options
                .baseline
                .iter()
                .map(|binary| ("baseline", Program::Worker(binary.clone()))),
        );
        workers
    }

    /// The broker goes on writing after it has confirmed, and the database after it has committed. Both are waited for, so
    /// that no run pays for the one before.
    pub(crate) async fn rest(&self) -> anyhow::Result<()> {
        self.servers.checkpoint().await?;
        self.servers.until_idle(Duration::from_mins(1)).await
    }
}
