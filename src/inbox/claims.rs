//! Claims in their order, many in one statement.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use deadpool_postgres::Object;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Answer, Claim, InboxSettings, Lease, Request};
use crate::{
    database::Statement,
    notification::{Position, Role},
    payment::{Basis, Payment, PaymentState},
};

/// How long what follows waits for what begins its chain, should both have been delivered at once to two
/// processes. Registering takes some milliseconds; the pause before the second claim is longer than this.
const PATIENCE: Duration = Duration::from_millis(100);

/// A message that could have come back to the queue this long before another was put behind it, and did
/// not, is not coming: it was purged, or set aside as poison. Generous, because being wrong breaks the
/// order; RabbitMQ itself may take three minutes to move a message after a crash.
const OVERDUE: Duration = Duration::from_mins(5);

const CLAIM: &str = "
    SELECT nth, lease, sequence, partition_key, done, conflict, behind, back_in, late, gap,
           last_sequence, payment, payment_basis, payment_due_at
    FROM claim_in_order(
        ARRAY(
            SELECT ROW (q.*)::claim_question
            FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[],
                        $7::boolean[], $8::boolean[], $9::timestamptz[], $10::timestamptz[],
                        $11::timestamptz[], $12::boolean[]) WITH ORDINALITY AS q
        ),
        $13, make_interval(secs => $14), make_interval(secs => $15), make_interval(secs => $16),
        make_interval(secs => $17), make_interval(secs => $18), coalesce($19, now()))";

/// One claim, as the statement takes it.
pub(super) struct ClaimQuestion {
    pub(super) key: Uuid,
    pub(super) content: Uuid,
    /// Which claim it is: asked again because the answer was lost, it gets the same lease.
    pub(super) holder: Uuid,
    pub(super) subject: Uuid,
    pub(super) partition_key: String,
    pub(super) moves_to: Option<Uuid>,
    pub(super) role: Role,
    pub(super) told_at: Option<DateTime<Utc>>,
    pub(super) ends_at: Option<DateTime<Utc>>,
    retried_at: Option<DateTime<Utc>>,
    tries: bool,
}

/// Claims to be answered together, in their order.
pub(super) struct ClaimBatch<'q> {
    pub(super) questions: &'q [&'q ClaimQuestion],
    pub(super) settings: &'q InboxSettings,
}

impl ClaimQuestion {
    pub(super) fn new(request: &Request, holder: Uuid) -> Self {
        let chain = &request.chain;
        Self {
            key: request.key.uuid(),
            content: request.content.uuid(),
            holder,
            subject: chain.subject,
            partition_key: chain.partition_key.clone(),
            moves_to: chain.moves_to,
            role: chain.role,
            told_at: request.told_at.map(|at| at.to_utc()),
            ends_at: chain.ends_at.map(|at| at.to_utc()),
            retried_at: request.retried_at,
            tries: request.tries,
        }
    }

    fn answer(&self, row: &Row, ends_at: Instant) -> Answer {
        Answer { claim: self.claim(row, ends_at), late: row.get("late"), gap: row.get("gap") }
    }

    fn claim(&self, row: &Row, ends_at: Instant) -> Claim {
        let is = |column| row.get::<_, Option<bool>>(column).unwrap_or(false);
        if is("done") && !is("conflict") {
            return Claim::Done;
        }
        if let (Some(number), Some(position)) = (row.get("lease"), position(row)) {
            let last_sequence = row.get::<_, Option<i32>>("last_sequence");
            return Claim::Acquired(Lease {
                key: self.key,
                number,
                last_sequence: last_sequence.map_or(position.sequence, i32::unsigned_abs),
                payment: payment(row),
                position,
                ends_at,
            });
        }
        if is("conflict") {
            Claim::Conflict
        } else if is("behind") {
            let back_in: Option<f64> = row.get("back_in");
            Claim::Behind {
                back_in: back_in.map(|secs| Duration::try_from_secs_f64(secs).unwrap_or_default()),
            }
        } else {
            Claim::Held
        }
    }
}

fn position(row: &Row) -> Option<Position> {
    let sequence: Option<i32> = row.get("sequence");
    let sequence = u32::try_from(sequence?).ok()?;
    Some(Position { partition_key: row.get::<_, Option<String>>("partition_key")?, sequence })
}

/// How the chain's payment stands.
pub(super) fn payment(row: &Row) -> Option<Payment> {
    let state: Option<&str> = row.get("payment");
    let basis: Option<&str> = row.get("payment_basis");
    Some(Payment {
        state: PaymentState::from_word(state?)?,
        basis: basis.and_then(Basis::from_word),
        due_at: row.get("payment_due_at"),
    })
}

impl Statement for ClaimBatch<'_> {
    type Answer = Vec<Answer>;

    async fn ask(&self, client: &Object) -> Result<Vec<Answer>, tokio_postgres::Error> {
        let column =
            |of: fn(&ClaimQuestion) -> Uuid| self.questions.iter().map(|q| of(q)).collect();
        let (keys, contents): (Vec<Uuid>, Vec<Uuid>) = (column(|q| q.key), column(|q| q.content));
        let (holders, subjects): (Vec<_>, Vec<_>) = (column(|q| q.holder), column(|q| q.subject));
        let partition_keys: Vec<&str> =
            self.questions.iter().map(|q| q.partition_key.as_str()).collect();
        let moves_to: Vec<_> = self.questions.iter().map(|q| q.moves_to).collect();
        let role = |role| self.questions.iter().map(|q| q.role == role).collect();
        let (begins, follows): (Vec<bool>, Vec<bool>) = (role(Role::Begins), role(Role::Follows));
        let told_at: Vec<_> = self.questions.iter().map(|q| q.told_at).collect();
        let ends_at: Vec<_> = self.questions.iter().map(|q| q.ends_at).collect();
        let retried_at: Vec<_> = self.questions.iter().map(|q| q.retried_at).collect();
        let tries: Vec<_> = self.questions.iter().map(|q| q.tries).collect();
        let InboxSettings { process, lease, longest_delay, retention, clock } = self.settings;
        let now = clock.map(|clock| clock());

        let statement = client.prepare_cached(CLAIM).await?;
        // From before the database looks at its own clock, and anew for each try.
        let lease_ends_at = Instant::now() + *lease;
        let rows = client
            .query(
                &statement,
                &[
                    &keys,
                    &contents,
                    &holders,
                    &subjects,
                    &partition_keys,
                    &moves_to,
                    &begins,
                    &follows,
                    &told_at,
                    &ends_at,
                    &retried_at,
                    &tries,
                    process,
                    &lease.as_secs_f64(),
                    &longest_delay.as_secs_f64(),
                    &PATIENCE.as_secs_f64(),
                    &OVERDUE.as_secs_f64(),
                    &retention.as_secs_f64(),
                    &now,
                ],
            )
            .await?;
        let mut rows: Vec<Row> = rows;
        rows.sort_unstable_by_key(|row| row.get::<_, i64>("nth"));
        Ok(self.questions.iter().zip(&rows).map(|(q, row)| q.answer(row, lease_ends_at)).collect())
    }
}
