//! Two tenants, one of them sick: the other one's events are there while the sick one's wait.

use std::time::{Duration, Instant};

use docplanner_worker::simulator::api::{Fault, Options, RateLimit, Simulator};

use super::{LISTS, bookings_at_unknown_doctors};
use crate::support::{
    Story,
    broker::INCOMING,
    clinic::{self, world},
    until,
    worker::Worker,
};

const PREFETCH: usize = 32;

/// A quarter of the window each: what a sick API can hold.
const SHARE: u32 = 8;

/// More than fit into the window, several times.
const SICK: usize = 120;
const HEALTHY: usize = 120;

enum Sickness {
    None,
    Fault(Fault),
    Limit(u32),
}

async fn settled(worker: &Worker, tenant: &str, disposition: &str) -> f64 {
    let labels = [format!("tenant=\"{tenant}\""), format!("disposition=\"{disposition}\"")];
    worker.metric("deliveries_total", &labels.each_ref().map(String::as_str)).await
}

/// How long the healthy tenant's events take.
async fn healthy_beside(sickness: Sickness) -> Duration {
    let mut story = Story::begin().await;
    let sick = Simulator::start(Options { world: world(), ..Options::default() }).await.unwrap();
    story.settings.broker =
        vec![format!("prefetch = {PREFETCH}"), r#"retry_delays = ["1s", "2s", "1h"]"#.into()];
    story.settings.more = format!(
        "[[tenants]]\nid = \"sick\"\ndomain = \"doctoralia.es\"\nbase_url = {:?}\n\
         client_id = \"demo\"\nclient_secret = \"secret\"\n",
        sick.base_url()
    );
    let waiting = bookings_at_unknown_doctors(&sick, SICK);
    let worker = story.worker().await;
    let acme = [("x-docplanner-tenant", "acme")];
    let warm = clinic::slot_booked("warm", clinic::ONLINE).to_string();
    story.broker.deliver(warm.as_bytes(), &acme).await;
    story.next_event().await;

    let (is_well, at_most) = match sickness {
        Sickness::None => (true, 0),
        Sickness::Fault(fault) => {
            sick.fault(fault);
            // What was answered slowly: a fraction.
            (false, SICK / 2)
        }
        Sickness::Limit(limit) => {
            sick.set_rate_limit(Some(RateLimit::new(limit, Duration::from_hours(1))));
            (false, usize::try_from(limit).unwrap())
        }
    };
    if !is_well {
        for booking in &waiting {
            let tenant = [("x-docplanner-tenant", "sick")];
            story.broker.deliver(booking.to_string().as_bytes(), &tenant).await;
        }
        until("the sick tenant's deliveries leave the window to others", async || {
            let in_flight = worker.metric("deliveries_in_flight", &[]).await;
            let is_taken = story.broker.depth(INCOMING).await == 0;
            (is_taken && in_flight <= f64::from(SHARE)).then_some(())
        })
        .await;
    }

    let began = Instant::now();
    for nth in 0..HEALTHY {
        let booking = clinic::slot_booked(&format!("well-{nth}"), clinic::ONLINE).to_string();
        story.broker.deliver(booking.as_bytes(), &acme).await;
    }
    let (mut of_healthy, mut of_sick) = (0, 0);
    while of_healthy < HEALTHY {
        match story.next_event().await.body["tenant"].as_str() {
            Some("acme") => of_healthy += 1,
            _ => of_sick += 1,
        }
    }
    let took = began.elapsed();
    assert!(of_sick <= at_most, "{of_sick} of the sick tenant's events");
    assert!(settled(&worker, "acme", "retry").await < 1.0, "nobody healthy was put off");
    assert!(story.broker.further_dead_letters().is_empty());
    if !is_well {
        assert!(settled(&worker, "sick", "retry").await >= 1.0, "the others waited elsewhere");
    }
    took
}

#[tokio::test]
async fn one_tenants_sick_api_delays_no_other_tenant() {
    let alone = healthy_beside(Sickness::None).await;
    println!("{HEALTHY} events of the healthy tenant: {alone:?} alone");
    for (name, sickness) in [
        ("dead", Sickness::Fault(Fault::status(503))),
        ("silent", Sickness::Fault(Fault::hang())),
        ("slow", Sickness::Fault(Fault::latency(Duration::from_secs(3)))),
        ("out of quota", Sickness::Limit(5)),
    ] {
        let beside = healthy_beside(sickness).await;
        println!("{HEALTHY} events of the healthy tenant: {beside:?} beside one that is {name}");
    }
}

#[tokio::test]
async fn a_tenant_that_is_alone_has_the_whole_window() {
    let mut story = Story::begin().await;
    story.settings.broker.push(format!("prefetch = {PREFETCH}"));
    let bookings = bookings_at_unknown_doctors(&story.docplanner, PREFETCH);
    let worker = story.worker().await;
    story.docplanner.fault(Fault::latency(Duration::from_millis(300)));
    story.deliver_all(&bookings).await;
    story.next_events(PREFETCH).await;
    worker.until_settled("published", u32::try_from(PREFETCH).unwrap()).await;
    assert!(settled(&worker, "acme", "retry").await < 1.0, "nobody was put off");
}

#[tokio::test]
async fn who_finds_no_place_has_what_the_database_knows() {
    let mut story = Story::begin().await;
    story.settings.tenant.push("[tenants.limits]\nconcurrency = 1".into());
    let one = story.worker().await;
    story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;
    story.next_event().await;
    assert!(one.stop().await.success());

    let two = story.worker().await;
    story.docplanner.fault(Fault::hang().on(LISTS));
    let elsewhere = clinic::slot_booked("b2", clinic::ELSEWHERE);
    story.deliver(&clinic::with_doctor(elsewhere, clinic::OTHER_DOCTOR)).await;
    story
        .docplanner
        .wait_for_request(format!("GET /doctors/{}/addresses", clinic::OTHER_DOCTOR))
        .await;
    story.deliver(&clinic::slot_booked("b3", clinic::ONLINE)).await;

    assert_eq!(story.next_event().await.booking(), "b3");
    assert!(settled(&two, "acme", "retry").await < 1.0);
}
