//! Fires timers when they are due, a few at a time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, Span, debug};

use super::{Fate, PostgresTimers, Timer, TimerStore};
use crate::{
    broker::Publisher,
    docplanner::{Addresses, Bookings},
    inbox::Inbox,
    pipeline::Pipeline,
    traces,
};

/// How often an idle process looks for timers that are due: what is late by less is on time.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many timers of a tenant one process works on at once. After an outage thousands are due: each costs the API a
/// request. A tenant whose API does not answer keeps no other waiting.
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
    let mut permits: HashMap<String, Arc<Semaphore>> = HashMap::new();
    let finished = Arc::new(Notify::new());
    loop {
        follow(&pipeline.tenants.now().ids(), &mut permits);
        let free: Vec<(String, usize)> = permits
            .iter()
            .map(|(tenant, permits)| (tenant.clone(), permits.available_permits()))
            .collect();
        let Some(taken) = stop.run_until_cancelled(store.due(&free)).await else { break };
        let of = |tenant: &str| taken.iter().filter(|timer| timer.tenant == tenant).count();
        // Who got as many as it has hands for: the next one that is free asks at once.
        let may_have_more = free.iter().any(|(tenant, free)| of(tenant) == *free);
        for timer in taken {
            // There is one for each: nobody else takes them.
            let permits = permits.get(&timer.tenant).map(Arc::clone);
            let Some(permit) = permits.and_then(|it| it.try_acquire_owned().ok()) else { continue };
            let (pipeline, store) = (Arc::clone(&pipeline), store.clone());
            let finished = Arc::clone(&finished);
            tasks.spawn(async move {
                let (kind, booking_id) = (timer.purpose.kind().as_str(), &timer.visit.booking_id);
                let span = traces::fire(kind, &timer.tenant, booking_id);
                fire(&pipeline, &store, &timer).instrument(span).await;
                drop(permit);
                finished.notify_one();
            });
        }
        let next = async {
            tokio::select! {
                () = finished.notified(), if may_have_more => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        };
        if stop.run_until_cancelled(next).await.is_none() {
            break;
        }
    }
    tasks.close();
    tasks.wait().await;
}

/// Keeps the permits of who is still there: its timers may be under way.
fn follow(tenants: &[String], permits: &mut HashMap<String, Arc<Semaphore>>) {
    permits.retain(|tenant, _| tenants.contains(tenant));
    for tenant in tenants {
        let missing = || Arc::new(Semaphore::new(AT_ONCE));
        permits.entry(tenant.clone()).or_insert_with(missing);
    }
}

async fn fire<I: Inbox, A: Addresses, B: Bookings, P: Publisher>(
    pipeline: &Pipeline<I, A, B, P>,
    store: &PostgresTimers,
    timer: &Timer,
) {
    let fate = pipeline.fire(timer, store).await;
    let (tenant, booking_id) = (timer.tenant.as_str(), timer.visit.booking_id.as_str());
    let (kind, result) = (timer.purpose.kind(), fate.label());
    Span::current().record("result", result);
    let timer_kind = kind.as_str();
    match fate {
        Fate::Published | Fate::Pointless => {
            debug!(tenant, timer_kind, booking_id, result, "timer: {result}");
        }
        Fate::Postponed { by, looked } => {
            let delay_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            debug!(
                tenant,
                timer_kind, booking_id, result, delay_ms, looked, "timer: again in {by:?}"
            );
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
