//! The inbox's decisions, compared with the ledger: some pods, a few bookings, a clock that the test moves, and every
//! step chosen by a seed. No broker, and nothing that runs by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use docplanner_worker::{
    config::DatabaseSettings,
    database::{Database, connect_pool},
    effects::Effects,
    health::Health,
    inbox::{Claim, Closing, Inbox, InboxSettings, Lease, PostgresInbox, Request},
    notification::{Chain, Notification, Role},
    private::Secret,
};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::ledger::{Expected, LEASE, LONGEST_DELAY, Ledger, Message, Millis};
use crate::support::{
    Story, clinic,
    dice::{Dice, seeds},
};

const PODS: usize = 3;
const STEPS: usize = 120;
const SEEDS: u64 = 60;

/// The clock of the one test that uses it.
static NOW: AtomicI64 = AtomicI64::new(0);

fn at(millis: Millis) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::milliseconds(millis)
}

fn now() -> DateTime<Utc> {
    at(NOW.load(Ordering::SeqCst))
}

#[tokio::test]
async fn the_inbox_decides_like_the_ledger() {
    let story = Story::begin().await;
    let pods: Vec<_> = (0..PODS).map(|_| pod(&story)).collect();
    for seed in seeds("ORDER_SEED", 1, SEEDS) {
        println!("ORDER_SEED={seed}");
        let mut play = Play::new(seed, &pods);
        for _ in 0..STEPS {
            play.step().await;
        }
        play.finish().await;
        play.assert_order();
    }
}

#[tokio::test]
async fn a_claim_that_the_database_cannot_hold_is_refused_and_its_neighbours_are_not() {
    let story = Story::begin().await;
    let inbox = pod(&story);
    let claims = (1..=9).map(|id| {
        let mut claim = confirmation(id);
        if id == 4 {
            // The decoder refuses it; should it miss another kind of text, this is what happens.
            claim.chain.partition_key = "a\0b".to_owned();
        }
        inbox.claim(&claim)
    });
    let answers = join_all(claims).await;
    for (id, answer) in (1..).zip(answers) {
        match answer.unwrap().claim {
            Claim::Acquired(lease) => assert_eq!(lease.position.partition_key, id.to_string()),
            Claim::Refused => assert_eq!(id, 4),
            other => panic!("{id}: {other:?}"),
        }
    }
}

/// The claim of a booking's confirmation.
fn confirmation(id: u32) -> Request {
    let data = json!({ "visit_booking": { "id": id.to_string() } });
    let mut body = clinic::notification("booking-confirmed", clinic::ONLINE, data);
    body["created_at"] = at(0).to_rfc3339().into();
    let notification = Notification::decode(body.to_string().as_bytes()).unwrap();
    let key = notification.key("acme");
    let chain = notification.chain("acme", &key);
    Request {
        content: notification.content(),
        // Nothing that it would have to wait for.
        chain: Chain { role: Role::Begins, ..chain },
        told_at: notification.created_at,
        retried_at: None,
        tries: false,
        key,
    }
}

fn pod(story: &Story) -> PostgresInbox {
    // Nothing here is about a crash of the server, so nobody has to wait for its disk.
    let url = &story.settings.database_url;
    let more = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{more}options=-c%20synchronous_commit%3Doff");
    let settings = DatabaseSettings {
        url: Secret::new(url).into(),
        pool_size: 2,
        ..DatabaseSettings::default()
    };
    let database = Database::new(connect_pool(&settings).unwrap(), Arc::new(Health::default()));
    let millis = |millis: Millis| Duration::from_millis(millis.unsigned_abs());
    let (inbox, task) = PostgresInbox::new(
        &database,
        InboxSettings {
            process: Uuid::new_v4(),
            lease: millis(LEASE),
            longest_delay: millis(LONGEST_DELAY),
            retention: Duration::from_hours(24 * 21),
            clock: Some(now),
        },
    );
    tokio::spawn(task);
    inbox
}

fn complete(events: u32) -> Closing {
    Closing::Complete { events: events as usize, effects: Effects::default() }
}

