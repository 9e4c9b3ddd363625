//! Secrets and certificates that are replaced while notifications arrive: nothing is lost, and no attempt is spent.

mod certificates;
mod files;

use crate::support::{Story, clinic, mount::Mount, proxy::Proxy, worker::Worker};

/// Bookings of these numbers, all at addresses whose flags are asked for.
async fn deliver(story: &Story, bookings: std::ops::Range<u32>) {
    let booked = |nth: u32| clinic::slot_booked(&nth.to_string(), clinic::ONSITE);
    story.deliver_all(&bookings.map(booked).collect::<Vec<_>>()).await;
}

/// So many bookings are published once each, none after a retry, and the worker is ready.
async fn expect_each_once(story: &mut Story, worker: &Worker, count: u32) {
    worker.until_settled("published", count).await;
    worker.until_ready().await;
    let mut bookings = std::collections::HashSet::new();
    for event in story.next_events(count as usize).await {
        assert!(bookings.insert(event.booking()), "twice: {}", event.booking());
    }
    assert!(story.broker.further_events().is_empty());
    assert!(story.broker.further_dead_letters().is_empty());
    worker.assert_metric("deliveries_total", &["disposition=\"retry\""], 0).await;
}

#[tokio::test]
async fn a_new_client_secret_is_used_once_its_file_holds_it_and_waiting_for_it_costs_no_attempt() {
    let mut story = Story::begin().await;
    let mount = Mount::new(&story.folder().join("acme"), &[("secret", "secret")]);
    story.settings.tenant.push(mount.setting("client_secret_file", "secret"));
    // An attempt that is spent is the last one.
    story.settings.broker = vec![r#"retry_delays = ["100ms"]"#.into()];
    story.declare_topology().await;
    let worker = story.worker().await;
    deliver(&story, 0..5).await;
    worker.until_settled("published", 5).await;

    story.docplanner.replace_secret("demo", "new secret");
    story.docplanner.expire_tokens();
    let elsewhere = |nth: u32| {
        let booked = clinic::slot_booked(&nth.to_string(), clinic::ELSEWHERE);
        clinic::with_doctor(booked, clinic::OTHER_DOCTOR)
    };
    story.deliver_all(&(5..25).map(elsewhere).collect::<Vec<_>>()).await;
    worker.until_logged("the API refuses the client secret").await;
    worker.until_settled("retry", 60).await;
    mount.replace(&[("secret", "new secret")]);

    worker.until_settled("published", 25).await;
    assert_eq!(story.next_events(25).await.len(), 25);
    assert!(story.broker.further_dead_letters().is_empty());
    worker.until_logged("the API accepts the client secret again").await;
    let asked = story.docplanner.count("POST /oauth/v2/token");
    assert!(asked < 20, "a refused secret is not offered again and again: {asked} times");
    let log = worker.log();
    assert_eq!(log.count("waiting for its file to be replaced"), 1);
    assert!(!log.text().contains("new secret"));
}

#[tokio::test]
async fn a_new_password_of_the_database_is_used_once_its_file_holds_it() {
    let mut story = Story::begin().await;
    let role = format!("{}_role", story.database());
    story.servers.create_role(&role, "with_password").await;
    let url = |password: &str| {
        let url = story.servers.database_url(story.database());
        ("url", url.replace("postgres@", &format!("{role}:{password}@")))
    };
    let admin = story.servers.connect("postgres").await;
    let set_password = async |password: &str| {
        let statement = format!("ALTER ROLE {role} PASSWORD '{password}'");
        admin.batch_execute(&statement).await.unwrap();
    };
    set_password("swordfish-1").await;
    let (file, first) = url("swordfish-1");
    let (_, second) = url("swordfish-2");
    let mount = Mount::new(&story.folder().join("database"), &[(file, &first)]);
    story.settings.database.push(mount.setting("url_file", file));
    let worker = story.worker().await;
    worker.until_logged("listening to other pods").await;
    deliver(&story, 0..10).await;

    set_password("swordfish-2").await;
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'");
    admin.batch_execute(&end).await.unwrap();
    deliver(&story, 10..20).await;
    worker.until_logged("password authentication failed").await;
    worker.until_not_ready().await;
    // Between two versions there may be nothing for a moment.
    mount.replace(&[]);
    worker.until_logged("database.url_file cannot be used now").await;
    mount.replace(&[(file, &second)]);

    expect_each_once(&mut story, &worker, 20).await;
    worker.until_logged("database.url_file has changed").await;
    worker.until_logged_times("listening to other pods", 2).await;
    assert!(!worker.log().text().contains("swordfish"));
}

#[tokio::test]
async fn a_new_password_of_the_broker_is_used_once_its_file_holds_it() {
    let mut story = Story::begin().await;
    let (user, vhost) = (format!("{}_user", story.vhost()), story.vhost().to_owned());
    story.servers.create_user(&vhost, &user, "swordfish-1").await;
    let network = Proxy::before(&story.servers.broker_address()).await;
    let direct = story.servers.amqp_url(&vhost);
    let proxied = network.instead_of(&story.servers.broker_address(), &direct);
    let url = |password: &str| proxied.replace("guest:guest", &format!("{user}:{password}"));
    let mount = Mount::new(&story.folder().join("broker"), &[("url", &url("swordfish-1"))]);
    story.settings.broker.push(mount.setting("url_file", "url"));
    let worker = story.worker().await;
    deliver(&story, 0..10).await;

    story.servers.create_user(&vhost, &user, "swordfish-2").await;
    worker.until_settled("published", 10).await;
    assert!(worker.is_ready().await, "a connection outlives its password");
    network.cut_connections();
    deliver(&story, 10..20).await;
    worker.until_logged("ACCESS_REFUSED").await;
    worker.until_not_ready().await;
    mount.replace(&[("url", &url("swordfish-2"))]);

    expect_each_once(&mut story, &worker, 20).await;
    assert!(!worker.log().text().contains("swordfish"));
    story.servers.management("DELETE", &format!("users/{user}"), "").await;
}
