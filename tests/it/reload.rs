//! Tenants change while the worker runs: all or nothing, nothing lost, nothing twice.

mod departures;
mod load;

use std::{
    fs::{create_dir_all, rename},
    os::unix::fs::symlink,
};

use docplanner_worker::simulator::api::Simulator;

use crate::support::{Story, clinic, golden::notification, until, worker::Worker};

/// A section `[[tenants]]` without a list of facilities.
fn tenant(docplanner: &Simulator, id: &str, lines: &str) -> String {
    let base_url = docplanner.base_url();
    format!(
        "[[tenants]]\nid = {id:?}\ndomain = \"doctoralia.es\"\nbase_url = {base_url:?}\n\
         client_id = \"demo\"\nclient_secret = \"secret\"\n{lines}\n"
    )
}

/// A booking at the facility of `beta`, which is told of and, because its time to pay is over, paid at once.
async fn book_at_beta(story: &mut Story) {
    story.deliver(&notification("slot-booked-of-the-guide")).await;
    for name in ["booking.created", "payment.paid"] {
        let event = story.next_event().await;
        assert_eq!(event.body["type"], format!("docplanner.{name}.v1"));
        assert_eq!(event.body["tenant"], "beta");
    }
}

/// Waits until so many reloads have ended so.
async fn until_reloaded(worker: &Worker, result: &str, times: u32) {
    let label = format!("result=\"{result}\"");
    until(&format!("{times} reloads are {result}"), async || {
        let count = worker.metric("config_reloads_total", &[&label]).await;
        (count >= f64::from(times)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tenant_is_added_when_the_file_changes_and_the_others_keep_their_token() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    story.deliver(&clinic::slot_booked("1", clinic::ONSITE)).await;
    assert_eq!(story.next_event().await.body["tenant"], "acme");
    story.docplanner.forget_requests();
    let hash = worker.metric("config_hash", &[]).await;

    // A route is no reason for a new client either.
    story
        .settings
        .tenant
        .push("[[tenants.routes]]\nmatch = { online_only = true }\nqueue = \"acme.new\"".into());
    story.settings.more = tenant(&story.docplanner, "beta", "facilities = [\"226402\"]");
    story.config_file();
    until_reloaded(&worker, "applied", 1).await;
    assert!(story.broker.has("acme.new").await);
    worker.assert_metric("config_last_reload_successful", &[], 1).await;
    assert!((worker.metric("config_hash", &[]).await - hash).abs() > 0.5);
    let zeros = worker.metrics().await;
    assert!(
        zeros
            .contains("docplanner_worker_dead_letters_total{tenant=\"beta\",reason=\"invalid\"} 0")
    );
    assert!(zeros.contains("docplanner_worker_payments_pending{tenant=\"beta\"} 0"));

    book_at_beta(&mut story).await;
    story
        .deliver(&clinic::with_doctor(
            clinic::slot_booked("2", clinic::ELSEWHERE),
            clinic::OTHER_DOCTOR,
        ))
        .await;
    assert_eq!(story.next_event().await.body["tenant"], "acme");
    assert_eq!(story.docplanner.count("/oauth/v2/token"), 1, "beta's own");
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn settings_that_are_wrong_are_refused_and_told_and_the_running_ones_stay() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let lines = "facilities = [\"1\"]\nflags_ttl = 10\n[[tenants.routes]]\nmatch = { events = [\"boking.*\"] }\ndrop = true";
    story.settings.more = tenant(&story.docplanner, "Beta", lines);
    story.config_file();
    worker.signal("HUP");
    until_reloaded(&worker, "refused", 1).await;
    for told in [
        "tenants[1].id: expected 1 to 40 of a-z, 0-9 and -",
        "tenants[1].flags_ttl: expected",
        "tenants[1].routes[0].match.events[0]: matches no event; did you mean `booking.*`?",
    ] {
        worker.until_logged(&format!("those in force stay: {told}")).await;
    }
    worker.assert_metric("config_last_reload_successful", &[], 0).await;
    story.deliver(&clinic::slot_booked("1", clinic::ONSITE)).await;
    assert_eq!(story.next_event().await.body["tenant"], "acme");

    // As it was, but for what only a restart changes.
    story.settings.more.clear();
    story.settings.broker.push("prefetch = 7".into());
    story.config_file();
    worker.signal("HUP");
    until_reloaded(&worker, "unchanged", 1).await;
    worker.until_logged("takes effect after a restart only: broker.prefetch").await;
    worker.assert_metric("config_last_reload_successful", &[], 1).await;

    // The one other setting that does not need a restart.
    story.settings.log_level = "info";
    story.config_file();
    worker.until_logged("the log's level is info from now on").await;
}

#[tokio::test]
async fn a_route_comes_into_force_once_its_target_is_there() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let route = "[[tenants.routes]]\nexchange = \"acme.events\"\nrouting_key = \"all\"";
    story.settings.tenant.push(route.into());
    story.config_file();
    worker.signal("HUP");
    let told = worker.until_logged("the settings are refused").await;
    assert!(told.contains("routes name exchanges that are not there: acme.events"), "{told}");
    story.deliver(&clinic::slot_booked("1", clinic::ONSITE)).await;
    assert_eq!(story.next_event().await.queue, "partner.onsite");

    // Nobody has to touch the file again.
    let path = format!("exchanges/{}/acme.events", story.vhost());
    story.servers.management("PUT", &path, r#"{"type": "fanout", "durable": true}"#).await;
    let path = format!("bindings/{}/e/acme.events/q/partner.unrouted", story.vhost());
    story.servers.management("POST", &path, "{}").await;
    until_reloaded(&worker, "applied", 1).await;
    story.deliver(&clinic::slot_booked("2", clinic::ONSITE)).await;
    assert_eq!(story.next_event().await.queue, "partner.unrouted");
    worker.assert_metric("config_reloads_total", &["result=\"refused\""], 1).await;
}

#[tokio::test]
async fn a_settings_volume_whose_links_are_swapped_is_followed() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    swap_version(&story, "..v1");
    let link = story.folder().join("link");
    symlink("..data/worker.toml", &link).unwrap();
    rename(link, story.folder().join("worker.toml")).unwrap();

    story.settings.more = tenant(&story.docplanner, "beta", "facilities = [\"226402\"]");
    swap_version(&story, "..v2");

    until_reloaded(&worker, "applied", 1).await;
    book_at_beta(&mut story).await;
}

/// As Kubernetes does it: `worker.toml` -> `..data/worker.toml`, `..data` -> a folder for each version.
fn swap_version(story: &Story, version: &str) {
    let folder = story.folder().join(version);
    create_dir_all(&folder).unwrap();
    story.settings.write(&folder);
    let new = story.folder().join("..data_tmp");
    symlink(version, &new).unwrap();
    rename(new, story.folder().join("..data")).unwrap();
}