/// One seed's world.
struct Play<'p> {
    dice: Dice,
    seed: u64,
    pods: &'p [PostgresInbox],
    ledger: Ledger,
    /// Everything that was ever told; a repeat is delivered from here.
    told: Vec<Message>,
    /// In the queue, or in a retry queue; first the one that comes next.
    queued: Vec<Message>,
    leases: Vec<(Message, Lease)>,
    bookings: usize,
}

impl<'p> Play<'p> {
    fn new(seed: u64, pods: &'p [PostgresInbox]) -> Self {
        Self {
            dice: Dice::new(seed),
            seed,
            pods,
            ledger: Ledger::default(),
            told: Vec::new(),
            queued: Vec::new(),
            leases: Vec::new(),
            bookings: 1,
        }
    }

    async fn step(&mut self) {
        match self.dice.below(10) {
            0..=2 => self.tell(),
            3..=6 => self.deliver_some().await,
            7 | 8 => self.end_a_lease().await,
            _ => self.time_passes(),
        }
    }

    /// Docplanner tells something: new, or once more.
    fn tell(&mut self) {
        let repeat = !self.told.is_empty() && self.dice.chance(0.15);
        let message =
            if repeat { self.told[self.dice.below(self.told.len())] } else { self.new_message() };
        self.told.push(message);
        // The relay, too, may change the order.
        let place = self.queued.len() - self.dice.below(self.queued.len().min(2) + 1);
        self.queued.insert(place, message);
    }

    fn new_message(&mut self) -> Message {
        let key = self.told.len();
        let told_at = Millis::try_from(key).unwrap() * 1000;
        let follows = self.dice.chance(0.5);
        let mut message = Message {
            key,
            booking: self.dice.below(self.bookings),
            moves_to: None,
            begins: false,
            follows,
            told_at,
            retried_at: None,
            tries: self.dice.chance(0.1),
        };
        match self.dice.below(5) {
            0 => {
                message.booking = self.new_booking();
                (message.begins, message.follows) = (true, false);
            }
            1 => message.moves_to = Some(self.new_booking()),
            // Of two bookings that were told of before: the move comes after what it explains.
            2 => message.moves_to = Some(self.dice.below(self.bookings)),
            _ => {}
        }
        message
    }

    fn new_booking(&mut self) -> usize {
        self.bookings += 1;
        self.bookings - 1
    }

    /// The broker delivers the next ones to a pod, which claims them together.
    async fn deliver_some(&mut self) {
        let count = 1 + self.dice.below(4);
        let messages: Vec<_> = self.queued.drain(..count.min(self.queued.len())).collect();
        let pod = self.dice.below(PODS);
        self.claim(pod, &messages).await;
    }

    async fn claim(&mut self, pod: usize, messages: &[Message]) {
        let clock = NOW.load(Ordering::SeqCst);
        let expected = self.ledger.claim(pod, messages, clock);
        let asked: Vec<_> =
            messages.iter().map(|m| self.pods[pod].claim(&self.request(m))).collect();
        for ((message, answer), (expected, late)) in messages.iter().zip(asked).zip(expected) {
            let answer = answer.await.unwrap();
            assert_eq!(answer.late, late, "{message:?} is late");
            let claim = match &answer.claim {
                Claim::Acquired(Lease { position, .. }) => {
                    let first = position.partition_key.parse().unwrap();
                    Expected::Lease(first, position.sequence)
                }
                Claim::Held | Claim::Behind { .. } => Expected::Wait,
                Claim::Done => Expected::Done,
                Claim::Conflict | Claim::Refused => panic!("nothing differs: {message:?}"),
            };
            assert_eq!(claim, expected, "{message:?} at pod {pod}");
            match answer.claim {
                Claim::Acquired(lease) => self.leases.push((*message, lease)),
                Claim::Held | Claim::Behind { .. } => self.retry(*message),
                Claim::Done | Claim::Conflict | Claim::Refused => {}
            }
        }
    }

