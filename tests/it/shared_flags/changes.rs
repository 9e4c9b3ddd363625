//! A change passes one worker, and every worker asks again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use docplanner_worker::simulator::api::Fault;
use serde_json::{Value, json};

use super::{LISTS, as_of, asked, assert_looked_up, begin_payments, book, story, until_locked_out};
use crate::support::{
    Story, clinic,
    proxy::{LISTENING, Proxy},
    worker::{Log, Worker},
};

const DROPPED: &str = "flags dropped: a change has passed";

/// A worker that knows the address and gets no deliveries any more, and one that gets them all.
struct Two {
    story: Story,
    knowing: Worker,
    other: Worker,
    /// Between the first one and the broker.
    broker: std::sync::Arc<Proxy>,
    /// Between the first one and the database.
    database: std::sync::Arc<Proxy>,
}

impl Two {
    async fn begin() -> Self {
        let mut story = story().await;
        let direct = (story.settings.amqp_url.clone(), story.settings.database_url.clone());
        let (broker, database) =
            (story.proxy_before_broker().await, story.proxy_before_database().await);
        let knowing = story.worker().await;
        knowing.until_logged("listening to other pods").await;
        assert_eq!(book(&mut story, "b1", clinic::ONLINE).await.queue, "partner.online");
        assert_eq!(book(&mut story, "b2", clinic::ONLINE).await.queue, "partner.online");
        assert_looked_up(&knowing, "hit", 1).await;
        broker.take_away();
        knowing.until_not_ready().await;

        (story.settings.amqp_url, story.settings.database_url) = direct;
        let other = story.worker().await;
        Self { story, knowing, other, broker, database }
    }

    /// The patients of the address pay from now on, which the other worker is told.
    async fn change(&mut self) {
        begin_payments(&self.story, clinic::ONLINE);
        let change = clinic::notification("address-assigned", clinic::ONLINE, json!({}));
        self.story.deliver(&change).await;
        assert_eq!(self.story.next_event().await.queue, "partner.online.payment");
        assert_eq!(self.story.docplanner.count(LISTS), 2);
    }

    /// The first worker alone gets a booking; the queue of its event.
    async fn book_with_the_first(mut self) -> (&'static str, Story, Worker) {
        assert!(self.other.stop().await.success());
        self.broker.bring_back();
        self.knowing.until_ready().await;
        let event = book(&mut self.story, "b3", clinic::ONLINE).await;
        assert!(as_of(&event).is_string());
        (event.queue, self.story, self.knowing)
    }
}

