//! What the partner got, against what was told.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::mpsc;

use super::load::Told;

/// Everything that is published, with the time at which it came.
pub struct Partner(Arc<Mutex<Vec<Seen>>>);

#[derive(Clone)]
pub struct Seen {
    chain: String,
    sequence: u32,
    kind: String,
    at: Instant,
}

impl Partner {
    pub fn of(mut events: mpsc::UnboundedReceiver<Value>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                list.lock().unwrap().push(Seen::read(&event));
            }
        });
        Self(seen)
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }
}

impl Seen {
    fn read(event: &Value) -> Self {
        let text = |name: &str| event[name].as_str().unwrap();
        let kind = text("type").trim_start_matches("docplanner.").trim_end_matches(".v1");
        Self {
            chain: text("partitionkey").to_owned(),
            sequence: text("sequence").parse().unwrap(),
            kind: kind.to_owned(),
            at: Instant::now(),
        }
    }
}

/// What is wrong with what was published: nothing, one hopes.
#[derive(Default)]
pub struct Tally {
    told: usize,
    published: usize,
    lost: Vec<String>,
    twice: Vec<String>,
    out_of_order: Vec<String>,
}

impl Tally {
    pub fn of(told: &[Told], seen: &[Seen]) -> Self {
        let mut chains: BTreeMap<&str, (Vec<&Told>, Vec<&Seen>)> = BTreeMap::new();
        for told in told {
            chains.entry(&told.chain).or_default().0.push(told);
        }
        for seen in seen {
            chains.entry(&seen.chain).or_default().1.push(seen);
        }
        let mut tally = Self { told: told.len(), published: seen.len(), ..Self::default() };
        for (chain, (told, seen)) in chains {
            tally.add(chain, &told, &seen);
        }
        tally
    }

    fn add(&mut self, chain: &str, told: &[&Told], seen: &[&Seen]) {
        let told: Vec<&str> = told.iter().map(|told| told.kind).collect();
        let mut kinds = HashSet::new();
        let (first, again): (Vec<&Seen>, Vec<&Seen>) =
            seen.iter().partition(|seen| kinds.insert(seen.kind.as_str()));
        let name = |kind: &str| format!("{kind} of {chain}");
        self.lost.extend(told.iter().filter(|kind| !kinds.contains(*kind)).map(|kind| name(kind)));
        self.twice.extend(again.iter().map(|seen| name(&seen.kind)));
        let came: Vec<_> = first.iter().map(|seen| (seen.sequence, seen.kind.as_str())).collect();
        let expected: Vec<_> =
            (1..).zip(told.iter().copied()).filter(|(_, kind)| kinds.contains(kind)).collect();
        if came != expected {
            self.out_of_order.push(format!("{chain}: {came:?}"));
        }
    }

    pub fn assert_perfect(&self) {
        assert!(self.lost.is_empty(), "lost: {:?}", self.lost);
        assert!(self.twice.is_empty(), "published twice: {:?}", self.twice);
        assert!(self.out_of_order.is_empty(), "out of order: {:?}", self.out_of_order);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { told, published, lost, twice, out_of_order } = self;
        let [lost, twice, out_of_order] = [lost, twice, out_of_order].map(Vec::len);
        write!(
            f,
            "{told} told, {published} published, {lost} lost, {twice} twice, {out_of_order} chains out of order"
        )
    }
}

/// How long it took from each notification to its event, before and after the first worker was replaced.
pub fn print_pauses(told: &[Told], seen: &[Seen], unrest: Instant) {
    let mut came = HashMap::new();
    for seen in seen {
        came.entry((&*seen.chain, &*seen.kind)).or_insert(seen.at);
    }
    let pause = |told: &Told| Some(*came.get(&(&*told.chain, told.kind))? - told.at);
    println!("from notification to event    count   p50 ms   p99 ms   max ms");
    for (when, after) in [("left alone", false), ("workers come and go", true)] {
        let those = told.iter().filter(|told| (told.at >= unrest) == after);
        let mut pauses: Vec<Duration> = those.filter_map(pause).collect();
        pauses.sort();
        let at = |share: usize| {
            let nth = (pauses.len() * share / 100).min(pauses.len().saturating_sub(1));
            pauses.get(nth).map_or(0, Duration::as_millis)
        };
        println!("{when:26} {:8} {:8} {:8} {:8}", pauses.len(), at(50), at(99), at(100));
    }
}
