//! `docplanner-simulator demo`

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, ensure};
use clap::Args;

use super::arguments::WorldArguments;
use super::mirror::Mirror;
use super::publisher::{Publisher, Target};
use crate::simulator::notifications::{Defect, Generated, Generator, GeneratorOptions, Kind};
use partner::{Outcome, Partner};
use story::Story;

mod event;
mod partner;
mod story;

/// Show a running worker at work: what goes in, and which event comes out on which queue
///
/// Tells the story of the guide's clinic: two calendars, payments, a video call, order. Then one of
/// each kind, some repeats, and bad input. Consumes the partner's queues, and fails when an event of
/// the story is not as told. The worker needs an empty inbox, or everything is a duplicate, and the
/// settings and the mapping that `tests/demo` makes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The broker
    #[arg(long, value_name = "URL", default_value = "amqp://guest:guest@127.0.0.1:5672/%2f")]
    amqp_url: String,
    /// The queue that the worker consumes
    #[arg(long, default_value = "docplanner.notifications")]
    queue: String,
    /// Where the worker serves /metrics
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464")]
    worker_url: String,
    /// Docplanner's stand-in, which the worker asks
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8099")]
    api_url: String,
    /// Docplanner's stand-in for the guide's clinic
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8098")]
    clinic_api_url: String,
    #[command(flatten)]
    world: WorldArguments,
}

/// How many repeats to show.
const REPEATS: usize = 4;

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let target = Target {
        url: arguments.amqp_url.clone(),
        queue: arguments.queue.clone(),
        tenant: None,
        seed: arguments.world.seed,
    };
    let mut show = Show {
        relay: Publisher::connect(target).await?,
        partner: Partner::connect(&arguments.amqp_url, &arguments.queue, &arguments.worker_url)
            .await?,
        api: Mirror::new(&arguments.api_url),
        outcomes: BTreeMap::new(),
    };
    let mut script = Script::new(arguments);

    let clinic = Mirror::new(&arguments.clinic_api_url);
    let story = Story::new(&mut show.relay, &mut show.partner, clinic);
    let example = story.tell().await?;

    heading("One of each kind of notification");
    let first = script.one_of_each();
    for notification in &first {
        let outcome = show.tell(notification, notification.kind.as_str()).await?;
        let is_told = matches!(outcome, Outcome::Published(_));
        ensure!(is_told != is_question(notification.kind), "facts have events, questions none");
    }
    heading("The same again: by push and by pull, in another dialect, days later");
    for (repeat, in_words) in script.repeats(&first) {
        let outcome = show.tell(&repeat, &in_words).await?;
        ensure!(matches!(outcome, Outcome::Duplicate), "it was told before");
    }
    heading("Bad input");
    for spoiled in script.spoiled() {
        let what = spoiled.defect.map(describe).unwrap_or_default();
        let outcome = show.tell(&spoiled, what).await?;
        let is_set_aside = matches!(outcome, Outcome::DeadLettered { .. });
        ensure!(is_set_aside, "bad input is for a person to see");
    }
    show.summary();
    heading("One event in full, as the partner's consumer gets it (an invented patient)");
    println!("{}", example.indented());
    show.relay.close().await
}

/// What is told, in which order.
struct Script {
    generator: Generator,
}

impl Script {
    fn new(arguments: &Arguments) -> Self {
        let options = GeneratorOptions {
            start: arguments.world.start,
            one_of_each: true,
            duplicates: 0.3,
            malformed: 0.4,
            ..GeneratorOptions::default()
        };
        let world = arguments.world.world();
        Self { generator: Generator::new(arguments.world.seed, &world, options) }
    }

    fn one_of_each(&mut self) -> Vec<Generated> {
        let mut missing: HashSet<Kind> = Kind::ALL.into_iter().collect();
        let mut told = Vec::new();
        while !missing.is_empty()
            && let Some(notification) = self.generator.next()
        {
            missing.remove(&notification.kind);
            told.push(notification);
        }
        told
    }

    /// Repeats of what was told, and in which words each is told.
    fn repeats(&mut self, told: &[Generated]) -> Vec<(Generated, String)> {
        let original = |repeat: &Generated| {
            let index = repeat.duplicate_of?;
            told.iter().find(|told| told.index == index && !is_question(told.kind)).cloned()
        };
        let in_words = |repeat: Generated| {
            let original = original(&repeat)?;
            let how = if original.body == repeat.body { "same bytes" } else { "other dialect" };
            let name = format!("{} ({how})", repeat.name);
            Some((repeat, name))
        };
        self.generator.by_ref().take(500).filter_map(in_words).take(REPEATS).collect()
    }

    /// One of each defect.
    fn spoiled(&mut self) -> Vec<Generated> {
        let mut missing: HashSet<Defect> = Defect::ALL.into_iter().collect();
        let mut spoiled: Vec<_> = self
            .generator
            .by_ref()
            .take(1000)
            .filter(|notification| notification.defect.is_some_and(|it| missing.remove(&it)))
            .take(Defect::ALL.len())
            .collect();
        spoiled.sort_by_key(|notification| notification.defect);
        spoiled
    }
}

fn is_question(kind: Kind) -> bool {
    matches!(kind, Kind::SlotBooking | Kind::BookingMoving)
}

fn describe(defect: Defect) -> &'static str {
    match defect {
        Defect::Empty => "an empty body",
        Defect::BrokenOff => "JSON that breaks off",
        Defect::NotAnObject => "a list",
        Defect::NoName => "no name",
        Defect::NoData => "no data",
        Defect::NoId => "no booking id",
        Defect::ImpossibleDate => "an impossible date",
        Defect::TooLarge => "300 kB",
    }
}

struct Show {
    relay: Publisher,
    partner: Partner,
    api: Mirror,
    /// How often each outcome was seen, by what is printed in the second column.
    outcomes: BTreeMap<String, u32>,
}

impl Show {
    /// Delivers one notification, waits until the worker has settled it, and prints both sides.
    async fn tell(&mut self, notification: &Generated, name: &str) -> anyhow::Result<Outcome> {
        let settled_before = self.partner.settled().await?;
        self.api.reflect(notification).await?;
        self.relay.publish(notification).await?;
        let outcome = self
            .partner
            .outcome(settled_before)
            .await
            .with_context(|| format!("the worker did not settle {name}"))?;
        for (index, (place, what)) in lines(&outcome).into_iter().enumerate() {
            let name = if index == 0 { name } else { "  and so" };
            println!("  {name:<46} → {place:<26} {what}");
            if index == 0 {
                *self.outcomes.entry(place).or_default() += 1;
            }
        }
        Ok(outcome)
    }

    fn summary(&self) {
        let count: u32 = self.outcomes.values().sum();
        heading(&format!("What became of these {count} notifications"));
        for (outcome, count) in &self.outcomes {
            println!("  {count:>4}  {outcome}");
        }
    }
}

/// What became of a notification, and in words; one line for each event.
fn lines(outcome: &Outcome) -> Vec<(String, String)> {
    let one = |place: &str, what: &str| vec![(place.to_owned(), what.to_owned())];
    match outcome {
        Outcome::Published(events) => {
            events.iter().map(|event| (event.queue.to_owned(), event.in_words())).collect()
        }
        Outcome::DeadLettered { reason, error } => one(&format!("dead letter: {reason}"), error),
        Outcome::Duplicate => one("duplicate", "recognized, nothing published"),
        Outcome::Ignored => one("ignored", "a question to the relay, not a fact"),
    }
}

fn heading(text: &str) {
    println!("\n{text}\n{}", "─".repeat(text.chars().count()));
}
