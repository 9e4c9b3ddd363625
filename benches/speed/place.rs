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

/// Which database.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// Empty.
    New,
    /// A copy of this one.
    CopyOf(&'static str),
    /// This one, which stays.
    Kept(&'static str),
}

/// Where a run takes place.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Of the virtual host, and of a database that was made for this run.
    name: String,
    database: Database,
    pub(crate) amqp_url: String,
    pub(crate) database_url: String,
    /// For settings and logs.
    pub(crate) folder: PathBuf,
}

impl Place {
    /// A new virtual host, and a database.
    pub(crate) async fn make(bench: &Bench, database: &Database) -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("speed_{}_{nth}", std::process::id());
        let servers = &bench.servers;
        let folder = bench.runs.join(&name);
        std::fs::create_dir_all(&folder)?;
        servers.create_vhost(&name).await?;
        let create = format!("CREATE DATABASE {name}");
        match database {
            Database::New => servers.execute("postgres", &create).await?,
            Database::CopyOf(other) => {
                let copy = format!("{create} TEMPLATE {other} STRATEGY file_copy");
                servers.execute("postgres", &copy).await?;
            }
            Database::Kept(_) => {}
        }
        let database_url = match database {
            Database::New | Database::CopyOf(_) => servers.database_url(&name),
            Database::Kept(kept) => servers.database_url(kept),
        };
        let amqp_url = servers.amqp_url(&name);
        Ok(Self { name, database: database.clone(), amqp_url, database_url, folder })
    }

    /// The name of the database.
    pub(crate) fn database(&self) -> &str {
        match self.database {
            Database::New | Database::CopyOf(_) => &self.name,
            Database::Kept(kept) => kept,
        }
    }

    /// Whether the database answers a question with `true`.
    pub(crate) async fn ensure(&self, bench: &Bench, question: &str) -> anyhow::Result<()> {
        let client = bench.servers.connect(self.database()).await?;
        let is_so: bool = client.query_one(question, &[]).await?.get(0);
        ensure!(is_so, "not true: {question}");
        Ok(())
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
        if !matches!(self.database, Database::Kept(_)) {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            bench.servers.execute("postgres", &drop).await?;
        }
        if !keep_logs {
            std::fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }
}

/// Whether a virtual host or database of this name belongs to a harness that does not run any more.
pub(crate) fn is_left_over(name: &str) -> bool {
    let parts: Vec<&str> = name.split('_').collect();
    let ["speed", pid, nth] = parts.as_slice() else { return false };
    let are_numbers = pid.parse::<u32>().is_ok() && nth.parse::<u32>().is_ok();
    are_numbers && !Path::new("/proc").join(pid).exists()
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
