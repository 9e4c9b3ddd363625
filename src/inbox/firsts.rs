//! Claims that are the first of their chain, which most are: nothing has to be locked for them, nor decided.

use std::{collections::HashMap, time::Instant};

use chrono::{DateTime, Utc};
use deadpool_postgres::Object;
use uuid::Uuid;

use super::{Answer, Claim, InboxSettings, Lease, claims::ClaimQuestion};
use crate::{
    database::Statement,
    notification::{Position, Role},
};

const CLAIM_FIRST: &str = "
    SELECT key, done, conflict
    FROM claim_first($1, $2, $3, $4, $5, $6, $7, make_interval(secs => $8), make_interval(secs => $9),
                     coalesce($10, now()))";

/// Claims to be answered together, no two of them of one chain.
pub(super) struct FirstBatch<'q> {
    pub(super) questions: &'q [&'q ClaimQuestion],
    pub(super) settings: &'q InboxSettings,
}

/// The questions that may be the first of their chains: they begin one, and no other question is about it.
pub(super) fn firsts(questions: &[ClaimQuestion]) -> Vec<&ClaimQuestion> {
    let mut mentions: HashMap<Uuid, u32> = HashMap::with_capacity(questions.len());
    for question in questions {
        for subject in [Some(question.subject), question.moves_to].into_iter().flatten() {
            *mentions.entry(subject).or_default() += 1;
        }
    }
    let may_be_first = |question: &&ClaimQuestion| {
        question.role == Role::Begins
            && question.moves_to.is_none()
            && mentions[&question.subject] == 1
    };
    questions.iter().filter(may_be_first).collect()
}

impl Statement for FirstBatch<'_> {
    /// By the question's `holder`. Who is not in it has to be claimed in its order.
    type Answer = HashMap<Uuid, Answer>;

    async fn ask(&self, client: &Object) -> Result<Self::Answer, tokio_postgres::Error> {
        let column = |of: fn(&ClaimQuestion) -> Uuid| -> Vec<Uuid> {
            self.questions.iter().map(|question| of(question)).collect()
        };
        let time = |of: fn(&ClaimQuestion) -> Option<DateTime<Utc>>| -> Vec<Option<DateTime<Utc>>> {
            self.questions.iter().map(|question| of(question)).collect()
        };
        let partition_keys: Vec<&str> =
            self.questions.iter().map(|question| question.partition_key.as_str()).collect();
        let InboxSettings { lease, retention, clock, .. } = self.settings;

        let statement = client.prepare_cached(CLAIM_FIRST).await?;
        // From before the database looks at its own clock, and anew for each try.
        let ends_at = Instant::now() + *lease;
        let rows = client
            .query(
                &statement,
                &[
                    &column(|q| q.key),
                    &column(|q| q.content),
                    &column(|q| q.holder),
                    &column(|q| q.subject),
                    &partition_keys,
                    &time(|q| q.told_at),
                    &time(|q| q.ends_at),
                    &lease.as_secs_f64(),
                    &retention.as_secs_f64(),
                    &clock.map(|clock| clock()),
                ],
            )
            .await?;
        let told: HashMap<Uuid, (bool, bool)> = rows
            .iter()
            .map(|row| (row.get("key"), (row.get("done"), row.get("conflict"))))
            .collect();
        let answer = |question: &&ClaimQuestion| {
            let claim = match told.get(&question.key)? {
                (true, true) => Claim::Conflict,
                (true, false) => Claim::Done,
                (false, _) => Claim::Acquired(first_lease(question, ends_at)),
            };
            Some((question.holder, Answer { claim, late: false, gap: false }))
        };
        Ok(self.questions.iter().filter_map(answer).collect())
    }
}

fn first_lease(question: &ClaimQuestion, ends_at: Instant) -> Lease {
    let position = Position { partition_key: question.partition_key.clone(), sequence: 1 };
    Lease { key: question.key, number: 1, position, last_sequence: 1, payment: None, ends_at }
}
