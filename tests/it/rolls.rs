//! Rolling updates and an autoscaler, under load that never stops: nothing is lost, nothing is published twice, each
//! chain stays in its order, every worker is drained in time, and how long a booking had to wait for it.
//!
//! `ROLL_MINUTES=10` goes on for that long, `ROLL_SEED=7` repeats a seed.

mod fleet;
mod load;
mod tally;

use std::time::{Duration, Instant};

use docplanner_worker::simulator::api::{Fault, Options};

use self::{
    fleet::Fleet,
    load::Load,
    tally::{Partner, Tally},
};
use crate::support::{
    DEADLINE, Story,
    dice::{Dice, asked, seeds},
};

/// Longer than the slowest look-up by far: who needs all of it has not drained.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the workers are left alone first, so that there is something to compare with.
const CALM: Duration = Duration::from_secs(3);

/// What a Deployment rolls.
const PODS: usize = 4;

#[tokio::test]
async fn a_rolling_update_loses_nothing_publishes_nothing_twice_and_keeps_the_order() {
    for seed in seeds("ROLL_SEED", 1, 1) {
        let mut scene = Scene::begin(seed).await;
        scene.go_on(2, async |fleet, story, _| fleet.replace_each(story).await).await;
        scene.end().await;
    }
}

#[tokio::test]
async fn an_autoscaler_loses_nothing_publishes_nothing_twice_and_keeps_the_order() {
    for seed in seeds("ROLL_SEED", 1, 1) {
        let mut scene = Scene::begin(seed).await;
        scene
            .go_on(2, async |fleet, story, dice| {
                for size in [4, 8, 2] {
                    fleet.scale(story, size, dice).await;
                }
            })
            .await;
        scene.end().await;
    }
}

struct Scene {
    story: Story,
    dice: Dice,
    fleet: Fleet,
    load: Load,
    partner: Partner,
    /// Events in the partner's own queues.
    delivered: usize,
    /// When the first worker was replaced.
    unrest: Instant,
}

impl Scene {
    /// Workers under load, left alone so far.
    async fn begin(seed: u64) -> Self {
        println!("ROLL_SEED={seed}");
        let mut dice = Dice::new(seed);
        let mut story =
            Story::begin_with(Options { world: load::world(), ..Options::default() }).await;
        story.settings.log_level = "info";
        story.settings.broker.push("prefetch = 32".into());
        story.settings.broker.push(format!("drain_timeout = \"{}s\"", DRAIN_TIMEOUT.as_secs()));
        // Asked again and again, and slow now and then: what is in flight when a worker is stopped.
        story.settings.tenant.push(r#"flags_ttl = "1s""#.into());
        let slow = Fault::latency(Duration::from_millis(700));
        story.docplanner.fault(slow.on("/addresses").probability(0.2));
        let partner = Partner::of(story.broker.everything().await);
        let fleet = Fleet::of(&story, PODS).await;
        let load = Load::begin(&story, &mut dice).await;
        tokio::time::sleep(CALM).await;
        Self { story, dice, fleet, load, partner, delivered: 0, unrest: Instant::now() }
    }

    /// So many times, or until `ROLL_MINUTES` are over.
    async fn go_on(
        &mut self,
        times: usize,
        mut upheaval: impl AsyncFnMut(&mut Fleet, &Story, &mut Dice),
    ) {
        let minutes = asked("ROLL_MINUTES").map(Duration::from_mins);
        for nth in 0.. {
            let over = minutes.map_or(nth == times, |minutes| self.unrest.elapsed() >= minutes);
            if over {
                break;
            }
            upheaval(&mut self.fleet, &self.story, &mut self.dice).await;
            // Each is validated; and a long run would fill the memory.
            self.delivered += self.story.broker.further_events().len();
        }
    }

    /// Lets the workers finish, and counts.
    async fn end(mut self) {
        let told = self.load.end().await;
        let everything = told.list.len();
        // Whatever is missing after that is lost: the tally tells what it is.
        let done = until_done(&self.story, &self.fleet, &self.partner, everything);
        let _ = tokio::time::timeout(DEADLINE, done).await;
        let stops = self.fleet.stop_all().await;
        self.delivered += self.story.broker.further_events().len();

        let tally = Tally::of(&told.list, &self.partner.seen());
        println!("{tally}, {} notifications repeated", told.repeated);
        tally::print_pauses(&told.list, &self.partner.seen(), self.unrest);
        stops.print();
        tally.assert_perfect();
        assert_eq!(self.delivered, everything, "what the partner's queues got");
        stops.assert_drained_within(DRAIN_TIMEOUT);
        self.story.assert_nothing_is_left().await;
    }
}

/// Until so many events came, and repeated notifications are dealt with, too.
async fn until_done(story: &Story, fleet: &Fleet, partner: &Partner, events: usize) {
    while partner.count() < events || !story.what_waits(fleet.running()).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
