//! Closings, many in one statement.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use deadpool_postgres::Object;
use serde_json::{Value, json};
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::Closing;
use crate::{
    database::Statement,
    effects::{NewTimer, Purpose},
    notification::Visit,
    payment::Basis,
};

const CLOSE: &str = "
    SELECT key, lease FROM close_claims($1, $2, $3, $4, $5, coalesce($6, now()))";

const CLOSE_WITH_EFFECTS: &str = "
    SELECT key, lease FROM close_with_effects($1, $2, $3, $4, $5, $7, coalesce($6, now()))";

/// One closing, as the statement takes it.
pub(super) struct CloseQuestion {
    pub(super) key: Uuid,
    pub(super) lease: i32,
    pub(super) closing: Closing,
}

/// Closings to be done together.
pub(super) struct CloseBatch {
    pub(super) questions: Vec<CloseQuestion>,
    pub(super) clock: Option<fn() -> DateTime<Utc>>,
}

impl Statement for CloseBatch {
    type Answer = Vec<bool>;

    async fn ask(&self, client: &Object) -> Result<Vec<bool>, tokio_postgres::Error> {
        let keys: Vec<Uuid> = self.questions.iter().map(|question| question.key).collect();
        let leases: Vec<i32> = self.questions.iter().map(|question| question.lease).collect();
        let codes: Vec<Code> =
            self.questions.iter().map(|question| Code::of(&question.closing)).collect();
        let closings: Vec<i32> = codes.iter().map(|code| code.closing).collect();
        let back_in: Vec<f64> = codes.iter().map(|code| code.back_in).collect();
        let more: Vec<i32> = codes.iter().map(|code| code.more).collect();
        let now = self.clock.map(|clock| clock());
        let effects: Vec<Value> = self.questions.iter().filter_map(effects).collect();

        let rows = if effects.is_empty() {
            let statement = client.prepare_cached(CLOSE).await?;
            client.query(&statement, &[&keys, &leases, &closings, &back_in, &more, &now]).await?
        } else {
            let statement = client.prepare_cached(CLOSE_WITH_EFFECTS).await?;
            let effects = Json(effects);
            client
                .query(&statement, &[&keys, &leases, &closings, &back_in, &more, &now, &effects])
                .await?
        };
        let closed: HashSet<(Uuid, i32)> =
            rows.iter().map(|row| (row.get("key"), row.get("lease"))).collect();
        let is_closed = |question: &CloseQuestion| closed.contains(&(question.key, question.lease));
        Ok(self.questions.iter().map(is_closed).collect())
    }
}

/// A closing in the numbers of `close_claims`.
struct Code {
    closing: i32,
    /// Seconds until a released message is back.
    back_in: f64,
    /// Sequences beside its own.
    more: i32,
}

impl Code {
    fn of(closing: &Closing) -> Self {
        match closing {
            Closing::Complete { events, .. } => {
                let more = i32::try_from(*events).unwrap_or(i32::MAX) - 1;
                Self { closing: 0, back_in: 0.0, more }
            }
            Closing::Release { back_in } => {
                Self { closing: 1, back_in: back_in.as_secs_f64(), more: 0 }
            }
            Closing::Abandon => Self { closing: 2, back_in: 0.0, more: 0 },
        }
    }
}

/// What `apply_effects` takes.
fn effects(question: &CloseQuestion) -> Option<Value> {
    let Closing::Complete { effects, .. } = &question.closing else { return None };
    if effects.is_empty() {
        return None;
    }
    let payment = effects.payment.as_ref().map(|payment| {
        json!({
            "state": payment.state.as_str(),
            "basis": payment.basis.map(Basis::as_str),
            "due_at": payment.due_at,
        })
    });
    Some(json!({
        "key": question.key,
        "lease": question.lease,
        "payment": payment,
        "cancel": effects.cancel,
        "fired": effects.fired,
        "rebook": effects.rebook.as_ref().map(visit),
        "set": effects.set.iter().map(timer).collect::<Vec<_>>(),
    }))
}

fn visit(visit: &Visit) -> Value {
    json!({
        "facility_id": visit.facility_id, "doctor_id": visit.doctor_id,
        "address_id": visit.address_id, "booking_id": visit.booking_id,
    })
}

fn timer(timer: &NewTimer) -> Value {
    let mut row = visit(&timer.visit);
    row["id"] = json!(timer.id);
    row["kind"] = json!(timer.purpose.kind());
    row["tenant"] = json!(timer.tenant);
    row["due_at"] = json!(timer.due_at);
    if let Purpose::Reminder(reminder) = &timer.purpose {
        row["before_seconds"] = json!(reminder.before_seconds);
        row["start_at"] = json!(reminder.start_at);
        row["certain"] = json!(reminder.certain);
    }
    row
}
