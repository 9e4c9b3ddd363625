//! Nobody knows anything, and everybody asks at once.

use std::time::{Duration, Instant};

use docplanner_worker::simulator::{
    api::Fault,
    world::{Address, Doctor},
};

use super::{LISTS, asked, assert_looked_up, book, looked_up, story};
use crate::support::{Story, clinic, until, worker::Worker};

const PREFETCH: u32 = 5;

/// Four workers, each with as many deliveries in flight as it takes, and all of them about to ask.
async fn four_workers_at_once(story: &mut Story) -> Vec<Worker> {
    story.settings.broker.push(format!("prefetch = {PREFETCH}"));
    let database = story.servers.connect(story.database()).await;
    // Nobody gets past the claim.
    database.batch_execute("BEGIN; LOCK TABLE inbox IN EXCLUSIVE MODE").await.unwrap();
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(story.worker_not_ready().await);
    }
    for worker in &workers {
        until("all are in flight", async || {
            let in_flight = worker.metric("deliveries_in_flight", &[]).await;
            (in_flight >= f64::from(PREFETCH)).then_some(())
        })
        .await;
    }
    database.batch_execute("COMMIT").await.unwrap();
    workers
}

#[tokio::test]
async fn four_workers_that_need_the_same_address_ask_once() {
    let mut story = story().await;
    story.docplanner.fault(Fault::latency(Duration::from_millis(500)).on(LISTS));
    let bookings: Vec<_> =
        (0..60).map(|nth| clinic::slot_booked(&format!("b{nth}"), clinic::ONLINE)).collect();
    story.deliver_all(&bookings).await;

    let workers = four_workers_at_once(&mut story).await;

    let events = story.next_events(60).await;
    assert!(events.iter().all(|event| event.queue == "partner.online"));
    assert_eq!(asked(&story), 1);
    let (mut asked, mut told) = (0.0, 0.0);
    for worker in &workers {
        asked += looked_up(worker, "miss").await;
        told += looked_up(worker, "database").await;
        assert_looked_up(worker, "none", 0).await;
    }
    assert!((asked - 1.0).abs() < 0.5, "{asked} asked");
    assert!((told - 3.0).abs() < 0.5, "{told} were told by the database");
}

#[tokio::test]
async fn four_workers_that_need_twenty_doctors_ask_once_for_each() {
    let mut story = story().await;
    story.docplanner.fault(Fault::latency(Duration::from_millis(100)).on(LISTS));
    let mut bookings = Vec::new();
    for nth in 0..20 {
        let (doctor, address) = (format!("9{nth}"), format!("5{nth}"));
        story.docplanner.world(|world| {
            world.insert_doctor(Doctor::new(&doctor, "1", "Sample", "Doctor"));
            world.insert_address(Address::new(&address, &doctor, "1").online());
        });
        for visit in 0..10 {
            let booked = clinic::slot_booked(&format!("b{nth}-{visit}"), &address);
            bookings.push(clinic::with_doctor(booked, &doctor));
        }
    }
    // Each doctor's bookings come to all workers.
    bookings.sort_by_key(|booked| booked["data"]["visit_booking"]["id"].to_string().len());
    story.deliver_all(&bookings).await;

    let _workers = four_workers_at_once(&mut story).await;

    story.next_events(200).await;
    assert_eq!(asked(&story), 20);
}

#[tokio::test]
async fn one_request_tells_of_all_addresses_of_a_doctor() {
    let mut story = story().await;
    let first = story.worker().await;
    assert_eq!(
        book(&mut story, "b1", clinic::ONLINE_PAYMENT).await.queue,
        "partner.online.payment"
    );
    assert_eq!(book(&mut story, "b2", clinic::ONSITE).await.queue, "partner.onsite");
    assert_looked_up(&first, "hit", 1).await;
    assert!(first.stop().await.success());

    let second = story.worker().await;
    assert_eq!(book(&mut story, "b3", clinic::ONLINE).await.queue, "partner.online");

    assert_looked_up(&second, "database", 1).await;
    assert_eq!(asked(&story), 1);
}

#[tokio::test]
async fn both_addresses_of_a_doctor_at_once_cost_one_request() {
    let mut story = story().await;
    story.docplanner.fault(Fault::latency(Duration::from_millis(500)).on(LISTS));
    let bookings: Vec<_> = [clinic::ONLINE, clinic::ONSITE, clinic::ONLINE_PAYMENT]
        .iter()
        .map(|address| clinic::slot_booked(address, address))
        .collect();
    story.deliver_all(&bookings).await;

    let _worker = story.worker().await;

    story.next_events(3).await;
    assert_eq!(asked(&story), 1);
}

#[tokio::test]
async fn a_worker_that_dies_while_it_asks_is_not_waited_for_long() {
    let mut story = story().await;
    story.settings.broker.extend(["prefetch = 1".into(), r#"confirm_timeout = "1s""#.into()]);
    story.settings.database.push(r#"lease = "5s""#.into());
    story.docplanner.fault(Fault::hang().on(LISTS).times(1));
    let asking = story.worker().await;
    story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;
    story.docplanner.wait_for_request(LISTS).await;

    // The first worker is full, so this is the other's.
    let waiting = story.worker().await;
    story.deliver(&clinic::slot_booked("b2", clinic::ONLINE)).await;
    until("it is in flight", async || {
        (waiting.metric("deliveries_in_flight", &[]).await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(asked(&story), 1, "it waits");
    asking.kill().await;
    let killed = Instant::now();

    assert_eq!(story.next_event().await.queue, "partner.online");
    // The lease lasts four seconds; a holder that lives would be waited for ten.
    assert!(killed.elapsed() < Duration::from_secs(8), "{:?}", killed.elapsed());
    assert_eq!(story.next_event().await.queue, "partner.online", "the first one, redelivered");
    assert_eq!(asked(&story), 2);
}
