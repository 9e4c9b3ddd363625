//! A virtual host and a database for one run, and the settings of the worker that works there.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, ensure};
use docplanner_worker::simulator::api::Simulator;
use tokio::process::Command;

use crate::{bench::Bench, load::Load};

/// The worker's names for what every program uses.
pub(crate) const INCOMING: &str = "docplanner.notifications";
pub(crate) const EXCHANGE: &str = "docplanner.events";

/// Where a run takes place.
pub(crate) struct Place {
    /// Of the virtual host.
    name: String,
    /// Of the database; one that was not made for this run stays.
    database: String,
    is_kept: bool,
    pub(crate) amqp_url: String,
    pub(crate) database_url: String,
    /// For settings and logs.
    pub(crate) folder: PathBuf,
}

impl Place {
    /// New ones, or a new virtual host beside a database that is there. The given worker declares and migrates.
    pub(crate) async fn make(bench: &Bench, database: Option<&str>) -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("speed_{}_{nth}", std::process::id());
        let folder = bench.runs.join(&name);
        std::fs::create_dir_all(&folder)?;
        bench.servers.create_vhost(&name).await?;
        if database.is_none() {
            bench.servers.execute("postgres", &format!("CREATE DATABASE {name}")).await?;
        }
        let database_name = database.unwrap_or(&name).to_owned();
        Ok(Self {
            amqp_url: bench.servers.amqp_url(&name),
            database_url: bench.servers.database_url(&database_name),
            database: database_name,
            is_kept: database.is_some(),
            name,
            folder,
        })
    }

    /// Declares the queues and migrates the database, as an operator would before the first start.
    pub(crate) async fn prepare(&self, worker: &Path, settings: &Path) -> anyhow::Result<()> {
        for command in [&["topology", "declare"][..], &["migrate"]] {
            let output =
                Command::new(worker).args(command).arg("--config").arg(settings).output().await?;
            let told = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{} {}: {told}", worker.display(), command.join(" "));
        }
        Ok(())
    }

    /// The worker's settings file: what has to be said, `more` lines as `section.key=value`, defaults for the rest.
    pub(crate) fn settings(
        &self,
        load: &Load,
        docplanner: &Simulator,
        more: &[String],
    ) -> anyhow::Result<PathBuf> {
        let mut text = format!(
            "[broker]\nurl = {:?}\n[database]\nurl = {:?}\n[http]\nlisten = \"127.0.0.1:0\"\n",
            self.amqp_url, self.database_url
        );
        for (nth, tenant) in load.tenant_names().enumerate() {
            let facility = Load::facility(u32::try_from(nth)?);
            write!(
                text,
                "[[tenants]]\nid = {tenant:?}\ndomain = \"znanylekarz.pl\"\nbase_url = {:?}\n\
                 client_id = \"demo\"\nclient_secret = \"secret\"\nfacilities = [{facility:?}]\n",
                docplanner.base_url()
            )?;
        }
        let mut settings: toml::Table = text.parse()?;
        for line in more {
            set(&mut settings, line).with_context(|| format!("--set {line}"))?;
        }
        let file = self.folder.join("worker.toml");
        std::fs::write(&file, settings.to_string())?;
        Ok(file)
    }

    /// Removes it all; the logs stay if something is to be looked up in them.
    pub(crate) async fn remove(self, bench: &Bench, keep_logs: bool) -> anyhow::Result<()> {
        bench.servers.delete_vhost(&self.name).await?;
        if !self.is_kept {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
            bench.servers.execute("postgres", &drop).await?;
        }
        if !keep_logs {
            std::fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }
}

/// `database.pool_size=4`, of all tenants `tenants.flags_ttl="1m"`; the value is TOML.
fn set(settings: &mut toml::Table, line: &str) -> anyhow::Result<()> {
    let (path, value) = line.split_once('=').context("no =")?;
    let (section, key) = path.split_once('.').context("no section")?;
    let value: toml::Table = format!("value = {value}").parse()?;
    let value = value.get("value").cloned().context("no value")?;
    let section = settings.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let tables = match section {
        toml::Value::Array(tables) => tables.iter_mut().collect(),
        table => vec![table],
    };
    for table in tables {
        let table = table.as_table_mut().context("no table")?;
        table.insert(key.to_owned(), value.clone());
    }
    Ok(())
}
