//! One to four workers, a broker and a database, and bookings to which much happens at once: repeats, moves, an API that
//! fails now and then, addresses that nobody knows, and workers that are killed. Whatever the seed, the events of a chain
//! come in the order of its notifications.

use std::collections::{BTreeMap, HashMap, HashSet};

use docplanner_worker::simulator::{
    api::{Fault, Options},
    world::{Address, Doctor, World},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{
    DEADLINE, Story, clinic,
    dice::{Dice, seeds},
    until,
    worker::Worker,
};

const CHAINS: usize = 12;
/// Notifications of a chain, the first one included.
const LENGTH: usize = 6;
/// An address of this kind is not known to the API until somebody puts that right.
const UNKNOWN: &str = "9";

#[tokio::test]
async fn one_worker_publishes_each_chain_in_the_order_of_the_queue() {
    for seed in seeds("ORDER_SEED", 100, 2) {
        play(seed, 1, true).await;
    }
}

#[tokio::test]
async fn two_workers_publish_each_chain_in_the_order_of_delivery() {
    for seed in seeds("ORDER_SEED", 200, 2) {
        play(seed, 2, false).await;
    }
}

#[tokio::test]
async fn four_workers_publish_each_chain_in_the_order_of_delivery() {
    for seed in seeds("ORDER_SEED", 300, 2) {
        play(seed, 4, false).await;
    }
}

/// One notification of a chain.
struct Told {
    chain: usize,
    body: Value,
    /// Its event's `subject` and `type`, which tell it apart within its chain.
    event: (String, &'static str),
    set_aside: bool,
}

/// What was published, in that order: partition key, sequence, subject and type; each once.
type Stream = Vec<(String, u32, (String, String))>;

/// `at_once`: everything is in the queue before the worker starts, and its order is the order of delivery. Several
/// workers get notifications of one chain one after another: the next one when the inbox knows the last.
async fn play(seed: u64, workers: usize, at_once: bool) {
    println!("ORDER_SEED={seed}");
    let mut dice = Dice::new(seed);
    let rounds = rounds(&mut dice);
    let mut story = story(&rounds).await;
    let mut published = story.broker.everything().await;
    let mut running = Vec::new();
    if at_once {
        for round in &rounds {
            deliver(&story, round, &mut dice).await;
        }
    }
    for _ in 0..workers {
        running.push(story.worker().await);
    }
    let mut delivered = 0;
    for round in &rounds {
        if !at_once {
            deliver(&story, round, &mut dice).await;
        }
        delivered += round.len();
        if dice.chance(0.4) {
            kill_one(&story, &mut running, &mut dice).await;
        }
        until_registered(&story, delivered).await;
    }

    let all: Vec<&Told> = rounds.iter().flatten().collect();
    let set_aside = all.iter().filter(|told| told.set_aside).count();
    let mut stream = Stream::new();
    take(&mut published, all.len() - set_aside, &mut stream).await;
    assert_in_order(&all, &stream);
    let dead: HashSet<Vec<u8>> = dead_letters(&mut story, set_aside).await;
    story.docplanner.clear_faults();
    open_unknown_addresses(&story, &all);
    for body in &dead {
        story.broker.deliver(body, &[]).await;
    }
    take(&mut published, set_aside, &mut stream).await;
    assert_complete(&all, &stream);
    for worker in running {
        assert!(worker.stop().await.success());
    }
}

/// In each round every chain goes one step further.
fn rounds(dice: &mut Dice) -> Vec<Vec<Told>> {
    let mut bookings: Vec<String> = (0..CHAINS).map(|chain| format!("{chain}000")).collect();
    let mut rounds = Vec::new();
    for step in 0..LENGTH {
        let mut round: Vec<Told> =
            (0..CHAINS).map(|chain| told(chain, step, &mut bookings[chain], dice)).collect();
        dice.shuffle(&mut round);
        rounds.push(round);
    }
    rounds
}

fn told(chain: usize, step: usize, booking: &mut String, dice: &mut Dice) -> Told {
    let set_aside = dice.chance(0.05);
    let address = format!("{}{chain:02}{step}", if set_aside { UNKNOWN } else { "2" });
    let this = clinic::booked(booking);
    let (name, event, data) = match dice.below(4) {
        _ if step == 0 => ("slot-booked", "booking.created", json!({ "visit_booking": this })),
        _ if step == LENGTH - 1 => {
            ("booking-canceled", "booking.canceled", json!({ "visit_booking": this }))
        }
        0 => {
            *booking = format!("{chain}00{step}");
            let data = json!({
                "old_visit_booking": this, "new_visit_booking": clinic::booked(booking),
            });
            ("booking-moved", "booking.moved", data)
        }
        1 => (
            "presence-marked",
            "booking.presence_marked",
            json!({ "visit_booking": this, "presence": "present" }),
        ),
        _ => ("booking-confirmed", "booking.confirmed", json!({ "visit_booking": this })),
    };
    let mut body = clinic::notification(name, &address, data);
    body["data"]["doctor"]["id"] = doctor(&address).into();
    body["created_at"] = format!("2021-05-12T10:18:{step:02}+01:00").into();
    // What tells two confirmations of one booking apart.
    body["data"]["address"]["name"] = format!("step {step}").into();
    Told { chain, body, event: (format!("step {step}"), event), set_aside }
}

fn doctor(address: &str) -> String {
    format!("7{address}")
}

async fn story(rounds: &[Vec<Told>]) -> Story {
    let mut world = clinic::world();
    for told in rounds.iter().flatten().filter(|told| !told.set_aside) {
        insert_address(&mut world, told);
    }
    let options = Options { world, ..Options::default() };
    let mut story = Story::begin_with(options).await;
    story.settings.broker = vec![
        r#"retry_delays = ["200ms", "300ms", "400ms", "500ms", "600ms", "700ms", "800ms"]"#.into(),
        "prefetch = 16".into(),
        r#"confirm_timeout = "2s""#.into(),
    ];
    story.settings.database.push(r#"lease = "3s""#.into());
    // Three tries in a row fail in one of eight cases, and then it is a retry queue's turn.
    story.docplanner.fault(Fault::status(503).on("/addresses").probability(0.5));
    story.declare_topology().await;
    story
}

fn insert_address(world: &mut World, told: &Told) {
    let address = told.body["data"]["address"]["id"].as_str().unwrap();
    world.insert_doctor(Doctor::new(&doctor(address), "1", "Sample", "Doctor"));
    world.insert_address(Address::new(address, &doctor(address), "1"));
}

fn open_unknown_addresses(story: &Story, all: &[&Told]) {
    story.docplanner.world(|world| {
        for told in all.iter().filter(|told| told.set_aside) {
            insert_address(world, told);
        }
    });
}

/// Some of it twice.
async fn deliver(story: &Story, round: &[Told], dice: &mut Dice) {
    for told in round {
        story.deliver(&told.body).await;
        if dice.chance(0.15) {
            story.deliver(&told.body).await;
        }
    }
}

async fn kill_one(story: &Story, running: &mut Vec<Worker>, dice: &mut Dice) {
    let victim = running.swap_remove(dice.below(running.len()));
    victim.kill().await;
    running.push(story.worker_not_ready().await);
}

async fn until_registered(story: &Story, count: usize) {
    until(&format!("{count} notifications have their place"), async || {
        let registered: usize = story.sql("SELECT count(*) FROM inbox").await.parse().unwrap();
        (registered >= count).then_some(())
    })
    .await;
}

async fn dead_letters(story: &mut Story, count: usize) -> HashSet<Vec<u8>> {
    let mut bodies = HashSet::new();
    while bodies.len() < count {
        let dead = story.next_dead_letter().await;
        assert_eq!(dead.header("x-reason").as_deref(), Some("enrichment-failed"));
        bodies.insert(dead.body);
    }
    bodies
}

/// The next events, repeats aside; a repeat has the place that the event had.
async fn take(events: &mut mpsc::UnboundedReceiver<Value>, count: usize, stream: &mut Stream) {
    let mut places: HashMap<_, _> = stream
        .iter()
        .map(|(key, sequence, event)| ((key.clone(), *sequence), event.clone()))
        .collect();
    let until = stream.len() + count;
    while stream.len() < until {
        let event = tokio::time::timeout(DEADLINE, events.recv()).await.unwrap_or_else(|_| {
            panic!("{} events came, not {until}", stream.len());
        });
        let event = event.unwrap();
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let step = event["data"]["address"]["name"].as_str().unwrap().to_owned();
        let (key, sequence) = (text("partitionkey"), text("sequence").parse().unwrap());
        let this = (step, text("type"));
        match places.insert((key.clone(), sequence), this.clone()) {
            None => stream.push((key, sequence, this)),
            Some(before) => {
                assert_eq!(before, this, "two events have sequence {sequence} of {key}");
            }
        }
    }
}

/// Per chain, the events are the notifications in their order, without those that were set aside.
fn assert_in_order(all: &[&Told], stream: &Stream) {
    for (chain, told) in by_chain(all) {
        let published: Vec<_> = of_chain(stream, chain);
        let expected: Vec<_> = (1..).zip(&told).filter(|(_, told)| !told.set_aside).collect();
        let expected: Vec<_> = expected.iter().map(|(nth, told)| place(*nth, told)).collect();
        assert_eq!(published, expected, "chain {chain}");
    }
}

/// With what was replayed, every sequence is there.
fn assert_complete(all: &[&Told], stream: &Stream) {
    for (chain, told) in by_chain(all) {
        let mut published: Vec<_> = of_chain(stream, chain);
        published.sort();
        let expected: Vec<_> = (1..).zip(&told).map(|(nth, told)| place(nth, told)).collect();
        assert_eq!(published, expected, "chain {chain}");
    }
}

fn by_chain<'t>(all: &[&'t Told]) -> BTreeMap<usize, Vec<&'t Told>> {
    let mut chains: BTreeMap<usize, Vec<&Told>> = BTreeMap::new();
    for told in all {
        chains.entry(told.chain).or_default().push(told);
    }
    chains
}

fn of_chain(stream: &Stream, chain: usize) -> Vec<(u32, String, String)> {
    let key = format!("{chain}000");
    stream
        .iter()
        .filter(|(partition_key, ..)| *partition_key == key)
        .map(|(_, sequence, (step, kind))| (*sequence, step.clone(), kind.clone()))
        .collect()
}

fn place(nth: u32, told: &Told) -> (u32, String, String) {
    let (step, kind) = &told.event;
    (nth, step.clone(), format!("docplanner.{kind}.v1"))
}
