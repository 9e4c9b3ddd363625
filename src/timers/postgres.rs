//! Timers in PostgreSQL: all of their SQL.

use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::Object;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Timer, TimerStore};
use crate::{
    database::{Database, Statement},
    effects::{Purpose, Reminder},
    inbox::Lease,
    notification::{Moment, Visit},
    payment::{Basis, PaymentState},
};

const DUE: &str = "
    SELECT id, chain, kind, tenant, facility_id, doctor_id, address_id, booking_id, due_at, looks, outcome, basis,
           before_seconds, start_at, certain
    FROM take_due($2, $3, $1, make_interval(secs => $4), coalesce($5, now()))";

const POSTPONE: &str = "
    UPDATE timers
    SET fire_at = coalesce($5, now()) + make_interval(secs => $3), looks = looks + $4, leased_until = '-infinity'
    WHERE id = $1 AND holder = $2";

/// Only for who has the lease in the inbox, and only once.
const DECIDE: &str = "
    UPDATE timers
    SET outcome = coalesce(outcome, $4), basis = CASE WHEN outcome IS NULL THEN $5 ELSE basis END
    WHERE id = $1 AND EXISTS (SELECT FROM inbox WHERE key = $2 AND lease = $3 AND completed_at IS NULL)
    RETURNING outcome, basis";

const IS_SET: &str = "SELECT FROM timers WHERE id = $1";

const REMOVE: &str = "DELETE FROM timers WHERE id = $1";

/// Per tenant: payments that somebody will look at, and those that somebody should have decided a minute ago.
const PAYMENTS: &str = "
    SELECT tenant, count(*), count(*) FILTER (WHERE due_at < now() - interval '1 minute')
    FROM timers WHERE kind = 'payment' GROUP BY tenant";

/// The store in PostgreSQL.
#[derive(Clone)]
pub struct PostgresTimers {
    database: Database,
    lease: Duration,
    clock: Option<fn() -> DateTime<Utc>>,
}

impl PostgresTimers {
    /// A store whose timers are held for `lease`. `clock`: what time it is; `None` asks the database.
    #[must_use]
    pub fn new(database: Database, lease: Duration, clock: Option<fn() -> DateTime<Utc>>) -> Self {
        Self { database, lease, clock }
    }

    /// Payments by tenant: pending, and overdue.
    pub async fn payments(&self) -> Vec<(String, i64, i64)> {
        self.database.until_answered(&Payments).await
    }

    fn now(&self) -> Option<DateTime<Utc>> {
        self.clock.map(|clock| clock())
    }
}

impl TimerStore for PostgresTimers {
    async fn due(&self, free: &[(String, usize)]) -> Vec<Timer> {
        let due = TakeDue { free, lease: self.lease, now: self.now() };
        let mut timers = self.database.until_answered(&due).await;
        timers.sort_by_key(|timer| timer.due_at);
        timers
    }

    async fn postpone(&self, timer: &Timer, by: Duration, looked: bool) {
        self.database.until_answered(&Postpone { timer, by, looked, now: self.now() }).await;
    }

    async fn decide(
        &self,
        timer: &Timer,
        lease: &Lease,
        decision: (PaymentState, Basis),
    ) -> Option<(PaymentState, Basis)> {
        self.database.until_answered(&Decide { timer, lease, decision }).await
    }

    async fn is_set(&self, timer: &Timer) -> bool {
        self.database.until_answered(&IsSet(timer.id)).await
    }

    async fn remove(&self, timer: &Timer) {
        self.database.until_answered(&Remove(timer.id)).await;
    }
}

struct TakeDue<'t> {
    free: &'t [(String, usize)],
    lease: Duration,
    now: Option<DateTime<Utc>>,
}

