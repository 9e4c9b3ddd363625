//! Database migrations: embedded, applied by `docplanner-worker migrate`, checked by `run`.

use tokio_postgres::Client;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Runs of `migrate` at the same time wait for each other here. The number is arbitrary, but must
/// never change.
const MIGRATION_LOCK: i64 = 7_206_413_992_051_807_344;

/// Why the migrations could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The lock could not be had.
    #[error("cannot lock the database for migration")]
    Lock(#[source] tokio_postgres::Error),
    /// A migration failed; those before it are applied.
    #[error("cannot apply migrations")]
    Apply(#[source] Box<refinery::Error>),
}

/// Why the schema is not usable.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Behind this version of the worker.
    #[error(
        "the database schema is at version {have}, this worker needs {need}: \
         run `docplanner-worker migrate`"
    )]
    Behind {
        /// The last applied migration; 0 is none.
        have: i32,
        /// The last migration that this worker knows.
        need: i32,
    },
    /// The database could not be asked.
    #[error("cannot read the schema version")]
    Unreadable(#[source] Box<refinery::Error>),
}

/// Applies pending migrations and tells their names. Safe to run concurrently.
///
/// # Errors
///
/// If the database is away, or a migration fails.
pub async fn migrate(client: &mut Client) -> Result<Vec<String>, MigrationError> {
    client
        .execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK])
        .await
        .map_err(MigrationError::Lock)?;
    let applied = embedded::migrations::runner().run_async(client).await;
    // The lock ends with the session at the latest; a failure to release it changes nothing.
    let _ = client.execute("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await;
    let report = applied.map_err(|e| MigrationError::Apply(Box::new(e)))?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// The last migration that is applied, 0 if none is, and the last one that this worker knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaVersion {
    /// Applied.
    pub have: i32,
    /// Known.
    pub need: i32,
}

impl SchemaVersion {
    /// Whether migrations are pending. A newer schema is fine: every migration works with the previous release.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.have < self.need
    }
}

/// Whether the schema is at least what this worker needs.
///
/// # Errors
///
/// [`SchemaError::Behind`] if migrations are pending.
pub async fn check_schema(client: &mut Client) -> Result<(), SchemaError> {
    let version = schema_version(client).await?;
    let SchemaVersion { have, need } = version;
    if version.is_behind() { Err(SchemaError::Behind { have, need }) } else { Ok(()) }
}

/// How far the schema is.
///
/// # Errors
///
/// If the database does not tell.
pub async fn schema_version(client: &mut Client) -> Result<SchemaVersion, SchemaError> {
    let runner = embedded::migrations::runner();
    let need = runner.get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0);
    // Asking refinery on a fresh database would create its table, which a mere check should not.
    let table: Option<bool> = client
        .query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[])
        .await
        .ok()
        .map(|row| row.get(0));
    let have = if table == Some(false) {
        0
    } else {
        runner
            .get_last_applied_migration_async(client)
            .await
            .map_err(|e| SchemaError::Unreadable(Box::new(e)))?
            .map_or(0, |migration| migration.version())
    };
    Ok(SchemaVersion { have, need })
}
