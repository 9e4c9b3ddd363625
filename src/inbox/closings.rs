//! Closings, many in one statement.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use deadpool_postgres::Object;
use uuid::Uuid;

use super::Closing;
use crate::database::Statement;

const CLOSE: &str = "
    SELECT key, lease FROM close_claims($1, $2, $3, $4, $5, coalesce($6, now()))";

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
        let (closings, back_in): (Vec<i32>, Vec<f64>) =
            self.questions.iter().map(|question| code(question.closing)).unzip();
        let more = vec![0_i32; keys.len()];
        let now = self.clock.map(|clock| clock());

        let statement = client.prepare_cached(CLOSE).await?;
        let rows =
            client.query(&statement, &[&keys, &leases, &closings, &back_in, &more, &now]).await?;
        let closed: HashSet<(Uuid, i32)> =
            rows.iter().map(|row| (row.get("key"), row.get("lease"))).collect();
        let is_closed = |question: &CloseQuestion| closed.contains(&(question.key, question.lease));
        Ok(self.questions.iter().map(is_closed).collect())
    }
}

/// The numbers of `close_claims`, and the seconds until a message is back.
fn code(closing: Closing) -> (i32, f64) {
    match closing {
        Closing::Complete => (0, 0.0),
        Closing::Release { back_in } => (1, back_in.as_secs_f64()),
        Closing::Abandon => (2, 0.0),
    }
}