fn told_at(log: &Log, text: &str) -> DateTime<Utc> {
    let line: Value = serde_json::from_str(&log.find(text).expect(text)).unwrap();
    line["timestamp"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_change_that_passes_one_worker_is_heard_by_the_other_within_a_second() {
    let mut two = Two::begin().await;

    two.change().await;

    two.knowing.until_logged(DROPPED).await;
    let heard = told_at(&two.knowing.log(), DROPPED);
    let told = told_at(&two.other.log(), DROPPED);
    assert!((heard - told).abs() < chrono::TimeDelta::seconds(1), "told {told}, heard {heard}");
    let (queue, story, knowing) = two.book_with_the_first().await;
    assert_eq!(queue, "partner.online.payment");
    assert_looked_up(&knowing, "database", 1).await;
    assert_eq!(asked(&story), 2, "the other has asked already");
}

#[tokio::test]
async fn a_change_is_not_missed_while_nobody_can_be_heard() {
    let mut two = Two::begin().await;
    two.database.take_away_only(LISTENING);
    two.knowing.until_logged("not listening to other pods").await;

    two.change().await;

    assert_eq!(two.knowing.log().find(DROPPED), None, "it has not heard of it");
    let (queue, ..) = two.book_with_the_first().await;
    assert_eq!(queue, "partner.online.payment");
}

#[tokio::test]
async fn a_change_that_was_missed_is_noticed_after_listening_again() {
    let mut two = Two::begin().await;
    two.database.take_away_only(LISTENING);
    two.knowing.until_logged("not listening to other pods").await;

    two.change().await;
    two.database.flow();
    two.knowing.until_logged_times("\"listening to other pods", 2).await;

    assert_eq!(two.knowing.log().find(DROPPED), None, "it has not heard of it");
    let (queue, mut story, knowing) = two.book_with_the_first().await;
    assert_eq!(queue, "partner.online.payment");
    // Once is enough.
    book(&mut story, "b4", clinic::ONLINE).await;
    assert_looked_up(&knowing, "database", 1).await;
    assert_looked_up(&knowing, "hit", 2).await;
}

#[tokio::test]
async fn after_listening_again_what_did_not_change_is_not_asked_for_at_the_api() {
    let mut story = story().await;
    let network = story.proxy_before_database().await;
    let worker = story.worker().await;
    worker.until_logged("listening to other pods").await;
    book(&mut story, "b1", clinic::ONLINE).await;

    network.take_away_only(LISTENING);
    worker.until_logged("not listening to other pods").await;
    network.flow();
    worker.until_logged_times("\"listening to other pods", 2).await;

    book(&mut story, "b2", clinic::ONLINE).await;
    book(&mut story, "b3", clinic::ONLINE).await;
    assert_looked_up(&worker, "database", 1).await;
    assert_looked_up(&worker, "hit", 1).await;
    assert_eq!(asked(&story), 1);
}

#[tokio::test]
async fn a_change_is_not_published_before_every_worker_could_know_of_it() {
    let mut story = story().await;
    let worker = story.worker().await;
    book(&mut story, "b1", clinic::ONLINE).await;
    let database = story.servers.connect(story.database()).await;
    database.batch_execute("BEGIN; LOCK TABLE address_flags IN EXCLUSIVE MODE").await.unwrap();

    let change = clinic::notification("address-assigned", clinic::ONLINE, json!({}));
    story.deliver(&change).await;
    until_locked_out(&story, 1).await;
    worker.until_logged("the database does not answer").await;
    assert_eq!(asked(&story), 1, "it goes no further");
    assert!(story.broker.further_events().is_empty());
    database.batch_execute("COMMIT").await.unwrap();

    assert_eq!(story.next_event().await.body["type"], "docplanner.address.assigned.v1");
    worker.assert_metric("deliveries_total", &["disposition=\"retry\""], 0).await;
}

#[tokio::test]
async fn an_answer_that_was_on_its_way_when_the_change_passed_is_not_trusted() {
    let mut story = story().await;
    story.settings.broker.push("prefetch = 1".into());
    story.docplanner.fault(Fault::latency(Duration::from_secs(2)).on(LISTS).times(1));
    let (one, other) = (story.worker().await, story.worker().await);
    for worker in [&one, &other] {
        worker.until_logged("listening to other pods").await;
    }
    story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;
    story.docplanner.wait_for_request(LISTS).await;

    // The patients pay from the second answer on. The worker that asks is full, so the change is the other's.
    let docplanner = story.docplanner.handle();
    story.docplanner.on_request(LISTS, move |_| {
        docplanner.world(|world| world.address_mut(clinic::ONLINE).unwrap().visit_payment = true);
    });
    let change = clinic::notification("address-assigned", clinic::ONLINE, json!({}));
    story.deliver(&change).await;

    let mut queues: Vec<_> = story.next_events(2).await.iter().map(|event| event.queue).collect();
    queues.sort_unstable();
    assert_eq!(queues, ["partner.online", "partner.online.payment"]);
    let later: Vec<_> =
        (2..8).map(|nth| clinic::slot_booked(&format!("b{nth}"), clinic::ONLINE)).collect();
    story.deliver_all(&later).await;
    for event in story.next_events(later.len()).await {
        assert_eq!(event.queue, "partner.online.payment", "whoever has it");
    }
    assert_eq!(asked(&story), 2, "asked again after the change, and no more");
}
