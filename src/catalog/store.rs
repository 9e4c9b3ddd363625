//! The catalog in PostgreSQL.

mod read;
mod sql;

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::{Object, Pool, PoolError, Transaction};
use tokio_postgres::types::ToSql;

use super::{Found, Step, dictionary::online_consultations};
use crate::{
    docplanner::{DictionaryEntry, ListedAddress, ListedDoctor, ListedService},
    inbox::{self, SchemaError},
};

/// The catalog through one connection, which also holds the lock of a walk: who loses it can
/// neither write nor keep others waiting.
pub struct Store {
    client: Object,
}

/// Why the catalog could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection.
    #[error("cannot connect to the database")]
    Connect(#[from] PoolError),
    /// Migrations are missing.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A statement failed.
    #[error("the database refused")]
    Refused(#[from] tokio_postgres::Error),
}

/// A walk that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    /// Its number.
    pub(super) walk: i32,
    /// When it began; before now if it goes on.
    pub(super) started_at: DateTime<Utc>,
    pub(super) how: How,
}

/// How a walk began.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum How {
    Fresh,
    /// Where an interrupted one was.
    GoesOn,
    /// Although there is an interrupted one, which began then.
    Instead(DateTime<Utc>),
}

/// How much exists, and how much was found to be gone at the end of a walk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// What the walk has seen.
    pub exist: i64,
    /// What earlier walks have seen and this one has not.
    pub gone: i64,
}

impl Store {
    /// Connects.
    ///
    /// # Errors
    ///
    /// If the database is away, or not migrated.
    pub async fn open(pool: &Pool) -> Result<Self, StoreError> {
        let mut client = pool.get().await?;
        inbox::check_schema(&mut client).await?;
        Ok(Self { client })
    }

    /// Takes the lock of a tenant's walk, until the connection ends. `false` if somebody has it.
    pub(super) async fn lock(&self, tenant: &str) -> Result<bool, StoreError> {
        Ok(self.client.query_one(sql::LOCK, &[&tenant]).await?.get(0))
    }

    /// Begins a walk: the interrupted one where it was unless it is older than `resume_for`, else a
    /// new one.
    pub(super) async fn begin(
        &mut self,
        tenant: &str,
        now: DateTime<Utc>,
        resume_for: TimeDelta,
    ) -> Result<Begun, StoreError> {
        let unfinished = self.client.query_opt(sql::UNFINISHED, &[&tenant]).await?;
        let unfinished: Option<(i32, DateTime<Utc>)> =
            unfinished.map(|row| (row.get("walk"), row.get("started_at")));
        if let Some((walk, started_at)) = unfinished
            && now - started_at < resume_for
        {
            return Ok(Begun { walk, started_at, how: How::GoesOn });
        }
        let walk = self.client.query_one(sql::BEGIN, &[&tenant, &now]).await?.get(0);
        let how = unfinished.map_or(How::Fresh, |(_, since)| How::Instead(since));
        Ok(Begun { walk, started_at: now, how })
    }

    /// How many lists a walk has read, and what it has left to ask.
    pub(super) async fn progress(
        &self,
        tenant: &str,
        walk: i32,
    ) -> Result<(usize, Vec<Step>), StoreError> {
        let done: i64 = self.client.query_one(sql::DONE, &[&tenant, &walk]).await?.get(0);
        let rows = self.client.query(sql::LEFT, &[&tenant, &walk]).await?;
        let left = rows.iter().map(|row| {
            let id = |nth: usize| row.get::<_, String>(nth);
            match row.get("what") {
                "dictionary" => Step::Dictionary,
                "facilities" => Step::Facilities,
                "doctors" => Step::Doctors { facility: id(1) },
                "addresses" => Step::Addresses { facility: id(1), doctor: id(2) },
                _ => Step::Services { facility: id(1), doctor: id(2), address: id(3) },
            }
        });
        Ok((usize::try_from(done).unwrap_or_default(), left.collect()))
    }

    /// Stores what a list held, and that it was read; all or nothing.
    pub(super) async fn save(
        &mut self,
        tenant: &str,
        walk: i32,
        now: DateTime<Utc>,
        step: &Step,
        found: &Found,
    ) -> Result<(), StoreError> {
        let transaction = self.client.transaction().await?;
        let save = Save { transaction: &transaction, tenant, walk, now };
        match (step, found) {
            (_, Found::Dictionary(entries)) => save.dictionary(entries).await?,
            (_, Found::Facilities(ids)) => save.facilities(ids).await?,
            (Step::Doctors { facility }, Found::Doctors(doctors)) => {
                save.doctors(facility, doctors).await?;
            }
            (Step::Addresses { facility, doctor }, Found::Addresses(addresses)) => {
                save.addresses(facility, doctor, addresses).await?;
            }
            (Step::Services { address, .. }, Found::Services(services)) => {
                save.services(address, services).await?;
            }
            // A step is only ever answered by its own list.
            (_, Found::Doctors(_) | Found::Addresses(_) | Found::Services(_)) => {}
        }
        Ok(transaction.commit().await?)
    }

