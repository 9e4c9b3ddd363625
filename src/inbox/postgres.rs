//! The inbox in PostgreSQL. What is decided there is in its functions, see `migrations/`; claims and closings
//! travel in batches.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use tracing::debug;
use uuid::Uuid;

use super::{
    Answer, Claim, Closing, Inbox, Lease, Pending, Request,
    claims::{ClaimBatch, ClaimQuestion},
    closings::{CloseBatch, CloseQuestion},
    firsts::{FirstBatch, firsts},
};
use crate::{
    database::{Batcher, Database},
    retry::chain,
};

/// How many claims, or closings, go to the database in one statement. A batch is as large as what
/// arrived while the previous one ran, so this only bounds the size of a statement.
const BATCH_BOUND: usize = 500;

/// The inbox in PostgreSQL.
pub struct PostgresInbox {
    claims: Batcher<ClaimQuestion, Answer>,
    closings: Batcher<CloseQuestion, bool>,
}

/// What an inbox needs to know of its surroundings.
#[derive(Debug, Clone)]
pub struct InboxSettings {
    /// Who asks: between processes, another rule decides who is first than within one.
    pub process: Uuid,
    /// How long a lease lasts.
    pub lease: Duration,
    /// The longest delay of a retry queue.
    pub longest_delay: Duration,
    /// How long keys are remembered, and chains after their end.
    pub retention: Duration,
    /// What time it is; `None` asks the database, which is what all pods agree on.
    pub clock: Option<fn() -> DateTime<Utc>>,
}

impl PostgresInbox {
    /// An inbox over a database, and the task that has to run for it. The task ends when the inbox
    /// is dropped and everything it was asked is answered.
    pub fn new(
        database: &Database,
        settings: InboxSettings,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (for_claims, for_closings) = (database.clone(), database.clone());
        let clock = settings.clock;
        let (claims, claiming) = Batcher::new(BATCH_BOUND, move |questions| {
            let (database, settings) = (for_claims.clone(), settings.clone());
            async move { answer_claims(&database, questions, &settings).await }
        });
        let (closings, closing) = Batcher::new(BATCH_BOUND, move |questions| {
            let database = for_closings.clone();
            async move { database.until_answered(&CloseBatch { questions, clock }).await }
        });
        let task = async move {
            tokio::join!(claiming, closing);
        };
        (Self { claims, closings }, task)
    }
}

/// Answers claims: first those that need no decision, then the others in the order of their arrival.
async fn answer_claims(
    database: &Database,
    questions: Vec<ClaimQuestion>,
    settings: &InboxSettings,
) -> Vec<Answer> {
    let first = firsts(&questions);
    let mut first_answers = claim_first(database, &first, settings).await;
    let answered = |question: &&ClaimQuestion| first_answers.contains_key(&question.holder);
    let others: Vec<_> = questions.iter().filter(|question| !answered(question)).collect();
    let other_answers = claim_in_order(database, others, settings).await;
    let mut other_answers = other_answers.into_iter();
    let answer = |question: &ClaimQuestion| {
        first_answers.remove(&question.holder).or_else(|| other_answers.next())
    };
    questions.iter().map_while(answer).collect()
}

/// Answers those that are the first of their chain, or were completed before, by their `holder`.
async fn claim_first(
    database: &Database,
    questions: &[&ClaimQuestion],
    settings: &InboxSettings,
) -> HashMap<Uuid, Answer> {
    if questions.is_empty() {
        return HashMap::new();
    }
    let batch = FirstBatch { questions, settings };
    // If the data of one is refused, it is found among those that are claimed in their order.
    database.until_decided(&batch).await.unwrap_or_default()
}

/// Answers all of them. If the database refuses the data of one, the others are asked without it.
async fn claim_in_order(
    database: &Database,
    questions: Vec<&ClaimQuestion>,
    settings: &InboxSettings,
) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(questions.len());
    let mut batches = vec![questions];
    while let Some(questions) = batches.pop() {
        if questions.is_empty() {
            continue;
        }
        match database.until_decided(&ClaimBatch { questions: &questions, settings }).await {
            Ok(answered) => answers.extend(answered),
            Err(refused) if questions.len() > 1 => {
                debug!(error = %chain(&refused), "looking for the claim that is refused");
                let (first_half, second_half) = questions.split_at(questions.len() / 2);
                // The first half is the next one to be asked: order is the order of delivery.
                batches.extend([second_half.to_vec(), first_half.to_vec()]);
            }
            Err(_) => answers.push(Answer { claim: Claim::Refused, late: false, gap: false }),
        }
    }
    answers
}

impl Inbox for PostgresInbox {
    fn claim(&self, request: &Request) -> Pending<Answer> {
        self.claims.ask(ClaimQuestion::new(request, Uuid::new_v4()))
    }

    async fn close(&self, lease: Lease, closing: Closing) -> bool {
        let question = CloseQuestion { key: lease.key, lease: lease.number, closing };
        self.closings.ask(question).await.unwrap_or(false)
    }
}
