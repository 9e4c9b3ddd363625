//! Address facts in PostgreSQL, for all pods.
//!
//! Nothing here is needed to answer a delivery: when the database is away, the API is asked. The one exception
//! is that an address has changed, which must not be lost.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use super::{
    known::Known,
    statements::{DropFlags, LookBatch, Release, Renew, Store},
};
use crate::{
    database::{Batcher, Database},
    normalize::AddressFacts,
};

/// Where changes are told to other pods: `{moment} {tenant}/{address}`.
pub(super) const CHANNEL: &str = "address_flags";

/// How often a holder says that it is alive: two of these may fail.
const RENEW_EVERY: Duration = Duration::from_millis(1300);

/// What can be done without is not waited for longer.
pub(super) const BRIEFLY: Duration = Duration::from_secs(2);

/// How many looks go to the database in one statement; see [`Batcher`].
const BATCH_BOUND: usize = 500;

/// An id longer than this is none: PostgreSQL would refuse to tell it to other pods. The API's have some ten
/// digits.
const LONGEST_ID: usize = 100;

/// The facts that all pods share.
pub(super) struct SharedFlags {
    database: Database,
    looks: Batcher<Look, Option<Seen>>,
}

/// One question: what is known of this address, and may I ask the API?
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) doctor: DoctorId,
    pub(super) address: String,
    pub(super) ttl: Duration,
    /// Whoever looks would ask the API if it is given the lease.
    pub(super) may_ask: bool,
}

/// One doctor of one clinic: what the API is asked for at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct DoctorId {
    pub(super) tenant: String,
    pub(super) facility: String,
    pub(super) doctor: String,
}

/// What the database tells of an address.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) known: Option<Known>,
    /// Permission to ask the API, if what is known is not fresh and nobody else has it.
    pub(super) lease: Option<Lease>,
}

/// Permission to ask the API for a doctor's addresses, while everybody else waits for the answer.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) doctor: DoctorId,
    /// Only who has the latest round can give the lease back.
    pub(super) round: i64,
    /// Before the API is asked: a change that is told from here on is not in its answer.
    pub(super) moment: i64,
}

impl SharedFlags {
    /// Over a database, and the task that has to run for it.
    pub(super) fn new(database: Database) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let for_looks = database.clone();
        let (looks, looking) = Batcher::new(BATCH_BOUND, move |batch: Vec<Look>| {
            let database = for_looks.clone();
            async move {
                let count = batch.len();
                match database.if_available(&LookBatch(batch)).await {
                    Some(seen) => seen.into_iter().map(Some).collect(),
                    None => (0..count).map(|_| None).collect(),
                }
            }
        });
        (Self { database, looks }, looking)
    }

    /// What is known, and perhaps a lease. `None`: the database is away, or keeps no such id.
    pub(super) async fn look(&self, look: Look) -> Option<Seen> {
        let DoctorId { facility, doctor, .. } = &look.doctor;
        if ![facility, doctor, &look.address].into_iter().all(|id| is_storable(id)) {
            return None;
        }
        self.looks.ask(look).await?
    }

    /// Does something that takes its time while the lease is kept.
    pub(super) async fn keep<T>(&self, lease: &Lease, doing: impl Future<Output = T>) -> T {
        tokio::select! {
            done = doing => done,
            never = self.renew_forever(lease) => match never {},
        }
    }

    async fn renew_forever(&self, lease: &Lease) -> Infallible {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            self.database.if_available(&Renew(lease)).await;
        }
    }

    /// Gives the lease back, with what the API answered at `answered`, if anything.
    pub(super) async fn end(
        &self,
        lease: &Lease,
        told: &[(String, AddressFacts)],
        answered: Instant,
    ) {
        if told.is_empty() {
            self.database.if_available(&Release(lease)).await;
        } else {
            self.database.if_available(&Store { lease, told, answered }).await;
        }
    }

    /// An address has changed, which every pod is told. Waits as long as the database is away, or the change
    /// would be lost; the moment of it.
    pub(super) async fn drop_flags(&self, tenant: &str, address: &str) -> Option<i64> {
        if !is_storable(address) {
            return None;
        }
        Some(self.database.until_answered(&DropFlags { tenant, address }).await)
    }
}

/// Whether the database can keep an id: its text has no zero byte.
pub(super) fn is_storable(id: &str) -> bool {
    id.len() <= LONGEST_ID && !id.contains('\0')
}
