//! The ledger of all pods: one row for each tenant, of the window of now.
//!
//! Who takes reads the row, decides by [`Window`] what it may have, and writes the row if nobody else has written it
//! meanwhile. The decision is therefore the same with a database and without one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::Object;

use super::pocket::Unused;
use crate::{
    database::Statement,
    docplanner::{
        answer::Quota,
        quota::{Grant, Urgency, Window},
    },
};

/// How often a row is read again that somebody else has written meanwhile. A handful of pods take a few times a second,
/// and a row is written in a millisecond.
const TRIES: u32 = 20;

const READ: &str = "
    SELECT version, quota, unspent, ends_at, saved, saved_at, now() AS now
    FROM (SELECT) AS always LEFT JOIN api_quotas ON tenant = $1";

const WRITE: &str = "
    INSERT INTO api_quotas AS known (tenant, version, quota, unspent, ends_at, saved, saved_at)
    VALUES ($1, $2::bigint + 1, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant) DO UPDATE
        SET version = excluded.version, quota = excluded.quota, unspent = excluded.unspent,
            ends_at = excluded.ends_at, saved = excluded.saved, saved_at = excluded.saved_at
        WHERE known.version = $2";

/// A question to the ledger.
pub(super) struct Lease<'l> {
    pub(super) tenant: &'l str,
    /// What the API has told this pod.
    pub(super) told: Option<Quota>,
    pub(super) unused: Option<Unused>,
    /// How many requests this pod would like.
    pub(super) wanted: u64,
    pub(super) urgency: Urgency,
    pub(super) reserve: f64,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taken {
    /// The window after that; `None` if nothing is known of the one of now.
    pub(super) window: Option<Window>,
    pub(super) grant: Grant,
    /// When, by the ledger's clock.
    pub(super) at: DateTime<Utc>,
}

impl Lease<'_> {
    /// Takes from the window as it was seen last.
    pub(super) fn from(&self, window: Option<Window>, now: DateTime<Utc>) -> Taken {
        let told = self.told.filter(|told| now < told.ends_at);
        let mut window = match (window, told) {
            (Some(mut window), told) => {
                let unused = self.unused.filter(|unused| unused.ends_at == window.ends_at);
                window.give_back(unused.map_or(0, |unused| unused.permits));
                if let Some(told) = told {
                    window.hear(&told, now);
                }
                Some(window)
            }
            (None, told) => told.map(|told| Window::begun(&told, now)),
        };
        window = window.filter(|window| !window.is_over(now));
        let grant = match &mut window {
            Some(window) if self.wanted > 0 => {
                window.take(self.wanted, self.urgency, self.reserve, now)
            }
            _ => Grant::NONE,
        };
        Taken { window, grant, at: now }
    }
}

impl Statement for Lease<'_> {
    /// `None`: the row was always written by others.
    type Answer = Option<Taken>;
    const TIMEOUT: Duration = Duration::from_secs(2);

    async fn ask(&self, client: &Object) -> Result<Option<Taken>, tokio_postgres::Error> {
        let read = client.prepare_cached(READ).await?;
        let write = client.prepare_cached(WRITE).await?;
        for _ in 0..TRIES {
            let row = client.query_one(&read, &[&self.tenant]).await?;
            let version: Option<i64> = row.get("version");
            let count = |name| row.get::<_, i64>(name).unsigned_abs();
            let known = version.map(|_| Window {
                limit: count("quota"),
                left: count("unspent"),
                ends_at: row.get("ends_at"),
                saved: row.get("saved"),
                saved_at: row.get("saved_at"),
            });
            let taken = self.from(known.clone(), row.get("now"));
            let Some(window) = taken.window.as_ref().filter(|_| taken.window != known) else {
                return Ok(Some(taken));
            };
            let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let (limit, left) = (count(window.limit), count(window.left));
            let Window { ends_at, saved, saved_at, .. } = window;
            let version = version.unwrap_or_default();
            let written = client
                .execute(&write, &[&self.tenant, &version, &limit, &left, ends_at, saved, saved_at])
                .await?;
            if written == 1 {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }
}
