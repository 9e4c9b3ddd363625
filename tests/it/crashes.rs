//! SIGKILL at each point of a delivery's way. What is outside is held still at that point, so that
//! the process dies there and nowhere else.

use std::sync::Arc;

use docplanner_worker::simulator::api::Fault;

use crate::support::{
    Story,
    broker::Published,
    clinic,
    proxy::{ANY, CONSUMING, PUBLISHING, Proxy},
    until,
    worker::Worker,
};

/// A story with a proxy before each server, and leases that run out while a test waits.
struct Scene {
    story: Story,
    broker: Arc<Proxy>,
    database: Arc<Proxy>,
    /// The way to the servers without the proxies.
    direct: (String, String),
}

impl Scene {
    async fn begin() -> Self {
        let mut story = Story::begin().await;
        let broker = Proxy::before(&story.servers.broker_address()).await;
        let database = Proxy::before(&story.servers.database_address()).await;
        let settings = &mut story.settings;
        let direct = (settings.amqp_url.clone(), settings.database_url.clone());
        settings.amqp_url = broker.instead_of(&story.servers.broker_address(), &settings.amqp_url);
        settings.database_url =
            database.instead_of(&story.servers.database_address(), &settings.database_url);
        settings.broker.push(r#"confirm_timeout = "2s""#.into());
        settings.database.push(r#"lease = "3s""#.into());
        Self { story, broker, database, direct }
    }

    /// A delivery that waits for the API, its key claimed.
    async fn at_the_lookup(&self) -> Worker {
        self.story.docplanner.fault(Fault::hang());
        let worker = self.story.worker().await;
        self.story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;
        self.story.docplanner.wait_for_request("").await;
        assert_eq!(self.story.sql("SELECT count(*) FROM inbox").await, "1", "it is claimed");
        worker
    }

    /// The worker dies, and what is still on its way is lost. The next worker's way is free.
    async fn kill(&mut self, worker: Worker) {
        worker.kill().await;
        self.broker.cut_connections();
        self.database.cut_connections();
        let settings = &mut self.story.settings;
        (settings.amqp_url, settings.database_url) = self.direct.clone();
        self.story.docplanner.clear_faults();
    }

    async fn is_completed(&self) -> bool {
        let count = "SELECT count(*) FROM inbox WHERE completed_at IS NOT NULL";
        self.story.sql(count).await == "1"
    }

    /// A fresh worker settles what is left, in this way, and then nothing is left.
    async fn finish(mut self, disposition: &str) {
        let fresh = self.story.worker().await;
        fresh.until_settled(disposition, 1).await;
        assert!(self.is_completed().await);
        assert!(fresh.stop().await.success());
        self.story.assert_nothing_is_left().await;
    }

    /// A fresh worker repeats the event, and then nothing is left.
    async fn finish_with_a_repeat_of(mut self, event: &Published) {
        let fresh = self.story.worker().await;
        let repeat = self.story.next_event().await;
        assert_eq!(repeat.id(), event.id());
        assert_eq!(repeat.body["data"]["booking"], event.body["data"]["booking"]);
        assert_eq!(repeat.body["partitionkey"], event.body["partitionkey"]);
        assert_eq!(repeat.body["sequence"], event.body["sequence"]);
        fresh.until_settled("published", 1).await;
        assert!(fresh.stop().await.success());
        assert!(self.is_completed().await);
        self.story.assert_nothing_is_left().await;
    }
}

#[tokio::test]
async fn killed_before_the_claim_it_is_published_by_the_next_worker() {
    let mut scene = Scene::begin().await;
    let worker = scene.story.worker().await;
    scene.database.stall_requests(ANY);
    scene.story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;
    until("it is in flight", async || {
        (worker.metric("deliveries_in_flight", &[]).await >= 1.0).then_some(())
    })
    .await;
    scene.kill(worker).await;
    assert_eq!(scene.story.sql("SELECT count(*) FROM inbox").await, "0");

    let fresh = scene.story.worker().await;
    scene.story.next_event().await;
    fresh.until_settled("published", 1).await;
    assert!(fresh.stop().await.success());
    scene.story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn killed_between_claim_and_lookup_it_is_published_once_the_lease_has_run_out() {
    let mut scene = Scene::begin().await;
    let worker = scene.at_the_lookup().await;
    scene.kill(worker).await;
    assert!(scene.story.broker.further_events().is_empty());

    let fresh = scene.story.worker().await;
    scene.story.next_event().await;
    fresh.until_settled("published", 1).await;
    assert!(scene.is_completed().await);
    assert!(fresh.stop().await.success());
    scene.story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn killed_between_publish_and_confirm_it_repeats_the_event_with_the_same_id() {
    let mut scene = Scene::begin().await;
    let worker = scene.at_the_lookup().await;
    scene.broker.stall_answers(PUBLISHING);
    scene.story.docplanner.clear_faults();
    let event = scene.story.next_event().await;
    scene.kill(worker).await;
    assert!(!scene.is_completed().await);

    scene.finish_with_a_repeat_of(&event).await;
}

#[tokio::test]
async fn killed_between_confirm_and_completion_it_repeats_the_event_with_the_same_id() {
    let mut scene = Scene::begin().await;
    let worker = scene.at_the_lookup().await;
    scene.database.stall_requests(ANY);
    scene.story.docplanner.clear_faults();
    let event = scene.story.next_event().await;
    until("the event is confirmed", async || {
        let confirmed = worker.metric("events_published_total", &["result=\"confirmed\""]).await;
        (confirmed >= 1.0).then_some(())
    })
    .await;
    scene.kill(worker).await;
    assert!(!scene.is_completed().await);

    scene.finish_with_a_repeat_of(&event).await;
}

#[tokio::test]
async fn killed_between_completion_and_ack_it_is_a_duplicate_for_the_next_worker() {
    let mut scene = Scene::begin().await;
    let worker = scene.at_the_lookup().await;
    scene.broker.stall_requests(CONSUMING);
    scene.story.docplanner.clear_faults();
    scene.story.next_event().await;
    until("it is completed", async || scene.is_completed().await.then_some(())).await;
    scene.kill(worker).await;

    scene.finish("duplicate").await;
}
