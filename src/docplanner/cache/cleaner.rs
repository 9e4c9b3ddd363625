//! Forgets addresses of which nothing was heard for long, a few at a time.

use std::time::Duration;

use deadpool_postgres::Pool;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// The API gives slots up to 180 days ahead: for so long a visit can be canceled at an address that the API no
/// longer knows, and its last flags are needed. An address in use is written anew whenever its time to live is
/// over, so what stays longer is not used.
const RETENTION: Duration = Duration::from_hours(200 * 24);

/// A lease lasts seconds; its row is made anew in no time.
const LEASE_RETENTION: Duration = Duration::from_hours(24);

/// How many rows go at once: few enough that nobody waits noticeably behind the delete.
const BATCH: i64 = 2_000;

/// Between two rounds. Every pod cleans; rows that another pod is deleting are skipped. There is no index for
/// it: reading some 100,000 small rows once an hour costs less than an index that every write has to keep.
const INTERVAL: Duration = Duration::from_hours(1);

const CLEAN_FLAGS: &str = "
    DELETE FROM address_flags WHERE (tenant, address_id) IN (
        SELECT tenant, address_id FROM address_flags
        WHERE written_at < now() - make_interval(secs => $1)
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )";

const CLEAN_FETCHES: &str = "
    DELETE FROM address_fetches WHERE (tenant, facility_id, doctor_id) IN (
        SELECT tenant, facility_id, doctor_id FROM address_fetches
        WHERE leased_until < now() - make_interval(secs => $1)
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )";

/// Cleans until stopped. The database being away is no reason to end: the next round tries again.
pub(super) async fn clean_until_stopped(pool: Pool, stop: CancellationToken) {
    let mut rounds = tokio::time::interval(INTERVAL);
    while stop.run_until_cancelled(rounds.tick()).await.is_some() {
        match stop.run_until_cancelled(clean(&pool)).await {
            Some(Ok(0)) | None => {}
            Some(Ok(removed)) => debug!(removed, "forgot {removed} addresses and leases"),
            Some(Err(error)) => warn!(error = %format!("{error:#}"), "cannot clean address flags"),
        }
    }
}

async fn clean(pool: &Pool) -> anyhow::Result<u64> {
    let client = pool.get().await?;
    let mut removed = 0;
    for (statement, retention) in [(CLEAN_FLAGS, RETENTION), (CLEAN_FETCHES, LEASE_RETENTION)] {
        let statement = client.prepare_cached(statement).await?;
        loop {
            let batch = client.execute(&statement, &[&retention.as_secs_f64(), &BATCH]).await?;
            removed += batch;
            if batch < BATCH.unsigned_abs() {
                break;
            }
        }
    }
    Ok(removed)
}
