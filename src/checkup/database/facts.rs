//! What the database tells.

use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::{Client, Error};

use crate::clock::Clock;

/// The tables of the migrations. The worker reads, inserts, updates and deletes rows of all of them.
pub(super) const TABLES: [&str; 14] = [
    "address_fetches",
    "address_flags",
    "api_quotas",
    "catalog_addresses",
    "catalog_doctors",
    "catalog_facilities",
    "catalog_services",
    "catalog_walks",
    "chains",
    "inbox",
    "mapping_versions",
    "mappings",
    "suspects",
    "timers",
];

/// The functions of the migrations.
pub(super) const FUNCTIONS: [&str; 8] = [
    "apply_effects",
    "claim_first",
    "claim_in_order",
    "close_claims",
    "close_with_effects",
    "join_chains",
    "set_aside",
    "take_due",
];

/// The sequences of the migrations.
pub(super) const SEQUENCES: [&str; 1] = ["address_flags_moments"];

const SERVER: &str = "
    SELECT current_setting('server_version') AS version,
           clock_timestamp() AS now,
           current_setting('max_connections')::int4
             - current_setting('superuser_reserved_connections')::int4 AS room,
           (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
           (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
           current_setting('fsync') = 'on' AS fsync,
           current_setting('full_page_writes') = 'on' AS full_page_writes,
           current_setting('synchronous_commit') AS synchronous_commit,
           pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only,
           COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted,
           inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' AS is_local";

/// A function that the role may not see does not count as one that it may call.
const GRANTS: &str = "
    SELECT 'table' AS kind, name,
           to_regclass(name) IS NOT NULL AND (
             SELECT bool_and(has_table_privilege(to_regclass(name), privilege))
             FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege) AS is_granted
    FROM unnest($1::text[]) AS name
    UNION ALL
    SELECT 'sequence', name,
           to_regclass(name) IS NOT NULL AND has_sequence_privilege(to_regclass(name), 'USAGE')
    FROM unnest($2::text[]) AS name
    UNION ALL
    SELECT 'function', name,
           COALESCE((SELECT bool_and(has_function_privilege(oid, 'EXECUTE'))
                     FROM pg_proc WHERE proname = name AND pg_function_is_visible(oid)), false)
    FROM unnest($3::text[]) AS name";

const INBOX: &str = "
    SELECT (SELECT GREATEST(reltuples, 0)::int8 FROM pg_class WHERE oid = 'inbox'::regclass) AS rows,
           pg_total_relation_size('inbox'::regclass) AS bytes,
           (SELECT min(claimed_at) FROM inbox) AS oldest,
           now() AS now";

/// How the server is set up, and how its clock goes.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) version: String,
    /// How much its clock is ahead of ours.
    pub(super) ahead: TimeDelta,
    /// Connections for everybody but superusers.
    pub(super) room: i32,
    /// Connections of the role, of the database; −1 is no limit.
    pub(super) limits: [i32; 2],
    pub(super) durability: Durability,
    pub(super) is_read_only: bool,
    pub(super) is_encrypted: bool,
    pub(super) is_local: bool,
}

/// What a power failure or a crash leaves.
#[derive(Debug, Clone)]
pub(super) struct Durability {
    pub(super) fsync: bool,
    pub(super) full_page_writes: bool,
    pub(super) synchronous_commit: String,
}

impl Server {
    pub(super) async fn ask(client: &Client, clock: Clock) -> Result<Self, Error> {
        let before = clock();
        let row = client.query_one(SERVER, &[]).await?;
        let middle = before + (clock() - before) / 2;
        Ok(Self {
            version: row.try_get("version")?,
            ahead: row.try_get::<_, DateTime<Utc>>("now")? - middle,
            room: row.try_get("room")?,
            limits: [row.try_get("role_limit")?, row.try_get("database_limit")?],
            durability: Durability {
                fsync: row.try_get("fsync")?,
                full_page_writes: row.try_get("full_page_writes")?,
                synchronous_commit: row.try_get("synchronous_commit")?,
            },
            is_read_only: row.try_get("is_read_only")?,
            is_encrypted: row.try_get("is_encrypted")?,
            is_local: row.try_get("is_local")?,
        })
    }

    /// How many connections all pods together may have.
    pub(super) fn room(&self) -> usize {
        let limits = self.limits.into_iter().filter(|limit| *limit >= 0);
        let least = limits.chain([self.room]).min().unwrap_or_default();
        usize::try_from(least).unwrap_or_default()
    }
}

/// What the role may use.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// `table inbox`, and whether it is granted.
    pub(super) all: Vec<(String, bool)>,
}

impl Grants {
    pub(super) async fn ask(client: &Client) -> Result<Self, Error> {
        let lists = [&TABLES[..], &SEQUENCES, &FUNCTIONS];
        let rows = client.query(GRANTS, &[&lists[0], &lists[1], &lists[2]]).await?;
        let grant = |row: &tokio_postgres::Row| {
            let (kind, name): (String, String) = (row.try_get("kind")?, row.try_get("name")?);
            Ok((format!("{kind} {name}"), row.try_get("is_granted")?))
        };
        Ok(Self { all: rows.iter().map(grant).collect::<Result<_, Error>>()? })
    }

    pub(super) fn may_read_inbox(&self) -> bool {
        self.all.iter().any(|(name, is_granted)| name == "table inbox" && *is_granted)
    }
}

/// How much is remembered.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    /// By the server's statistics.
    pub(super) rows: i64,
    pub(super) bytes: i64,
    /// How old the oldest key is.
    pub(super) oldest: Option<TimeDelta>,
}

impl Inbox {
    pub(super) async fn ask(client: &Client) -> Result<Self, Error> {
        let row = client.query_one(INBOX, &[]).await?;
        let now: DateTime<Utc> = row.try_get("now")?;
        let oldest: Option<DateTime<Utc>> = row.try_get("oldest")?;
        Ok(Self {
            rows: row.try_get("rows")?,
            bytes: row.try_get("bytes")?,
            oldest: oldest.map(|oldest| now - oldest),
        })
    }
}
