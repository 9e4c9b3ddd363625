//! Removes keys past their retention, and chains past their end, a few at a time.

use std::time::Duration;

use deadpool_postgres::Pool;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How many rows go at once: few enough that no claim waits noticeably behind the delete.
const BATCH: i64 = 2_000;

/// Between two rounds. Every pod cleans; rows that another pod is deleting are skipped.
const INTERVAL: Duration = Duration::from_mins(1);

/// Keys that were claimed but never completed (a crash, then a purge of the queue) go too: their
/// notification cannot come back after the retention.
const CLEAN: &str = "
    DELETE FROM inbox WHERE key IN (
        SELECT key FROM inbox
        WHERE claimed_at < now() - make_interval(secs => $1)
          AND coalesce(completed_at, leased_until) < now() - make_interval(secs => $1)
        ORDER BY claimed_at
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )";

/// Chains whose visit is over for longer than the retention. One that still waits for something stays.
const CLEAN_CHAINS: &str = "
    DELETE FROM chains WHERE subject IN (
        SELECT subject FROM chains
        WHERE keep_until < now()
          AND NOT EXISTS (SELECT FROM inbox WHERE key = ANY (chains.open) AND completed_at IS NULL)
        ORDER BY keep_until
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    )";

/// Cleans until stopped. The database being away is no reason to end: the next round tries again.
pub async fn clean_until_stopped(pool: Pool, retention: Duration, stop: CancellationToken) {
    let mut rounds = tokio::time::interval(INTERVAL);
    while stop.run_until_cancelled(rounds.tick()).await.is_some() {
        match stop.run_until_cancelled(clean(&pool, retention)).await {
            Some(Ok(0)) | None => {}
            Some(Ok(removed)) => debug!(removed, "removed {removed} rows past their retention"),
            Some(Err(error)) => warn!(error = %format!("{error:#}"), "cannot clean the inbox"),
        }
    }
}

/// One round: batch after batch until less than a batch is left.
async fn clean(pool: &Pool, retention: Duration) -> anyhow::Result<u64> {
    let client = pool.get().await?;
    let keys = client.prepare_cached(CLEAN).await?;
    let chains = client.prepare_cached(CLEAN_CHAINS).await?;
    let mut removed = 0;
    loop {
        let batch = client.execute(&keys, &[&retention.as_secs_f64(), &BATCH]).await?
            + client.execute(&chains, &[&BATCH]).await?;
        removed += batch;
        if batch < BATCH.unsigned_abs() {
            return Ok(removed);
        }
    }
}
