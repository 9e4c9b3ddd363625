//! The relay: bookings that are made, confirmed, moved and canceled, many at once and without an end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use docplanner_worker::{
    notification::Notification,
    simulator::world::{Address, Doctor, World},
};
use lapin::{BasicProperties, Channel};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::support::{
    DEADLINE, Story,
    broker::{self, INCOMING},
    clinic,
    dice::Dice,
};

/// Bookings under way at once, each at another place of its story.
const DESKS: usize = 20;
/// Between two notifications of a chain, in milliseconds.
const PAUSE: std::ops::Range<usize> = 20..300;
/// Of notifications, another one of the same chain is told again.
const REPEATED: f64 = 0.15;
/// Each with a doctor of its own, so that a look-up tells of one.
const ADDRESSES: usize = 40;

/// One notification, told at least once.
pub struct Told {
    pub chain: String,
    /// Its event: each chain has one of a kind.
    pub kind: &'static str,
    pub at: Instant,
}

/// What was told, chain by chain in the order of telling.
#[derive(Default)]
pub struct AllTold {
    pub list: Vec<Told>,
    pub repeated: usize,
}

pub struct Load {
    desks: JoinSet<AllTold>,
    stop: CancellationToken,
}

impl Load {
    pub async fn begin(story: &Story, dice: &mut Dice) -> Self {
        let (mut desks, stop) = (JoinSet::new(), CancellationToken::new());
        let inbox = Arc::new(story.servers.connect(story.database()).await);
        for number in 0..DESKS {
            let desk = Desk {
                number,
                dice: Dice::new(dice.below(usize::MAX) as u64),
                channel: story.broker.channel.clone(),
                inbox: Arc::clone(&inbox),
                told: AllTold::default(),
            };
            desks.spawn(desk.work_until(stop.clone()));
        }
        Self { desks, stop }
    }

    /// Chains that were begun are finished; everything that was told.
    pub async fn end(self) -> AllTold {
        self.stop.cancel();
        let mut all = AllTold::default();
        for desk in self.desks.join_all().await {
            all.list.extend(desk.list);
            all.repeated += desk.repeated;
        }
        all
    }
}

/// Tells one chain after the other.
struct Desk {
    number: usize,
    dice: Dice,
    channel: Channel,
    inbox: Arc<Client>,
    told: AllTold,
}

impl Desk {
    async fn work_until(mut self, stop: CancellationToken) -> AllTold {
        for nth in 0.. {
            if stop.is_cancelled() {
                break;
            }
            self.tell_chain(&format!("{}-{nth}", self.number)).await;
        }
        self.told
    }

    async fn tell_chain(&mut self, chain: &str) {
        let steps = self.steps(chain);
        for (nth, (kind, body)) in steps.iter().enumerate() {
            let at = Instant::now();
            self.told.list.push(Told { chain: chain.to_owned(), kind, at });
            self.tell(body).await;
            if self.dice.chance(REPEATED) {
                let again = self.dice.below(nth + 1);
                self.tell(&steps[again].1).await;
                self.told.repeated += 1;
            }
            let pause = PAUSE.start + self.dice.below(PAUSE.len());
            tokio::time::sleep(Duration::from_millis(pause as u64)).await;
            self.until_registered(body).await;
        }
    }

    async fn tell(&self, body: &Value) {
        let persistent = BasicProperties::default().with_delivery_mode(2);
        broker::publish(&self.channel, INCOMING, body.to_string().as_bytes(), persistent).await;
    }

    /// Two notifications that two workers have in their hands at once have the order in which these register them,
    /// and a worker that gets no processor takes its time. So the next one is told when this one has its place.
    async fn until_registered(&self, body: &Value) {
        let notification = Notification::decode(body.to_string().as_bytes()).unwrap();
        let key = notification.key("acme").uuid();
        let query = "SELECT FROM inbox WHERE key = $1";
        let registered = async {
            while self.inbox.query_opt(query, &[&key]).await.unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, registered).await.expect("a place in time");
    }

    /// What happens to a booking: it is made and canceled, and perhaps confirmed and moved in between.
    fn steps(&mut self, id: &str) -> Vec<(&'static str, Value)> {
        let (mut id, mut address) = (id.to_owned(), self.address());
        let mut steps = vec![("booking.created", clinic::slot_booked(&id, &address))];
        if self.dice.chance(0.5) {
            let confirmed = clinic::told("booking-confirmed", &address, clinic::booked(&id));
            steps.push(("booking.confirmed", confirmed));
        }
        if self.dice.chance(0.7) {
            let (old, new) = (id.clone(), format!("{id}-moved"));
            (id, address) = (new, self.address());
            let moved = clinic::moved(&address, clinic::booked(&old), clinic::booked(&id));
            steps.push(("booking.moved", moved));
        }
        steps.push(("booking.canceled", clinic::booking_canceled(&id, &address)));
        let of_doctor = |body: Value| {
            let doctor = doctor(body["data"]["address"]["id"].as_str().unwrap());
            clinic::with_doctor(body, &doctor)
        };
        steps.into_iter().map(|(kind, body)| (kind, of_doctor(body))).collect()
    }

    fn address(&mut self) -> String {
        address(self.dice.below(ADDRESSES))
    }
}

pub fn world() -> World {
    let mut world = clinic::world();
    for address in (0..ADDRESSES).map(address) {
        world.insert_doctor(Doctor::new(&doctor(&address), "1", "Sample", "Doctor"));
        world.insert_address(Address::new(&address, &doctor(&address), "1"));
    }
    world
}

fn address(nth: usize) -> String {
    format!("2{nth:02}")
}

fn doctor(address: &str) -> String {
    format!("7{address}")
}
