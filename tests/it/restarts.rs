//! Thousands of notifications while RabbitMQ and PostgreSQL are killed again and again: every one is published, and
//! what is published twice has the same id.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use docplanner_worker::simulator::{
    api::Options,
    world::{Address, World},
};

use crate::support::{
    DEADLINE, Story,
    broker::{Broker, INCOMING, Published},
    clinic,
    servers::{self, Servers},
    worker::Worker,
};

const BOOKINGS: usize = 3000;
const ADDRESSES: usize = 50;
/// Every so many bookings, one is delivered twice.
const DUPLICATE_EVERY: usize = 10;
/// What is killed after every so many events.
const KILL_EVERY: usize = 300;
const KILLED: [&str; 4] = ["rabbitmq", "postgresql", "rabbitmq", "postgresql"];

#[tokio::test]
async fn servers_that_are_killed_in_the_middle_lose_nothing() {
    let chaos = servers::chaos().await;
    let options = Options { world: world(), ..Options::default() };
    let mut story = Story::begin_on(chaos.servers, options).await;
    // Slow enough to be killed in the middle.
    story.settings.broker.push("prefetch = 64".into());
    let attempted = deliver_everything(&story).await;
    let workers = [story.worker().await, story.worker().await];
    let mut seen = Seen::default();

    for (kill, events) in KILLED.into_iter().zip((KILL_EVERY..).step_by(KILL_EVERY)) {
        while seen.bookings.len() < events {
            seen.take(&story.next_event().await);
        }
        restart(&mut story, chaos.servers, kill, &mut seen).await;
    }
    until_everything_is_settled(&story, &workers).await;
    seen.take_all_before_now(&mut story).await;

    let lost = BOOKINGS - seen.bookings.len();
    println!("attempted  published  repeated  lost");
    println!("{attempted:9}  {:9}  {:8}  {lost:4}", seen.bookings.len(), seen.repeated);
    assert_eq!(lost, 0);
    assert!(story.broker.further_dead_letters().is_empty());
    for worker in workers {
        worker.until_ready().await;
        assert!(worker.stop().await.success());
    }
}

/// What a partner has got.
#[derive(Default)]
struct Seen {
    /// Event ids by booking.
    bookings: HashMap<String, String>,
    ids: HashSet<String>,
    repeated: usize,
}

impl Seen {
    fn take(&mut self, event: &Published) {
        let (booking, id) = (event.booking(), event.id());
        if self.ids.insert(id.clone()) {
            let before = self.bookings.insert(booking.clone(), id);
            assert!(before.is_none(), "booking {booking} is told again, with another id");
        } else if !event.redelivered {
            // Otherwise it is our own acknowledgement that was lost.
            self.repeated += 1;
        }
    }

    /// All addresses are of one kind, so their events are in one queue: what is in it comes before the event of
    /// a booking that is delivered now.
    async fn take_all_before_now(&mut self, story: &mut Story) {
        story.deliver(&clinic::slot_booked("last", &address(0))).await;
        loop {
            let event = story.next_event().await;
            if event.booking() == "last" {
                return;
            }
            self.take(&event);
        }
    }

    fn take_all(&mut self, events: &[Published]) {
        for event in events {
            self.take(event);
        }
    }
}

fn world() -> World {
    let mut world = clinic::world();
    for nth in 0..ADDRESSES {
        world.insert_address(Address::new(&address(nth), "123", "1"));
    }
    world
}

fn address(booking: usize) -> String {
    format!("20{}", booking % ADDRESSES)
}

/// Every booking, some twice; how many messages that are.
async fn deliver_everything(story: &Story) -> usize {
    let mut attempted = 0;
    for booking in 0..BOOKINGS {
        let notification = clinic::slot_booked(&booking.to_string(), &address(booking));
        let times = if booking % DUPLICATE_EVERY == 0 { 2 } else { 1 };
        for _ in 0..times {
            story.deliver(&notification).await;
            attempted += 1;
        }
    }
    attempted
}

/// Kills a server and starts it. A partner whose broker was killed connects anew.
async fn restart(story: &mut Story, servers: &Servers, server: &str, seen: &mut Seen) {
    assert!(story.broker.depth(INCOMING).await > 0, "{server} is killed in the middle");
    servers.control(&["kill", server]).await;
    servers.control(&["start", server]).await;
    if server == "rabbitmq" {
        seen.take_all(&story.broker.further_events());
        assert!(story.broker.further_dead_letters().is_empty());
        story.broker = Broker::connect(&servers.amqp_url(story.vhost())).await;
    }
}

/// Until nothing waits anywhere. Who waits for a lease or in a retry queue may take longer than that: such
/// repeats are told, and are nothing that a partner misses; the incoming queue has to be empty.
async fn until_everything_is_settled(story: &Story, workers: &[Worker]) {
    let mut waiting = String::new();
    let settled = tokio::time::timeout(DEADLINE, async {
        loop {
            waiting = story.what_waits(workers).await;
            if waiting.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    if settled.await.is_err() {
        println!("still waiting after {DEADLINE:?}: {waiting}");
        assert!(!waiting.contains(&format!(" in {INCOMING},")), "{waiting}");
    }
}
