//! A message that kills its process, and one that only looks like it.

use std::path::Path;

use docplanner_worker::simulator::api::Fault;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use crate::support::{Settings, Story, clinic, many::distinct, until, worker::Worker};

/// Whoever asks for the addresses of this doctor dies.
const DEADLY: &str = clinic::OTHER_DOCTOR;
const NEIGHBOURS: usize = 50;
const SUSPECTS: &str = "SELECT count(*) FROM suspects";

/// Leases outlive a restart, as they do in production.
async fn story() -> Story {
    let mut story = Story::begin().await;
    story.settings.broker.push(r#"confirm_timeout = "1s""#.into());
    story.settings.database.push(r#"lease = "3s""#.into());
    story
}

fn hang_at(story: &Story, doctor: &str) {
    story.docplanner.fault(hanging_at(doctor));
}

fn hanging_at(doctor: &str) -> Fault {
    Fault::hang().on(format!("/doctors/{doctor}/addresses"))
}

/// Keeps a worker running, and kills it whenever it asks about the deadly doctor, until it is `over`;
/// the last one.
async fn supervise(
    settings: &Settings,
    folder: &Path,
    mut asked: mpsc::UnboundedReceiver<()>,
    over: &Notify,
    after_death: impl Fn(u32),
) -> Worker {
    let mut deaths = 0;
    loop {
        let worker = Worker::start(settings, folder).await;
        tokio::select! {
            Some(()) = asked.recv() => worker.kill().await,
            () = over.notified() => return worker,
        }
        deaths += 1;
        after_death(deaths);
    }
}

#[tokio::test]
async fn a_message_that_kills_its_process_is_set_aside_and_its_neighbours_are_published() {
    let mut story = story().await;
    let (asking, asked) = mpsc::unbounded_channel();
    story.docplanner.on_every_request(format!("/doctors/{DEADLY}/addresses"), move |_| {
        let _ = asking.send(());
    });
    hang_at(&story, DEADLY);
    hang_at(&story, clinic::DOCTOR);
    let mut notifications =
        vec![clinic::with_doctor(clinic::slot_booked("poison", clinic::ELSEWHERE), DEADLY)];
    notifications
        .extend((1..NEIGHBOURS).map(|nth| clinic::slot_booked(&format!("b{nth}"), clinic::ONLINE)));
    // It has to come after the culprit, whatever becomes of that.
    notifications.push(clinic::booking_canceled("poison", clinic::ONLINE));
    story.deliver_all(&notifications).await;

    let docplanner = story.docplanner.handle();
    // Two deaths make everything that was prefetched suspect; from then on, it is about telling the
    // culprit from its neighbours.
    let after_death = |deaths| {
        if deaths == 2 {
            docplanner.clear_faults();
            docplanner.fault(hanging_at(DEADLY));
        }
    };
    let folder = story.folder().to_owned();
    let over = Notify::new();
    let supervision = supervise(&story.settings, &folder, asked, &over, after_death);
    let broker = &mut story.broker;
    let outcome = async {
        let mut events = Vec::new();
        while events.len() < NEIGHBOURS {
            events.push(broker.next_event().await);
        }
        let dead_letter = broker.next_dead_letter().await;
        over.notify_one();
        (events, dead_letter)
    };
    let (last, (events, dead_letter)) = tokio::join!(supervision, outcome);

    assert_eq!(distinct(&events), NEIGHBOURS);
    assert!(events.iter().all(|event| event.queue == "partner.online"));
    assert_eq!(dead_letter.header("x-reason").as_deref(), Some("poison"));
    let behind = events.iter().find(|event| event.booking() == "poison").unwrap();
    assert_eq!(behind.body["sequence"], "0000000002");
    let body: Value = serde_json::from_slice(&dead_letter.body).unwrap();
    assert_eq!(body, notifications[0]);
    last.until_settled("dead_letter", 1).await;
    assert!(last.stop().await.success());
    assert_eq!(story.sql(SUSPECTS).await, "0");
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_ordinary_message_that_was_redelivered_often_survives_its_trial() {
    let mut story = story().await;
    hang_at(&story, clinic::DOCTOR);
    let database = story.servers.connect(story.database()).await;
    // Nobody gets past the claim.
    database.batch_execute("BEGIN; LOCK TABLE inbox IN EXCLUSIVE MODE").await.unwrap();
    story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;
    for _ in 0..2 {
        let worker = story.worker().await;
        until("it is in flight", async || {
            (worker.metric("deliveries_in_flight", &[]).await >= 1.0).then_some(())
        })
        .await;
        worker.kill().await;
    }
    database.batch_execute("COMMIT").await.unwrap();

    // By now it is tried alone, and that process dies, too: bad luck is not poison.
    let worker = story.worker().await;
    story.docplanner.wait_for_request(format!("/doctors/{}/addresses", clinic::DOCTOR)).await;
    assert_eq!(story.sql(SUSPECTS).await, "1", "the trial was written down before it began");
    worker.kill().await;

    story.docplanner.clear_faults();
    let survivor = story.worker().await;
    assert_eq!(story.next_event().await.queue, "partner.online");
    survivor.until_settled("published", 1).await;
    assert!(survivor.stop().await.success());
    assert_eq!(story.sql(SUSPECTS).await, "0");
    story.assert_nothing_is_left().await;
}
