//! Servers that ask for certificates.

use std::path::PathBuf;

use super::{deliver, expect_each_once};
use crate::{
    cli::with_config,
    support::{
        Story,
        certificates::{Authority, Certificate},
        mount::Mount,
        until,
    },
};

/// A story whose worker has certificates for both servers.
struct Secured {
    story: Story,
    authority: Authority,
    /// Where RabbitMQ takes certificates: `localhost:5671`.
    amqps: String,
    /// `localhost:5432`.
    database: String,
    /// The user of both.
    user: String,
}

impl Secured {
    /// `None`: the servers are not those of `tests/servers`, and offer no TLS.
    async fn begin() -> Option<Self> {
        let story = Story::begin().await;
        let Some((amqps, ca)) = story.servers.tls() else {
            eprintln!("skipped: these servers offer no TLS");
            return None;
        };
        let folder = story.folder().join("issued");
        std::fs::create_dir(&folder).unwrap();
        let authority = Authority::of_servers(ca, &folder);
        let named = |address: &str| address.replace("127.0.0.1", "localhost");
        let (amqps, database) = (named(amqps), named(&story.servers.database_address()));
        let user = format!("{}_certified", story.vhost());
        story.servers.create_user(story.vhost(), &user, "").await;
        story.servers.create_role(&user, "with_certificate").await;
        Some(Self { story, authority, amqps, database, user })
    }

    fn broker_url(&self) -> String {
        format!("amqps://{}/{}?auth_mechanism=external", self.amqps, self.story.vhost())
    }

    fn database_url(&self) -> String {
        let (database, name) = (&self.database, self.story.database());
        format!("postgres://{}@{database}/{name}?sslmode=verify-full", self.user)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.story.folder().join(name)
    }

    /// The settings for both servers, with these files.
    fn settle(&mut self, broker: Vec<String>, database: Vec<String>) {
        self.story.settings.amqp_url = self.broker_url();
        self.story.settings.database_url = self.database_url();
        self.story.settings.broker.extend(broker);
        self.story.settings.database = database;
    }
}

fn lines(mount: &Mount) -> Vec<String> {
    let files = [("ca_file", "ca"), ("client_cert_file", "cert"), ("client_key_file", "key")];
    files.map(|(key, file)| mount.setting(key, file)).to_vec()
}

fn files<'f>(ca: &'f str, own: &'f Certificate) -> [(&'f str, &'f str); 3] {
    [("ca", ca), ("cert", &own.certificate), ("key", &own.key)]
}

#[tokio::test]
async fn new_certificates_are_used_with_the_next_connection() {
    let Some(mut secured) = Secured::begin().await else { return };
    let (ca, user) = (secured.authority.ca(), secured.user.clone());
    let first = secured.authority.issue(&user);
    let for_broker = Mount::new(&secured.folder("broker"), &files(&ca, &first));
    let for_database = Mount::new(&secured.folder("database"), &files(&ca, &first));
    secured.settle(lines(&for_broker), lines(&for_database));
    let next_user = format!("{user}_next");
    let story = &mut secured.story;
    story.servers.create_user(story.vhost(), &next_user, "").await;
    let worker = story.worker().await;
    deliver(story, 0..10).await;
    worker.until_settled("published", 10).await;

    // A user that is deleted loses its connections.
    let other_name = secured.authority.issue(&next_user);
    for_broker.replace(&files(&ca, &other_name));
    story.servers.management("DELETE", &format!("users/{user}"), "").await;
    deliver(story, 10..20).await;
    worker.until_settled("published", 20).await;

    let second = secured.authority.issue(&user);
    let serials = "SELECT string_agg(DISTINCT client_serial::text, ' ') FROM pg_stat_ssl
                   JOIN pg_stat_activity USING (pid) WHERE usename = ";
    let serials = format!("{serials} '{user}'");
    let before = story.sql(&serials).await;
    assert!(!before.is_empty() && !before.contains(' '), "one certificate: {before}");
    // Half of a new pair: the old one serves until the other half is there.
    for_database.replace(&[("ca", &ca), ("cert", &second.certificate), ("key", &first.key)]);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = ";
    story.sql(&format!("{end} '{user}'")).await;
    worker.until_logged("database's certificates cannot be used now").await;
    deliver(story, 20..30).await;
    worker.until_settled("published", 30).await;
    assert_eq!(story.sql(&serials).await, before);
    for_database.replace(&files(&ca, &second));
    story.sql(&format!("{end} '{user}'")).await;
    until("the database is shown the new certificate", async || {
        let after = story.sql(&serials).await;
        (!after.is_empty() && !after.contains(&before)).then_some(())
    })
    .await;
    deliver(story, 30..40).await;

    expect_each_once(story, &worker, 40).await;
    story.servers.management("DELETE", &format!("users/{next_user}"), "").await;
}

