//! A tenant's own routes: each kind of target, and who is spared when one of them is wrong.

use docplanner_worker::simulator::api::Fault;

use crate::support::{
    Story,
    clinic::{self, ONLINE, ONLINE_PAYMENT, ONSITE, told},
    golden::{assert_golden, fixture},
    until,
    worker::run,
};

const ROUTES: &str = r#"
[[tenants.routes]]
match = { events = ["booking.canceled"] }
drop = true
[[tenants.routes]]
match = { online_only = true, visit_payment = true, events = ["booking.*"] }
queue = "acme.telemedicine"
[[tenants.routes]]
match = { modality = "online" }
exchange = "acme.events"
routing_key = "from.docplanner"
"#;

const TELEMEDICINE: &str = "acme.telemedicine";

/// A story with [`ROUTES`], whose exchange is there and feeds a queue of the same name.
async fn story() -> Story {
    let mut story = Story::begin().await;
    story.settings.tenant.push(ROUTES.into());
    add_exchange(&story).await;
    story
}

/// The partner's own exchange.
async fn add_exchange(story: &Story) {
    let (vhost, exchange) = (story.vhost(), r#"{"type": "fanout", "durable": true}"#);
    story.servers.management("PUT", &format!("exchanges/{vhost}/acme.events"), exchange).await;
    let queue = r#"{"durable": true, "arguments": {"x-queue-type": "quorum"}}"#;
    story.servers.management("PUT", &format!("queues/{vhost}/acme.events"), queue).await;
    let binding = format!("bindings/{vhost}/e/acme.events/q/acme.events");
    story.servers.management("POST", &binding, "{}").await;
}

#[tokio::test]
async fn each_target_gets_its_events_and_the_rest_goes_the_default_way() {
    let mut story = story().await;
    let worker = story.worker().await;
    for queue in [TELEMEDICINE, "acme.events"] {
        story.broker.consume_again(queue).await;
    }
    for (booking, address, queue, routing_key) in [
        ("1", ONLINE_PAYMENT, TELEMEDICINE, TELEMEDICINE),
        ("2", ONLINE, "acme.events", "from.docplanner"),
        ("3", ONSITE, "partner.onsite", "acme.onsite.no_payment.booking.created"),
    ] {
        story.deliver(&clinic::slot_booked(booking, address)).await;
        let event = story.next_event().await;
        assert_eq!((event.queue, event.routing_key.as_str()), (queue, routing_key));
        assert_eq!(event.booking(), booking);
    }

    let canceled = clinic::booking_canceled("1", ONLINE_PAYMENT);
    story.deliver(&canceled).await;
    worker.until_settled("dropped", 1).await;
    story.deliver(&canceled).await;
    worker.until_settled("duplicate", 1).await;
    story.deliver(&told("booking-confirmed", ONLINE_PAYMENT, clinic::booked("1"))).await;
    let confirmed = story.next_event().await;
    assert_eq!(confirmed.queue, TELEMEDICINE);
    assert_eq!(confirmed.body["sequence"], "0000000003", "what is dropped counts");
    let dropped = ["type=\"booking.canceled\"", "result=\"dropped\""];
    worker.assert_metric("events_published_total", &dropped, 1).await;
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_follows_from_an_event_has_a_route_of_its_own_and_is_decided_all_the_same() {
    let mut story = Story::begin().await;
    let drop = "[[tenants.routes]]\nmatch = { events = [\"payment.status_changed\"] }\ndrop = true";
    let paid = "[[tenants.routes]]\nmatch = { events = [\"payment.*\"] }\nqueue = \"acme.money\"";
    story.settings.tenant.push(format!("{drop}\n{paid}"));
    let worker = story.worker().await;
    story.broker.consume_again("acme.money").await;

    story.deliver(&clinic::payment_status(ONSITE, clinic::to_be_paid("1"), "paid")).await;
    let event = story.next_event().await;
    assert_eq!(
        (event.queue, event.body["type"].as_str()),
        ("acme.money", Some("docplanner.payment.paid.v1"))
    );
    worker.until_settled("published", 1).await;

    // What time brings goes the same ways.
    story.deliver(&told("slot-booked", clinic::ONSITE_PAYMENT, clinic::to_be_paid("2"))).await;
    assert_eq!(story.next_event().await.queue, "partner.onsite.payment");
    until("its timer is set", async || {
        (story.sql("SELECT count(*) FROM timers").await == "1").then_some(())
    })
    .await;
    story.sql("UPDATE timers SET fire_at = now()").await;
    let event = story.next_event().await;
    assert_eq!((event.queue, event.booking().as_str()), ("acme.money", "2"));
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_exchange_that_is_not_there_costs_its_own_events_only() {
    let mut story = story().await;
    let worker = story.worker().await;
    story.delete("exchanges", "acme.events").await;

    story.deliver(&clinic::slot_booked("lost", ONLINE)).await;
    for nth in 0..20 {
        story.deliver(&clinic::slot_booked(&format!("kept-{nth}"), ONSITE)).await;
    }
    for _ in 0..20 {
        assert!(story.next_event().await.booking().starts_with("kept-"));
    }
    let dead = story.next_dead_letter().await;
    assert_eq!(dead.header("x-reason").unwrap(), "publish-failed");
    let error = "cannot publish the event: the exchange of its route is not there";
    assert_eq!(dead.header("x-error").unwrap(), error);
    worker.until_logged("exchange acme.events of a route is not there").await;
    assert!(worker.is_ready().await);

    let config = story.config_file();
    let checked = run(&["check", "--connect", "--config", config.to_str().unwrap()], "").await;
    let told = "ERROR    exchange acme.events of a route: it is not there";
    assert_eq!((checked.code, checked.stdout.contains(told)), (1, true), "{}", checked.stdout);

    // Believed to be missing for a while.
    add_exchange(&story).await;
    story.broker.consume_again("acme.events").await;
    story.broker.publish("docplanner.notifications", &dead.body, dead.properties).await;
    until("the replayed dead letter is published or set aside", async || {
        let settled = [r#"disposition="published""#, r#"disposition="dead_letter""#];
        let [published, dead] = settled.map(|it| [it, "kind=\"slot-booked\""]);
        let published = worker.metric("deliveries_total", &published).await;
        let dead = worker.metric("deliveries_total", &dead).await;
        (published + dead >= 22.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tenant_that_holds_what_is_not_mapped_does_not_hold_what_is_dropped() {
    let mut story = Story::begin().await;
    story.settings.tenant.push("[[tenants.routes]]\ndrop = true".into());
    story.settings.tenant.push("[tenants.mapping]\non_missing = \"hold\"".into());
    let worker = story.worker().await;
    story.docplanner.fault(Fault::status(503).on("/addresses").times(1));
    story.deliver(&clinic::slot_booked("1", ONSITE)).await;
    worker.until_settled("dropped", 1).await;
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn the_rule_that_matches_is_explained_with_its_target() {
    let story = story().await;
    let config = story.config_file();
    for (notification, expected) in [
        (
            clinic::slot_booked("1", ONLINE_PAYMENT),
            "route rule       routes[1]: online_only = true, visit_payment = true, events = [\"booking.*\"]\n\
             queue            acme.telemedicine\n",
        ),
        (
            clinic::slot_booked("1", ONLINE),
            "route rule       routes[2]: modality = \"online\"\n\
             exchange         acme.events\n\
             routing key      from.docplanner\n",
        ),
        (
            clinic::booking_canceled("1", ONLINE),
            "route rule       routes[0]: events = [\"booking.canceled\"]\n\
             queue            none: the event is dropped\n",
        ),
    ] {
        let arguments = ["explain", "-", "--config", config.to_str().unwrap()];
        let ran = run(&arguments, &notification.to_string()).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    }
}

#[tokio::test]
async fn every_problem_with_routes_is_told_with_its_path() {
    let story = Story::begin().await;
    let file = story.folder().join("routes.toml");
    std::fs::write(&file, fixture("cli/route-problems.toml")).unwrap();
    let ran = run(&["check", "--config", file.to_str().unwrap()], "").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert_golden("cli/route-problems.txt", &ran.stderr);
}

#[tokio::test]
async fn queues_of_routes_belong_to_the_topology_and_exchanges_do_not() {
    let story = story().await;
    let config = story.config_file();
    let ran = run(&["topology", "export", "--config", config.to_str().unwrap()], "").await;
    let exported: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let has = |list: &str, name: &str| {
        exported[list].as_array().unwrap().iter().any(|it| it["name"] == name)
    };
    assert!(has("queues", TELEMEDICINE), "{exported:#}");
    assert!(!has("exchanges", "acme.events"), "{exported:#}");
    assert!(!story.broker.has(TELEMEDICINE).await);
    story.declare_topology().await;
    assert!(story.broker.has(TELEMEDICINE).await);
}
