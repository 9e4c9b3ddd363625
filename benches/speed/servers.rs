//! The private servers: their addresses, their processes, and the virtual hosts and databases on them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio_postgres::{Client, NoTls};

use crate::{
    place,
    process::{self, Tree},
};

/// As `tests/servers env` prints them.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Addresses {
    #[arg(long = "amqp-url", env = "AMQP_URL", hide_env_values = true, default_value = "")]
    amqp: String,
    #[arg(long = "database-url", env = "DATABASE_URL", hide_env_values = true, default_value = "")]
    database: String,
    #[arg(
        long = "management-url",
        env = "MANAGEMENT_URL",
        hide_env_values = true,
        default_value = ""
    )]
    management: String,
}

/// The two servers.
pub(crate) struct Servers {
    addresses: Addresses,
    http: reqwest::Client,
    /// Without the processes of a server on another machine, its processor time is not told.
    pub(crate) rabbitmq: Option<Tree>,
    pub(crate) postgresql: Option<Tree>,
}

impl Servers {
    pub(crate) fn new(addresses: &Addresses) -> anyhow::Result<Self> {
        let Addresses { amqp, database, management } = addresses;
        for (name, url) in
            [("AMQP_URL", amqp), ("DATABASE_URL", database), ("MANAGEMENT_URL", management)]
        {
            ensure!(!url.is_empty(), "{name} is not set: start it with `make bench`");
        }
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        let rabbitmq = port(amqp).and_then(process::listening_on);
        let postgresql = port(database).and_then(process::listening_on);
        Ok(Self { addresses: addresses.clone(), http, rabbitmq, postgresql })
    }

    pub(crate) fn amqp_url(&self, vhost: &str) -> String {
        let url = &self.addresses.amqp;
        let server = url.rsplit_once('/').map_or(url.as_str(), |(server, _)| server);
        format!("{server}/{vhost}")
    }

    pub(crate) fn database_url(&self, database: &str) -> String {
        let url = &self.addresses.database;
        let (server, last) = url.rsplit_once('/').unwrap_or((url, ""));
        let parameters = last.split_once('?').map(|(_, parameters)| format!("?{parameters}"));
        format!("{server}/{database}{}", parameters.unwrap_or_default())
    }

    pub(crate) async fn create_vhost(&self, name: &str) -> anyhow::Result<()> {
        self.management("PUT", &format!("vhosts/{name}"), "").await?;
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        self.management("PUT", &format!("permissions/{name}/guest"), all).await?;
        Ok(())
    }

    pub(crate) async fn delete_vhost(&self, name: &str) -> anyhow::Result<()> {
        self.management("DELETE", &format!("vhosts/{name}"), "").await?;
        Ok(())
    }

    /// Removes what a harness that was stopped on its way has left.
    pub(crate) async fn remove_leftovers(&self) -> anyhow::Result<()> {
        let vhosts: serde_json::Value =
            serde_json::from_str(&self.management("GET", "vhosts", "").await?)?;
        let names =
            vhosts.as_array().into_iter().flatten().filter_map(|vhost| vhost["name"].as_str());
        for name in names.filter(|name| place::is_left_over(name)) {
            self.delete_vhost(name).await?;
        }
        let client = self.connect("postgres").await?;
        for row in client.query("SELECT datname::text FROM pg_database", &[]).await? {
            let name: String = row.get(0);
            if place::is_left_over(&name) {
                client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await?;
            }
        }
        Ok(())
    }

    /// A call to RabbitMQ's management API; the answer's body.
    pub(crate) async fn management(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<String> {
        let request = self
            .http
            .request(method.parse()?, format!("{}/api/{path}", self.addresses.management))
            .header("content-type", "application/json")
            .body(body.to_owned());
        let answer = request.send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        ensure!(status.is_success(), "RabbitMQ's management API, {method} {path}: {status}");
        Ok(answer.text().await?)
    }

    pub(crate) async fn connect(&self, database: &str) -> anyhow::Result<Client> {
        let url = self.database_url(database);
        let connecting = tokio_postgres::connect(&url, NoTls).await;
        let (client, connection) =
            connecting.with_context(|| format!("cannot connect to the database {database}"))?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Statements for the server, or for one database of it.
    pub(crate) async fn execute(&self, database: &str, statements: &str) -> anyhow::Result<()> {
        let client = self.connect(database).await?;
        client.batch_execute(statements).await.with_context(|| statements.to_owned())
    }

    pub(crate) async fn checkpoint(&self) -> anyhow::Result<()> {
        self.execute("postgres", "CHECKPOINT").await
    }

    /// Waits until both servers use next to no processor time.
    pub(crate) async fn until_idle(&self, limit: Duration) -> anyhow::Result<()> {
        const LOOK: Duration = Duration::from_millis(500);
        /// Of one processor. An idle RabbitMQ looks after its statistics.
        const IDLE: f64 = 0.06;
        let servers: Vec<&Tree> = self.rabbitmq.iter().chain(&self.postgresql).collect();
        let since = Instant::now();
        loop {
            let before: f64 = servers.iter().map(|tree| tree.cpu_seconds()).sum();
            tokio::time::sleep(LOOK).await;
            let after: f64 = servers.iter().map(|tree| tree.cpu_seconds()).sum();
            if after - before < IDLE * LOOK.as_secs_f64() {
                return Ok(());
            }
            ensure!(since.elapsed() < limit, "the servers are not idle after {limit:?}");
        }
    }
}

fn port(url: &str) -> Option<u16> {
    let (_, after_user) = url.split_once('@')?;
    after_user.split(['/', '?']).next()?.rsplit_once(':')?.1.parse().ok()
}
