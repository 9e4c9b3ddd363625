//! The harness: a test is a [`Story`] with a virtual host, a database and a Docplanner of its own.
//!
//! Every wait is for an event and has a deadline, so that a test fails instead of hanging.

pub mod broker;
pub mod certificates;
pub mod clinic;
pub mod collector;
pub mod dice;
pub mod golden;
pub mod many;
pub mod mount;
pub mod proxy;
pub mod schema;
pub mod servers;
pub mod worker;

use std::{
    fmt::Write as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use docplanner_worker::simulator::api::{Options, Simulator};
use serde_json::Value;

use self::{
    broker::{Broker, DeadLetter, Published},
    proxy::Proxy,
    servers::{Servers, servers},
    worker::Worker,
};

/// For anything that should happen at once. Long, because a loaded machine is no failure.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// A test's own world.
pub struct Story {
    /// Docplanner.
    pub docplanner: Simulator,
    /// The broker as the relay and the partner see it.
    pub broker: Broker,
    pub servers: &'static Servers,
    /// What the worker is told; change it before [`Story::worker`].
    pub settings: Settings,
    vhost: String,
    database: String,
    folder: PathBuf,
}

/// The worker's settings, as far as tests vary them.
pub struct Settings {
    pub amqp_url: String,
    pub database_url: String,
    /// Lines of `[broker]`.
    pub broker: Vec<String>,
    /// Lines of `[database]`.
    pub database: Vec<String>,
    /// Lines of the tenant `acme`.
    pub tenant: Vec<String>,
    /// Its client secret, if no line names a file.
    pub client_secret: String,
    /// Whole sections after it.
    pub more: String,
    pub log_level: &'static str,
    base_url: String,
}

impl Story {
    /// A fresh world with the clinic of [`clinic::world`].
    pub async fn begin() -> Self {
        Self::begin_with(Options { world: clinic::world(), ..Options::default() }).await
    }

    pub async fn begin_with(options: Options) -> Self {
        Self::begin_on(servers().await, options).await
    }

    /// On other servers than the shared ones; see [`servers::chaos`].
    pub async fn begin_on(servers: &'static Servers, options: Options) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("story_{}_{nth}", std::process::id());
        servers.create_vhost(&name).await;
        servers.create_database(&name).await;
        let docplanner = Simulator::start(options).await.unwrap();
        let settings = Settings {
            amqp_url: servers.amqp_url(&name),
            database_url: servers.database_url(&name),
            broker: vec![r#"retry_delays = ["200ms", "400ms"]"#.into()],
            database: vec![],
            tenant: vec![],
            client_secret: "secret".into(),
            more: String::new(),
            log_level: "debug",
            base_url: docplanner.base_url(),
        };
        let folder = std::env::temp_dir().join(format!("docplanner-worker-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        worker::topology_declare(&settings, &folder).await;
        let broker = Broker::connect(&settings.amqp_url).await;
        Self { docplanner, broker, servers, settings, vhost: name.clone(), database: name, folder }
    }

    /// Starts a worker and waits until it is ready.
    pub async fn worker(&self) -> Worker {
        let worker = self.worker_not_ready().await;
        worker.until_ready().await;
        worker
    }

    /// Starts a worker and waits until it listens for probes.
    pub async fn worker_not_ready(&self) -> Worker {
        Worker::start(&self.settings, &self.folder).await
    }

    /// A proxy between the worker and the broker.
    pub async fn proxy_before_broker(&mut self) -> Arc<Proxy> {
        let server = self.servers.broker_address();
        let proxy = Proxy::before(&server).await;
        self.settings.amqp_url = proxy.instead_of(&server, &self.settings.amqp_url);
        proxy
    }

    /// A proxy between the worker and the database.
    pub async fn proxy_before_database(&mut self) -> Arc<Proxy> {
        let server = self.servers.database_address();
        let proxy = Proxy::before(&server).await;
        self.settings.database_url = proxy.instead_of(&server, &self.settings.database_url);
        proxy
    }

    /// Deletes a queue or an exchange of the story's virtual host: `delete("queues", "partner.onsite")`.
    pub async fn delete(&self, what: &str, name: &str) {
        let path = format!("{what}/{}/{name}", self.vhost);
        self.servers.management("DELETE", &path, "").await;
    }

    /// Declares everything that belongs to the worker, as an operator would.
    pub async fn declare_topology(&self) {
        worker::topology_declare(&self.settings, &self.folder).await;
    }

    /// Puts a notification into the queue, as the relay would.
    pub async fn deliver(&self, notification: &Value) {
        self.broker.deliver(notification.to_string().as_bytes(), &[]).await;
    }

    /// The next event in any of the partner's queues.
    pub async fn next_event(&mut self) -> Published {
        self.broker.next_event().await
    }

    /// The next message that was set aside.
    pub async fn next_dead_letter(&mut self) -> DeadLetter {
        self.broker.next_dead_letter().await
    }

    /// Replaces the story's database by an empty one.
    pub async fn forget_migrations(&self) {
        let postgres = self.servers.connect("postgres").await;
        let database = &self.database;
        for statement in ["DROP DATABASE", "CREATE DATABASE"] {
            postgres.batch_execute(&format!("{statement} {database}")).await.unwrap();
        }
    }

    /// One value of the story's own database.
    pub async fn sql(&self, query: &str) -> String {
        self.servers.query(&self.database, query).await
    }

    /// The settings file of a worker, written anew.
    pub fn config_file(&self) -> PathBuf {
        self.settings.write(&self.folder)
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        // The servers outlive the tests; what a story made is removed in the background.
        self.servers.remove(&self.vhost, &self.database);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Settings {
    pub fn write(&self, folder: &std::path::Path) -> PathBuf {
        let mut text = String::new();
        writeln!(text, "[broker]\nurl = {:?}\n{}\n", self.amqp_url, self.broker.join("\n"))
            .unwrap();
        let database = self.database.join("\n");
        writeln!(text, "[database]\nurl = {:?}\n{database}\n", self.database_url).unwrap();
        writeln!(text, "[http]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = {:?}\n", self.log_level)
            .unwrap();
        let tenant = self.tenant.join("\n");
        let client_secret = if tenant.contains("client_secret_file") {
            String::new()
        } else {
            format!("client_secret = {:?}\n", self.client_secret)
        };
        writeln!(
            text,
            "[[tenants]]\nid = \"acme\"\ndomain = \"znanylekarz.pl\"\nbase_url = {:?}\n\
             client_id = \"demo\"\n{client_secret}{tenant}\n{}",
            self.base_url, self.more
        )
        .unwrap();
        let file = folder.join("worker.toml");
        std::fs::write(&file, text).unwrap();
        file
    }
}

/// Waits until `check` gives something, asking again and again.
pub async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    };
    let found = tokio::time::timeout(DEADLINE, waiting).await;
    found.unwrap_or_else(|_| panic!("waited {DEADLINE:?} in vain until {what}"))
}