#[tokio::test]
async fn a_worker_that_trusts_the_wrong_ca_says_so_and_goes_on_with_the_right_one() {
    let Some(mut secured) = Secured::begin().await else { return };
    let unknown = secured.folder("unknown");
    std::fs::create_dir(&unknown).unwrap();
    let (ca, other) = (secured.authority.ca(), Authority::unknown(&unknown).ca());
    let own = secured.authority.issue(&secured.user);
    let for_broker = Mount::new(&secured.folder("broker"), &files(&other, &own));
    let for_database = Mount::new(&secured.folder("database"), &files(&other, &own));
    secured.settle(lines(&for_broker), lines(&for_database));
    let story = &mut secured.story;
    let worker = story.worker_not_ready().await;
    deliver(story, 0..5).await;

    let told = worker.until_logged("the database does not answer").await;
    assert!(told.contains("database.ca_file does not hold the CA"), "{told}");
    for_database.replace(&files(&ca, &own));
    let told = worker.until_logged("not consuming").await;
    assert!(told.contains("broker.ca_file does not hold the CA"), "{told}");
    assert!(!worker.is_ready().await);
    for_broker.replace(&files(&ca, &own));

    expect_each_once(story, &worker, 5).await;
}

#[tokio::test]
async fn what_tls_fails_at_is_told_with_the_setting_to_look_at() {
    let Some(mut secured) = Secured::begin().await else { return };
    let unknown = secured.folder("unknown");
    std::fs::create_dir(&unknown).unwrap();
    let unknown = Authority::unknown(&unknown);
    let (ca, good) = (secured.authority.ca(), secured.authority.issue(&secured.user));
    let foreign = unknown.issue(&secured.user);
    let right = Mount::new(&secured.folder("right"), &files(&ca, &good));
    let wrong_ca = Mount::new(&secured.folder("wrong-ca"), &files(&unknown.ca(), &good));
    let wrong_own = Mount::new(&secured.folder("wrong-own"), &files(&ca, &foreign));
    let without = |mount: &Mount| vec![mount.setting("ca_file", "ca")];
    let cases = [
        (lines(&right), "localhost", None),
        (lines(&wrong_ca), "localhost", Some(".ca_file does not hold the CA")),
        (lines(&right), "127.0.0.1", Some("not for the host in ")),
        (without(&right), "localhost", Some("the server wants a certificate: ")),
        (lines(&wrong_own), "localhost", Some("the server does not accept ")),
    ];
    let (broker_url, database_url) = (secured.broker_url(), secured.database_url());
    for (files, host, told) in cases {
        let story = &mut secured.story;
        story.settings.amqp_url = broker_url.replace("localhost", host);
        story.settings.database_url = database_url.replace("localhost", host);
        story.settings.broker.truncate(1);
        story.settings.broker.extend(files.clone());
        story.settings.database = files;
        let ran = with_config(&["check", "--connect"], &story.config_file(), "").await;
        let Some(told) = told else {
            assert_eq!(ran.code, 0, "{}", ran.stdout);
            continue;
        };
        for section in ["broker", "database"] {
            let mut problems = ran.stdout.lines().filter(|line| line.starts_with("ERROR"));
            let problem = problems.find(|line| line.starts_with(&format!("ERROR    {section}: ")));
            let problem = problem.unwrap_or_else(|| panic!("{told}: {}", ran.stdout));
            // A server that refuses our certificate may be gone before its refusal is read.
            let broke = told.starts_with("the server") && problem.contains("Connection reset");
            assert!(problem.contains(told) || broke, "{told}: {problem}");
            let named = problem.contains(&format!("{section}."));
            assert!(named || broke && section == "database", "the setting is named: {problem}");
        }
    }
}