impl Statement for TakeDue<'_> {
    type Answer = Vec<Timer>;

    async fn ask(&self, client: &Object) -> Result<Vec<Timer>, tokio_postgres::Error> {
        let holder = Uuid::new_v4();
        let tenants: Vec<&str> = self.free.iter().map(|(tenant, _)| tenant.as_str()).collect();
        let at_most = |(_, free): &(String, usize)| i64::try_from(*free).unwrap_or(i64::MAX);
        let at_most: Vec<i64> = self.free.iter().map(at_most).collect();
        let lease = self.lease.as_secs_f64();
        let statement = client.prepare_cached(DUE).await?;
        let rows =
            client.query(&statement, &[&holder, &tenants, &at_most, &lease, &self.now]).await?;
        Ok(rows.iter().filter_map(|row| timer(row, holder)).collect())
    }
}

/// `None` for a row of a later version.
fn timer(row: &Row, holder: Uuid) -> Option<Timer> {
    let purpose = match row.get("kind") {
        "payment" => {
            let outcome: Option<&str> = row.get("outcome");
            let basis: Option<&str> = row.get("basis");
            let decided =
                outcome.and_then(PaymentState::from_word).zip(basis.and_then(Basis::from_word));
            Purpose::Payment { looks: row.get::<_, i32>("looks").unsigned_abs(), decided }
        }
        "reminder" => Purpose::Reminder(Reminder {
            before_seconds: row.get::<_, Option<i32>>("before_seconds")?,
            start_at: row.get::<_, Option<&str>>("start_at")?.parse::<Moment>().ok()?,
            certain: row.get::<_, Option<bool>>("certain")?,
        }),
        _ => return None,
    };
    Some(Timer {
        id: row.get("id"),
        chain: row.get("chain"),
        tenant: row.get("tenant"),
        visit: Visit {
            facility_id: row.get("facility_id"),
            doctor_id: row.get("doctor_id"),
            address_id: row.get("address_id"),
            booking_id: row.get("booking_id"),
        },
        due_at: row.get("due_at"),
        purpose,
        holder,
    })
}

struct Postpone<'t> {
    timer: &'t Timer,
    by: Duration,
    looked: bool,
    now: Option<DateTime<Utc>>,
}

impl Statement for Postpone<'_> {
    type Answer = u64;

    async fn ask(&self, client: &Object) -> Result<u64, tokio_postgres::Error> {
        let Timer { id, holder, .. } = self.timer;
        let (by, looked) = (self.by.as_secs_f64(), i32::from(self.looked));
        let statement = client.prepare_cached(POSTPONE).await?;
        client.execute(&statement, &[id, holder, &by, &looked, &self.now]).await
    }
}

struct Decide<'t> {
    timer: &'t Timer,
    lease: &'t Lease,
    decision: (PaymentState, Basis),
}

impl Statement for Decide<'_> {
    type Answer = Option<(PaymentState, Basis)>;

    async fn ask(&self, client: &Object) -> Result<Self::Answer, tokio_postgres::Error> {
        let (state, basis) = (self.decision.0.as_str(), self.decision.1.as_str());
        let Lease { key, number, .. } = self.lease;
        let statement = client.prepare_cached(DECIDE).await?;
        let row =
            client.query_opt(&statement, &[&self.timer.id, key, number, &state, &basis]).await?;
        Ok(row.and_then(|row| {
            PaymentState::from_word(row.get("outcome")).zip(Basis::from_word(row.get("basis")))
        }))
    }
}

struct IsSet(Uuid);

impl Statement for IsSet {
    type Answer = bool;

    async fn ask(&self, client: &Object) -> Result<bool, tokio_postgres::Error> {
        Ok(client.query_opt(IS_SET, &[&self.0]).await?.is_some())
    }
}

struct Remove(Uuid);

impl Statement for Remove {
    type Answer = u64;

    async fn ask(&self, client: &Object) -> Result<u64, tokio_postgres::Error> {
        client.execute(REMOVE, &[&self.0]).await
    }
}

struct Payments;

impl Statement for Payments {
    type Answer = Vec<(String, i64, i64)>;

    async fn ask(&self, client: &Object) -> Result<Self::Answer, tokio_postgres::Error> {
        let rows = client.query(PAYMENTS, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }
}
