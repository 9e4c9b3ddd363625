//! The shared servers, and what a story has of its own on them; and the servers that may be killed.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tokio_postgres::{Client, NoTls};

/// The addresses of RabbitMQ and PostgreSQL.
pub struct Servers {
    name: Option<&'static str>,
    amqp_url: String,
    database_url: String,
    management_url: String,
    /// `127.0.0.1:5671`, and the folder of the CA; servers that `tests/servers` did not start have none.
    tls: Option<(String, PathBuf)>,
    http: reqwest::Client,
}

/// Migrated once; every story's database is a copy of it.
fn template() -> String {
    format!("template_{}", std::process::id())
}

/// The servers that `make test` has started, or that `tests/servers` starts now.
pub async fn servers() -> &'static Servers {
    static SERVERS: OnceCell<Servers> = OnceCell::const_new();
    SERVERS
        .get_or_init(async || {
            docplanner_worker::tls::install_provider();
            let servers = Servers::named(None);
            servers.create_template().await;
            servers
        })
        .await
}

/// The servers that a test may kill, pause and starve; one test at a time.
pub struct Chaos {
    pub servers: &'static Servers,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for the turn of this test, and brings the servers into a good state.
pub async fn chaos() -> Chaos {
    static TURN: Mutex<()> = Mutex::const_new(());
    static SERVERS: OnceCell<Servers> = OnceCell::const_new();
    let turn = TURN.lock().await;
    let servers = SERVERS
        .get_or_init(async || {
            docplanner_worker::tls::install_provider();
            let servers = Servers::named(Some("chaos"));
            servers.create_template().await;
            servers
        })
        .await;
    // What a test that failed has left behind.
    servers.control(&["up"]).await;
    servers.control(&["rabbitmqctl", "set_vm_memory_high_watermark", "0.4"]).await;
    Chaos { servers, _turn: turn }
}

impl Servers {
    /// The shared servers, or another pair of that name, which `make test` stops at its end.
    pub fn named(name: Option<&'static str>) -> Self {
        let settings = environment(name);
        let setting = |key: &str| settings.get(key).cloned().unwrap_or_default();
        Self {
            name,
            amqp_url: setting("AMQP_URL"),
            database_url: setting("DATABASE_URL"),
            management_url: setting("MANAGEMENT_URL"),
            tls: settings.get("TLS_FOLDER").map(|folder| {
                (format!("127.0.0.1:{}", setting("AMQPS_PORT")), PathBuf::from(folder))
            }),
            // Each test has a runtime of its own, and a kept connection ends with the one it was opened in.
            http: reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap(),
        }
    }

    pub fn amqp_url(&self, vhost: &str) -> String {
        let (server, _) = self.amqp_url.rsplit_once('/').unwrap();
        format!("{server}/{vhost}")
    }

    pub fn database_url(&self, database: &str) -> String {
        let (server, parameters) = self.database_url.rsplit_once('/').unwrap();
        let parameters = parameters.split_once('?').map(|(_, parameters)| format!("?{parameters}"));
        format!("{server}/{database}{}", parameters.unwrap_or_default())
    }

    /// Where RabbitMQ takes clients with a certificate, and the folder of the CA that both servers know.
    pub fn tls(&self) -> Option<(&str, &Path)> {
        self.tls.as_ref().map(|(address, folder)| (address.as_str(), folder.as_path()))
    }

    /// `127.0.0.1:5672`, to put a proxy before it.
    pub fn broker_address(&self) -> String {
        address(&self.amqp_url)
    }

    pub fn database_address(&self) -> String {
        address(&self.database_url)
    }

    /// `http://127.0.0.1:15672`, without a user.
    pub fn management_url(&self) -> String {
        let (_, address) = self.management_url.split_once('@').unwrap();
        format!("http://{address}")
    }

    /// `kill postgresql`, `rabbitmqctl status`, … : a command of `tests/servers`.
    pub async fn control(&self, arguments: &[&str]) {
        let name = self.name;
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        tokio::task::spawn_blocking(move || script(name, &arguments)).await.unwrap();
    }

