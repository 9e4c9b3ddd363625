//! Finding the message that kills the process, without harming its neighbours.
//!
//! When a process dies, the broker delivers everything it had prefetched again, each message with
//! a higher delivery count: the count alone cannot tell the culprit from its neighbours. So a
//! message that has died with several consumers is tried alone, with nothing else under way in
//! this process, and each such trial is written down before it begins. A trial that its process
//! did not survive is found by the next one.

use std::sync::Arc;

use deadpool_postgres::Object;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use uuid::Uuid;

use crate::{
    database::{Database, Statement},
    delivery::Delivery,
};

/// From this delivery count on, a message is tried alone. One death may be anybody's; more than
/// two would cost every neighbour as many redeliveries.
const SUSPECT_FROM: u64 = 2;

/// A message whose process died in this many trials alone is poison. The first may have been bad
/// luck: a pod that was killed for another reason at that moment.
const TRIALS: i32 = 2;

const BEGIN_TRIAL: &str = "
    INSERT INTO suspects (fingerprint, trials, trial) VALUES ($1, 1, $2)
    ON CONFLICT (fingerprint) DO UPDATE
        SET trials = suspects.trials + (suspects.trial <> excluded.trial)::integer,
            trial = excluded.trial,
            tried_at = now()
    RETURNING trials";

const NAME_SUSPECT: &str = "UPDATE suspects SET key = $2 WHERE fingerprint = $1";

const SET_ASIDE: &str =
    "SELECT set_aside(key) FROM suspects WHERE fingerprint = $1 AND key IS NOT NULL";

const SET_TRIALS: &str = "UPDATE suspects SET trials = $2 WHERE fingerprint = $1";

const END_TRIALS: &str = "DELETE FROM suspects WHERE fingerprint = $1";

/// Keeps suspects away from everything else.
pub struct Quarantine {
    database: Database,
    /// Held by many for reading, or by one suspect for writing.
    company: Arc<RwLock<()>>,
}

/// May the delivery be processed?
pub enum Verdict {
    /// Yes, until [`Quarantine::leave`].
    Process(Place),
    /// No.
    Poison {
        /// How often it was tried alone.
        trials: i32,
        /// It had a sequence, which now is missing.
        gap: bool,
    },
}

/// A delivery's place in the process: among others, or alone.
pub enum Place {
    /// An ordinary delivery.
    InCompany(OwnedRwLockReadGuard<()>),
    /// A suspect.
    Alone(OwnedRwLockWriteGuard<()>, Trial),
}

/// A trial under way.
pub struct Trial {
    fingerprint: Uuid,
    /// Which one it is.
    nth: i32,
}

impl Quarantine {
    /// A quarantine that remembers its trials in the database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, company: Arc::default() }
    }

    /// Waits for the delivery's turn. For an ordinary one that is at once, unless a suspect is
    /// being tried.
    pub async fn enter(&self, delivery: &Delivery) -> Verdict {
        if delivery.delivery_count < SUSPECT_FROM {
            return Verdict::Process(Place::InCompany(
                Arc::clone(&self.company).read_owned().await,
            ));
        }
        let alone = Arc::clone(&self.company).write_owned().await;
        let fingerprint = fingerprint(&delivery.body);
        let trials =
            self.database.until_answered(&BeginTrial { fingerprint, trial: Uuid::new_v4() }).await;
        if trials > TRIALS {
            let gap = self.database.until_answered(&SetAside(fingerprint)).await;
            // As good as new, should a person put it back.
            self.database.until_answered(&EndTrials(fingerprint)).await;
            return Verdict::Poison { trials: trials - 1, gap };
        }
        Verdict::Process(Place::Alone(alone, Trial { fingerprint, nth: trials }))
    }

    /// Remembers the key of a suspect, before it is tried any further.
    pub async fn name(&self, place: &Place, key: Uuid) {
        if let Place::Alone(_, Trial { fingerprint, .. }) = place {
            self.database.until_answered(&NameSuspect(*fingerprint, key)).await;
        }
    }

    /// The process is still there. Whether the delivery was `tried`, or only told to wait (for the
    /// lease of its previous holder, say): then the trial is as if it had not begun.
    pub async fn leave(&self, place: Place, tried: bool) {
        let Place::Alone(_alone, Trial { fingerprint, nth }) = place else { return };
        if tried || nth == 1 {
            self.database.until_answered(&EndTrials(fingerprint)).await;
        } else {
            self.database.until_answered(&SetTrials(fingerprint, nth - 1)).await;
        }
    }
}

struct BeginTrial {
    fingerprint: Uuid,
    trial: Uuid,
}

impl Statement for BeginTrial {
    type Answer = i32;

    async fn ask(&self, client: &Object) -> Result<i32, tokio_postgres::Error> {
        Ok(client.query_one(BEGIN_TRIAL, &[&self.fingerprint, &self.trial]).await?.get(0))
    }
}

struct NameSuspect(Uuid, Uuid);

impl Statement for NameSuspect {
    type Answer = u64;

    async fn ask(&self, client: &Object) -> Result<u64, tokio_postgres::Error> {
        client.execute(NAME_SUSPECT, &[&self.0, &self.1]).await
    }
}

struct SetAside(Uuid);

impl Statement for SetAside {
    type Answer = bool;

    async fn ask(&self, client: &Object) -> Result<bool, tokio_postgres::Error> {
        let row = client.query_opt(SET_ASIDE, &[&self.0]).await?;
        Ok(row.is_some_and(|row| row.get(0)))
    }
}

struct SetTrials(Uuid, i32);

impl Statement for SetTrials {
    type Answer = u64;

    async fn ask(&self, client: &Object) -> Result<u64, tokio_postgres::Error> {
        client.execute(SET_TRIALS, &[&self.0, &self.1]).await
    }
}

struct EndTrials(Uuid);

impl Statement for EndTrials {
    type Answer = u64;

    async fn ask(&self, client: &Object) -> Result<u64, tokio_postgres::Error> {
        client.execute(END_TRIALS, &[&self.0]).await
    }
}

fn fingerprint(body: &[u8]) -> Uuid {
    let digest = Sha256::digest(body);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bytes)
}
