//! The inbox in PostgreSQL: all of its SQL.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use deadpool_postgres::Object;
use uuid::Uuid;

use super::{Claim, Closing, Inbox, Lease};
use crate::{
    database::{Batcher, Database, Statement},
    notification::{Content, IdempotencyKey},
};

/// How many claims, or closings, go to the database in one statement. A batch is as large as what
/// arrived while the previous one ran, so this only bounds the size of a statement.
const BATCH_BOUND: usize = 500;

/// Takes the lease if the key is new, if its holder is gone, or if we are its holder and never
/// heard the answer. A row that changes while we look is answered as held; the next try learns the
/// truth. Sorted, so that two pods with overlapping batches cannot deadlock.
const CLAIM: &str = "
    WITH asked AS (
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS asked (key, content, holder)
    ), claimed AS (
        INSERT INTO inbox (key, content, lease, holder, leased_until)
        SELECT key, content, 1, holder, now() + make_interval(secs => $4) FROM asked ORDER BY key
        ON CONFLICT (key) DO UPDATE
            SET lease = inbox.lease + 1,
                holder = excluded.holder,
                leased_until = excluded.leased_until
            WHERE inbox.completed_at IS NULL
              AND inbox.content = excluded.content
              AND (inbox.leased_until < now() OR inbox.holder = excluded.holder)
        RETURNING key, lease
    )
    SELECT asked.key,
           claimed.lease,
           coalesce(inbox.content <> asked.content, false) AS conflict,
           inbox.completed_at IS NOT NULL AS done
    FROM asked LEFT JOIN claimed USING (key) LEFT JOIN inbox USING (key)";

/// Ends leases: 0 completes, 1 releases, 2 abandons. What is not returned had run out.
const CLOSE: &str = "
    WITH asked AS (
        SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[]) AS asked (key, lease, closing)
        ORDER BY key
    ), abandoned AS (
        DELETE FROM inbox USING asked
        WHERE asked.closing = 2 AND inbox.key = asked.key AND inbox.lease = asked.lease
          AND inbox.completed_at IS NULL
        RETURNING inbox.key, inbox.lease
    ), closed AS (
        UPDATE inbox
        SET completed_at = CASE WHEN asked.closing = 0 THEN coalesce(inbox.completed_at, now())
                                ELSE inbox.completed_at END,
            leased_until = '-infinity'
        FROM asked
        WHERE asked.closing < 2 AND inbox.key = asked.key AND inbox.lease = asked.lease
        RETURNING inbox.key, inbox.lease
    )
    SELECT key, lease FROM abandoned UNION ALL SELECT key, lease FROM closed";

/// The inbox in PostgreSQL. Claims and closings travel in batches; see `Batcher`.
pub struct PostgresInbox {
    claims: Batcher<ClaimQuestion, Claim>,
    closings: Batcher<CloseQuestion, bool>,
}

struct ClaimQuestion {
    key: Uuid,
    content: Uuid,
    holder: Uuid,
}

struct CloseQuestion {
    key: Uuid,
    lease: i32,
    closing: Closing,
}

impl PostgresInbox {
    /// An inbox over a database, and the task that has to run for it. The task ends when the inbox
    /// is dropped and everything it was asked is answered.
    pub fn new(
        database: &Database,
        lease_for: Duration,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let for_claims = database.clone();
        let (claims, claiming) = Batcher::new(BATCH_BOUND, move |batch| {
            let database = for_claims.clone();
            async move { database.until_answered(&ClaimBatch { batch, lease_for }).await }
        });
        let for_closings = database.clone();
        let (closings, closing) = Batcher::new(BATCH_BOUND, move |batch| {
            let database = for_closings.clone();
            async move { database.until_answered(&CloseBatch(batch)).await }
        });
        let task = async move {
            tokio::join!(claiming, closing);
        };
        (Self { claims, closings }, task)
    }
}

impl Inbox for PostgresInbox {
    async fn claim(&self, key: &IdempotencyKey, content: Content) -> Claim {
        let question =
            ClaimQuestion { key: key.uuid(), content: content.uuid(), holder: Uuid::new_v4() };
        self.claims.ask(question).await.unwrap_or(Claim::Held)
    }

    async fn close(&self, lease: Lease, closing: Closing) -> bool {
        let question = CloseQuestion { key: lease.key, lease: lease.number, closing };
        self.closings.ask(question).await.unwrap_or(false)
    }
}

// === claiming ===

struct ClaimBatch {
    batch: Vec<ClaimQuestion>,
    lease_for: Duration,
}

/// What the statement tells of one key.
#[derive(Clone, Copy)]
struct Told {
    lease: Option<i32>,
    conflict: bool,
    done: bool,
}

impl Statement for ClaimBatch {
    type Answer = Vec<Claim>;

    async fn ask(&self, client: &Object) -> Result<Vec<Claim>, tokio_postgres::Error> {
        // One statement cannot take the same row twice: the second of two equal keys waits.
        let mut seen = HashSet::with_capacity(self.batch.len());
        let first: Vec<_> =
            self.batch.iter().filter(|question| seen.insert(question.key)).collect();
        let keys: Vec<Uuid> = first.iter().map(|question| question.key).collect();
        let contents: Vec<Uuid> = first.iter().map(|question| question.content).collect();
        let holders: Vec<Uuid> = first.iter().map(|question| question.holder).collect();

        let statement = client.prepare_cached(CLAIM).await?;
        // From before the database looks at its own clock, and anew for each try.
        let ends_at = Instant::now() + self.lease_for;
        let lease_secs = self.lease_for.as_secs_f64();
        let rows = client.query(&statement, &[&keys, &contents, &holders, &lease_secs]).await?;
        let mut told: HashMap<Uuid, Told> = rows
            .iter()
            .map(|row| {
                let lease = row.get("lease");
                let told = Told { lease, conflict: row.get("conflict"), done: row.get("done") };
                (row.get("key"), told)
            })
            .collect();
        Ok(self
            .batch
            .iter()
            .map(|question| claim(question.key, told.remove(&question.key), ends_at))
            .collect())
    }
}

fn claim(key: Uuid, told: Option<Told>, ends_at: Instant) -> Claim {
    match told {
        Some(Told { lease: Some(number), .. }) => Claim::Acquired(Lease { key, number, ends_at }),
        Some(Told { conflict: true, .. }) => Claim::Conflict,
        Some(Told { done: true, .. }) => Claim::Done,
        Some(_) | None => Claim::Held,
    }
}

// === closing ===

struct CloseBatch(Vec<CloseQuestion>);

impl Statement for CloseBatch {
    type Answer = Vec<bool>;

    async fn ask(&self, client: &Object) -> Result<Vec<bool>, tokio_postgres::Error> {
        let keys: Vec<Uuid> = self.0.iter().map(|question| question.key).collect();
        let leases: Vec<i32> = self.0.iter().map(|question| question.lease).collect();
        let closings: Vec<i32> = self.0.iter().map(|question| code(question.closing)).collect();

        let statement = client.prepare_cached(CLOSE).await?;
        let rows = client.query(&statement, &[&keys, &leases, &closings]).await?;
        let closed: HashSet<(Uuid, i32)> =
            rows.iter().map(|row| (row.get("key"), row.get("lease"))).collect();
        let is_closed = |question: &CloseQuestion| closed.contains(&(question.key, question.lease));
        Ok(self.0.iter().map(is_closed).collect())
    }
}

/// The numbers in [`CLOSE`].
fn code(closing: Closing) -> i32 {
    match closing {
        Closing::Complete => 0,
        Closing::Release => 1,
        Closing::Abandon => 2,
    }
}
