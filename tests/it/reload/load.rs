//! The file changes twenty times while notifications arrive without a pause.

use std::{collections::BTreeMap, time::Duration};

use docplanner_worker::simulator::api::Simulator;
use lapin::{BasicProperties, Channel};
use tokio::sync::oneshot;

use super::tenant;
use crate::support::{
    Story,
    broker::{self, INCOMING},
    clinic::{self, ONLINE, ONLINE_PAYMENT, ONSITE, ONSITE_PAYMENT},
    until,
    worker::Worker,
};

const CHANGES: u32 = 20;

/// To `acme`, which is there all the time, and to `beta`, which comes and goes.
const TENANTS: [&str; 2] = ["acme", "beta"];

/// Publishes until it is stopped; how many.
async fn tell(channel: Channel, mut stop: oneshot::Receiver<()>) -> u32 {
    let mut sent = 0;
    while stop.try_recv().is_err() {
        let address = [ONSITE, ONLINE, ONLINE_PAYMENT, ONSITE_PAYMENT][sent as usize % 4];
        let body = clinic::slot_booked(&sent.to_string(), address).to_string();
        let mut headers = lapin::types::FieldTable::default();
        let tenant = TENANTS[(sent / 4) as usize % 2];
        let value = lapin::types::AMQPValue::LongString(tenant.into());
        headers.insert("x-docplanner-tenant".into(), value);
        let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
        broker::publish(&channel, INCOMING, body.as_bytes(), properties).await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    sent
}

/// What the nth change says: lines of `acme`, sections after it, and what comes of it.
fn change(docplanner: &Simulator, nth: u32) -> (Vec<String>, String, &'static str) {
    let beta = tenant(docplanner, "beta", "facilities = [\"226402\"]");
    let route = "[[tenants.routes]]\nmatch = { online_only = true, events = [\"booking.*\"] }\n\
                 queue = \"acme.telemedicine\"\n";
    let route = vec![route.to_owned()];
    match nth % 5 {
        0 => (vec![], beta, "applied"),
        1 => (route, beta, "applied"),
        2 => (route, "[[tenants]\n".into(), "refused"),
        3 => (vec![], String::new(), "applied"),
        _ => (vec![], "[[tenants]]\nid = \"gamma\"\n".into(), "refused"),
    }
}

#[tokio::test]
async fn twenty_changes_under_load_lose_nothing_and_publish_nothing_twice() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let (stop, stopped) = oneshot::channel();
    let load = tokio::spawn(tell(story.broker.channel.clone(), stopped));

    let mut expected = BTreeMap::from([("applied", 0), ("refused", 0)]);
    for nth in 0..CHANGES {
        let (lines, more, result) = change(&story.docplanner, nth);
        (story.settings.tenant, story.settings.more) = (lines, more);
        story.config_file();
        // Some are noticed, the others are told.
        if nth % 7 != 3 {
            worker.signal("HUP");
        }
        *expected.get_mut(result).unwrap() += 1;
        until_told(&worker, &expected).await;
        if nth == 1 {
            story.broker.consume_again("acme.telemedicine").await;
        }
    }
    stop.send(()).unwrap();
    let sent = load.await.unwrap();

    let (mut events, mut dead_letters) = (BTreeMap::new(), Vec::new());
    until("each is published or set aside", async || {
        for event in story.broker.further_events() {
            let tenant = event.body["tenant"].as_str().unwrap().to_owned();
            let key = (tenant, event.booking());
            assert!(events.insert(key, event.queue).is_none(), "{} is published twice", event.id());
        }
        dead_letters.extend(story.broker.further_dead_letters());
        (events.len() + dead_letters.len() >= sent as usize).then_some(())
    })
    .await;
    for dead in &dead_letters {
        assert_eq!(dead.header("x-reason").unwrap(), "unknown-tenant");
        assert_eq!(dead.header("x-docplanner-tenant").unwrap(), "beta");
    }
    let of_acme = events.keys().filter(|(tenant, _)| tenant == "acme").count();
    let of_beta = events.len() - of_acme;
    let routed = events.values().filter(|queue| **queue == "acme.telemedicine").count();
    println!(
        "{sent} sent: {of_acme} of acme, {routed} of them routed, {of_beta} of beta, {} of nobody",
        dead_letters.len()
    );
    assert!(of_acme >= sent as usize / 2 && of_acme <= sent as usize / 2 + 4);
    assert!(routed > 0 && of_beta > 0 && !dead_letters.is_empty(), "each change has shown");
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

async fn until_told(worker: &Worker, expected: &BTreeMap<&str, u32>) {
    for (result, times) in expected {
        super::until_reloaded(worker, result, *times).await;
    }
}