    pub async fn create_vhost(&self, name: &str) {
        self.management("PUT", &format!("vhosts/{name}"), "").await;
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        self.management("PUT", &format!("permissions/{name}/guest"), all).await;
    }

    /// A call to RabbitMQ's management API; the answer's body.
    pub async fn management(&self, method: &str, path: &str, body: &str) -> String {
        let url = format!("{}/api/{path}", self.management_url);
        let request = self
            .http
            .request(method.parse().unwrap(), url)
            .header("content-type", "application/json")
            .body(body.to_owned());
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        text
    }

    pub async fn create_database(&self, name: &str) {
        let client = self.connect("postgres").await;
        client
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {}", template()))
            .await
            .unwrap();
    }

    async fn create_template(&self) {
        let admin = self.connect("postgres").await;
        admin.batch_execute(&format!("CREATE DATABASE {}", template())).await.unwrap();
        let mut client = self.connect(&template()).await;
        docplanner_worker::inbox::migrate(&mut client).await.unwrap();
    }

    /// A user of the database, who has to show what `group` is named after: `with_password`,
    /// `with_certificate`.
    pub async fn create_role(&self, name: &str, group: &str) {
        let admin = self.connect("postgres").await;
        // Another test may create the group at the same moment.
        let _ = admin.batch_execute(&format!("CREATE ROLE {group} NOLOGIN")).await;
        let create = format!("CREATE ROLE {name} LOGIN SUPERUSER IN ROLE {group}");
        let recreate = format!("DROP ROLE IF EXISTS {name}; {create}");
        admin.batch_execute(&recreate).await.unwrap();
    }

    /// A user of RabbitMQ; without a password where the certificate is enough.
    pub async fn create_user(&self, vhost: &str, name: &str, password: &str) {
        let user = format!(r#"{{"password":{password:?},"tags":""}}"#);
        self.management("PUT", &format!("users/{name}"), &user).await;
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        self.management("PUT", &format!("permissions/{vhost}/{name}"), all).await;
    }

    /// The first column of the first row, as text.
    pub async fn query(&self, database: &str, query: &str) -> String {
        let client = self.connect(database).await;
        let rows = client.simple_query(query).await.unwrap();
        rows.iter()
            .find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("")),
                _ => None,
            })
            .unwrap_or("")
            .to_owned()
    }

    pub async fn connect(&self, database: &str) -> Client {
        let url = self.database_url(database);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Removes a story's virtual host and database, without anybody waiting for it.
    pub fn remove(&self, vhost: &str, database: &str) {
        let url = format!("{}/api/vhosts/{vhost}", self.management_url);
        let delete = ["-s", "-o", "/dev/null", "-X", "DELETE", &url];
        let _ = Command::new("curl").args(delete).spawn();
        let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        let psql = [&self.database_url("postgres"), "-q", "-c", &drop];
        let _ = Command::new("psql").args(psql).spawn();
    }
}

/// Asks `tests/servers` for the addresses, and to start what does not run.
#[expect(clippy::disallowed_methods, reason = "not settings: what `make test` has started")]
fn environment(name: Option<&'static str>) -> HashMap<String, String> {
    if name.is_none() && std::env::var("AMQP_URL").is_ok() {
        return std::env::vars().collect();
    }
    script(name, &["up"]);
    script(name, &["env"])
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
        .collect()
}

/// Runs `tests/servers`, for the shared servers or for others; what it prints.
fn script(name: Option<&str>, arguments: &[impl AsRef<OsStr> + fmt::Debug]) -> String {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers"));
    if let Some(name) = name {
        command.env("SERVERS_NAME", name);
        // Whatever servers the caller brought: these are started here, because they will be killed.
        for brought in ["AMQP_URL", "DATABASE_URL", "MANAGEMENT_URL", "SERVERS_OWN"] {
            command.env_remove(brought);
        }
    }
    let output = command.args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "tests/servers {arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

fn address(url: &str) -> String {
    let after_user = url.split_once('@').map_or(url, |(_, rest)| rest);
    after_user.split('/').next().unwrap().to_owned()
}