    /// The API does not know what the step is about: as if the walk had not seen it.
    pub(super) async fn forget(&self, tenant: &str, step: &Step) -> Result<(), StoreError> {
        match step {
            Step::Dictionary | Step::Facilities => {}
            Step::Doctors { facility } => {
                self.client.execute(sql::FORGET_FACILITY, &[&tenant, &facility]).await?;
            }
            Step::Addresses { facility, doctor } => {
                self.client.execute(sql::FORGET_DOCTOR, &[&tenant, &facility, &doctor]).await?;
            }
            Step::Services { address, .. } => {
                self.client.execute(sql::FORGET_ADDRESS, &[&tenant, &address]).await?;
            }
        }
        Ok(())
    }

    /// The dictionary could not be had; what was known of it stays.
    pub(super) async fn skip_dictionary(&self, tenant: &str, walk: i32) -> Result<(), StoreError> {
        self.client.execute(sql::SKIP_DICTIONARY, &[&tenant, &walk]).await?;
        Ok(())
    }

    /// The walk is at its end: what it has not seen is gone. Facilities, doctors, addresses,
    /// services.
    pub(super) async fn complete(
        &mut self,
        tenant: &str,
        walk: i32,
        now: DateTime<Utc>,
    ) -> Result<[Counts; 4], StoreError> {
        let transaction = self.client.transaction().await?;
        let mut all = [Counts::default(); 4];
        for (counts, table) in all.iter_mut().zip(sql::TABLES) {
            let gone = sql::gone(table);
            transaction.execute(&gone, &[&tenant, &walk, &now]).await?;
            let count = transaction.query_one(&sql::count(table), &[&tenant, &walk, &now]).await?;
            *counts = Counts { exist: count.get("exist"), gone: count.get("gone") };
        }
        transaction.execute(sql::COMPLETE, &[&tenant, &walk, &now]).await?;
        transaction.commit().await?;
        Ok(all)
    }
}

/// One answer on its way into the tables.
struct Save<'s> {
    transaction: &'s Transaction<'s>,
    tenant: &'s str,
    walk: i32,
    now: DateTime<Utc>,
}

type Saved = Result<(), tokio_postgres::Error>;

impl Save<'_> {
    async fn dictionary(&self, entries: &[DictionaryEntry]) -> Saved {
        let online: Vec<_> = online_consultations(entries).iter().map(|entry| &entry.id).collect();
        self.transaction
            .execute(sql::SAVE_DICTIONARY, &[&self.tenant, &self.walk, &online])
            .await
            .map(|_| ())
    }

    async fn facilities(&self, ids: &[String]) -> Saved {
        let Self { transaction, tenant, walk, now } = self;
        transaction.execute(sql::SAVE_FACILITIES, &[tenant, walk, now, &ids]).await?;
        transaction.execute(sql::FACILITIES_LISTED, &[tenant, walk]).await.map(|_| ())
    }

    async fn doctors(&self, facility: &str, doctors: &[ListedDoctor]) -> Saved {
        let Self { transaction, tenant, walk, now } = self;
        let ids: Vec<_> = doctors.iter().map(|doctor| doctor.id.as_str()).collect();
        transaction.execute(sql::SAVE_DOCTORS, &[tenant, walk, now, &facility, &ids]).await?;
        for doctor in doctors {
            if let Some(addresses) = &doctor.addresses {
                self.addresses(facility, &doctor.id, addresses).await?;
            }
        }
        transaction.execute(sql::FACILITY_LISTED, &[tenant, walk, &facility]).await.map(|_| ())
    }

    async fn addresses(&self, facility: &str, doctor: &str, all: &[ListedAddress]) -> Saved {
        let Self { transaction, tenant, walk, now } = self;
        let ids: Vec<_> = all.iter().map(|address| address.id.as_str()).collect();
        let online: Vec<_> = all.iter().map(|address| address.online_only).collect();
        let payment: Vec<_> = all.iter().map(|address| address.visit_payment).collect();
        let rows: [&(dyn ToSql + Sync); 8] =
            [tenant, walk, now, &facility, &doctor, &ids, &online, &payment];
        transaction.execute(sql::SAVE_ADDRESSES, &rows).await?;
        let doctor: [&(dyn ToSql + Sync); 4] = [tenant, walk, &facility, &doctor];
        transaction.execute(sql::DOCTOR_LISTED, &doctor).await.map(|_| ())
    }

    async fn services(&self, address: &str, services: &[ListedService]) -> Saved {
        let Self { transaction, tenant, walk, now } = self;
        let ids: Vec<_> = services.iter().map(|service| service.id.as_str()).collect();
        let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
        let entries: Vec<_> = services.iter().map(|one| one.dictionary_id.as_deref()).collect();
        let rows: [&(dyn ToSql + Sync); 7] = [tenant, walk, now, &address, &ids, &names, &entries];
        transaction.execute(sql::SAVE_SERVICES, &rows).await?;
        transaction.execute(sql::ADDRESS_LISTED, &[tenant, walk, &address]).await.map(|_| ())
    }
}
