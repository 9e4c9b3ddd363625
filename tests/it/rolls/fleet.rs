//! The pods of a Deployment: started, and stopped by SIGTERM.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::{
    Story,
    dice::Dice,
    worker::{Log, Worker},
};

/// The workers that run, and those that ran.
pub struct Fleet {
    running: Vec<Worker>,
    stopping: JoinSet<Stop>,
    stopped: Vec<Stop>,
}

/// How one worker ended.
struct Stop {
    succeeded: bool,
    took: Duration,
    log: Log,
}

pub struct Stops(Vec<Stop>);

impl Fleet {
    /// So many workers, all of them ready.
    pub async fn of(story: &Story, size: usize) -> Self {
        let mut running = Vec::new();
        for _ in 0..size {
            running.push(story.worker().await);
        }
        Self { running, stopping: JoinSet::new(), stopped: Vec::new() }
    }

    pub fn running(&self) -> &[Worker] {
        &self.running
    }

    /// A rolling update: each old one is stopped when its successor is ready, and gone before the next one's turn.
    pub async fn replace_each(&mut self, story: &Story) {
        for _ in 0..self.running.len() {
            self.running.push(story.worker().await);
            let oldest = self.running.remove(0);
            self.stopped.push(stop(oldest).await);
        }
    }

    /// An autoscaler on its way to a size: a step at a time, one in five of them in the wrong direction. It waits for
    /// no worker, so it also stops some that are not ready yet, and several at once.
    pub async fn scale(&mut self, story: &Story, size: usize, dice: &mut Dice) {
        while self.running.len() != size {
            let grows = (self.running.len() < size) != dice.chance(0.2);
            if grows {
                self.running.push(story.worker_not_ready().await);
            } else if self.running.len() > 1 {
                let victim = self.running.swap_remove(dice.below(self.running.len()));
                self.stopping.spawn(stop(victim));
            }
            let pause = Duration::from_millis(dice.below(600) as u64);
            tokio::time::sleep(pause).await;
        }
    }

    /// Stops what still runs; how all of them ended.
    pub async fn stop_all(mut self) -> Stops {
        for worker in self.running {
            self.stopping.spawn(stop(worker));
        }
        self.stopped.extend(self.stopping.join_all().await);
        Stops(self.stopped)
    }
}

async fn stop(worker: Worker) -> Stop {
    let (log, asked) = (worker.log(), Instant::now());
    let status = worker.stop().await;
    Stop { succeeded: status.success(), took: asked.elapsed(), log }
}

impl Stop {
    fn had_work(&self) -> bool {
        self.log.find("draining: ").is_some()
    }
}

impl Stops {
    pub fn print(&self) {
        let busy = self.0.iter().filter(|stop| stop.had_work()).count();
        let longest = self.0.iter().map(|stop| stop.took).max().unwrap_or_default();
        println!(
            "{} workers stopped, {busy} of them busy; the longest took {longest:?}",
            self.0.len()
        );
    }

    /// Each has finished what it had, and exited with 0. Some had something: otherwise nothing was tested.
    pub fn assert_drained_within(&self, timeout: Duration) {
        for Stop { succeeded, took, log } in &self.0 {
            assert!(succeeded, "{}", log.text());
            assert!(log.find("giving back").is_none(), "{}", log.text());
            assert!(*took < timeout, "{took:?}: {}", log.text());
        }
        assert!(self.0.iter().any(Stop::had_work), "no worker was stopped while it was busy");
    }
}
