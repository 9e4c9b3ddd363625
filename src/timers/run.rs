//! Fires timers when they are due, a few at a time.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info};

use super::{Fate, PostgresTimers, Timer, TimerStore};
use crate::{
    broker::Publisher,
    docplanner::{Addresses, Bookings},
    inbox::Inbox,
    pipeline::Pipeline,
};

/// How often an idle process looks for timers that are due: what is late by less is on time.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many timers one process works on at once. After an outage thousands are due: each costs the API a request.
const AT_ONCE: usize = 16;

/// How often the payments are counted.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// Fires timers until stopped, then finishes those that are being worked on.
pub async fn run_until_stopped<I, A, B, P>(
    pipeline: Arc<Pipeline<I, A, B, P>>,
    store: PostgresTimers,
    stop: CancellationToken,
) where
    I: Inbox + 'static,
    A: Addresses + 'static,
    B: Bookings + 'static,
    P: Publisher + 'static,
{
    let tasks = TaskTracker::new();
    let counting = count_until_stopped(Arc::clone(&pipeline), store.clone(), stop.clone());
    tasks.spawn(counting);
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let tenants = pipeline.tenants.ids();
    loop {
        let free = permits.available_permits();
        let due = store.due(&tenants, free);
        let Some(taken) = stop.run_until_cancelled(due).await else { break };
        let all_busy = taken.len() == free;
        for timer in taken {
            // There is one for each: nobody else takes them.
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { break };
            let (pipeline, store) = (Arc::clone(&pipeline), store.clone());
            tasks.spawn(async move {
                fire(&pipeline, &store, &timer).await;
                drop(permit);
            });
        }
        let next = async {
            if all_busy {
                drop(permits.acquire().await);
            } else {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if stop.run_until_cancelled(next).await.is_none() {
            break;
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn fire<I: Inbox, A: Addresses, B: Bookings, P: Publisher>(
    pipeline: &Pipeline<I, A, B, P>,
    store: &PostgresTimers,
    timer: &Timer,
) {
    let fate = pipeline.fire(timer, store).await;
    let (tenant, kind) = (timer.tenant.as_str(), timer.purpose.kind());
    match fate {
        Fate::Published => debug!(tenant, kind = kind.as_str(), "timer: published"),
        Fate::Pointless => debug!(tenant, kind = kind.as_str(), "timer: nothing to publish"),
        Fate::Postponed { by, looked } => {
            info!(tenant, kind = kind.as_str(), ?by, looked, "timer: again in {by:?}");
            store.postpone(timer, by, looked).await;
        }
    }
    pipeline.metrics.timer(kind, fate);
}

async fn count_until_stopped<I, A, B, P>(
    pipeline: Arc<Pipeline<I, A, B, P>>,
    store: PostgresTimers,
    stop: CancellationToken,
) {
    let mut rounds = tokio::time::interval(COUNT_EVERY);
    while stop.run_until_cancelled(rounds.tick()).await.is_some() {
        if let Some(counts) = stop.run_until_cancelled(store.payments()).await {
            pipeline.metrics.payments(&counts);
        }
    }
}