    /// Back through a retry queue, to the end of the queue.
    fn retry(&mut self, message: Message) {
        let retried_at = Some(NOW.load(Ordering::SeqCst));
        self.queued.push(Message { retried_at, ..message });
    }

    async fn end_a_lease(&mut self) {
        if self.leases.is_empty() {
            return;
        }
        let (message, lease) = self.leases.swap_remove(self.dice.below(self.leases.len()));
        let key = message.key;
        let clock = NOW.load(Ordering::SeqCst);
        let pod = &self.pods[self.dice.below(PODS)];
        match self.dice.below(8) {
            // The pod dies. Its message is delivered again, first; sometimes somebody has purged it.
            0 => {
                if self.dice.chance(0.8) {
                    self.queued.insert(0, message);
                }
            }
            1 => {
                let back_in = Duration::from_secs(5);
                if pod.close(lease, Closing::Release { back_in }).await {
                    self.ledger.release(key, clock + 5_000);
                }
                self.retry(message);
            }
            // Set aside; sometimes put back by a person.
            2 => {
                if pod.close(lease, Closing::Abandon).await {
                    self.ledger.abandon(key);
                }
                if self.dice.chance(0.5) {
                    self.queued.push(message);
                }
            }
            _ => {
                let events = [0, 1, 1, 1, 2, 3][self.dice.below(6)];
                if pod.close(lease, complete(events)).await {
                    self.ledger.complete(key, events);
                }
            }
        }
    }

    fn time_passes(&mut self) {
        let millis = [50, 150, 6_000, 40_000, 700_000][self.dice.below(5)];
        NOW.fetch_add(millis, Ordering::SeqCst);
    }

    /// Everything that is in a queue is published at last, without any more accidents.
    async fn finish(&mut self) {
        let mut rounds = 0;
        while !(self.queued.is_empty() && self.leases.is_empty()) {
            for (message, lease) in std::mem::take(&mut self.leases) {
                if self.pods[0].close(lease, complete(1)).await {
                    self.ledger.complete(message.key, 1);
                }
            }
            NOW.fetch_add(100_000, Ordering::SeqCst);
            let messages = std::mem::take(&mut self.queued);
            for message in messages {
                self.claim(1, &[message]).await;
            }
            rounds += 1;
            assert!(rounds < 200, "something waits without end: {:?}", self.queued);
        }
    }

    /// Under one partition key, sequences are published once each; out of order are only those that somebody set
    /// aside, or that were given up for lost.
    fn assert_order(&self) {
        let mut published = self.ledger.published.clone();
        published.sort_unstable();
        let places: Vec<_> =
            published.iter().map(|(first, sequence, _)| (first, sequence)).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "a sequence is published twice: {published:?}");
    }

    fn request(&self, message: &Message) -> Request {
        let tenant = format!("seed-{}", self.seed);
        let booking =
            |id: usize| json!({ "id": id.to_string(), "comment": message.key.to_string() });
        let (name, data) = match message.moves_to {
            Some(new) => (
                "booking-moved",
                json!({
                    "old_visit_booking": booking(message.booking),
                    "new_visit_booking": booking(new),
                }),
            ),
            None => ("booking-confirmed", json!({ "visit_booking": booking(message.booking) })),
        };
        let mut body = clinic::notification(name, clinic::ONLINE, data);
        // It makes the key of a confirmation, and the key is what tells notifications apart.
        body["created_at"] = at(message.told_at).to_rfc3339().into();
        let notification = Notification::decode(body.to_string().as_bytes()).unwrap();
        let key = notification.key(&format!("{tenant}-{}", message.key));
        let mut chain = notification.chain(&tenant, &key);
        chain.role = match (message.begins, message.follows) {
            (true, _) => Role::Begins,
            (_, true) => Role::Follows,
            _ => Role::Unknown,
        };
        Request {
            content: notification.content(),
            chain,
            told_at: notification.created_at.filter(|_| !message.tries),
            tries: message.tries,
            retried_at: message.retried_at.map(at),
            key,
        }
    }
}
