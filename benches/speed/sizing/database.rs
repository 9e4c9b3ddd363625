//! How the database grows.

use anyhow::Context as _;
use tokio_postgres::{Client, NoTls};

use super::table::{Table, shown};
use crate::place::Place;

const MEGABYTE: f64 = 1e6;
const MILLION: f64 = 1e6;

/// The largest first. Small tables, which no notification makes larger, are left out.
const TABLES: &str = "
    SELECT relname::text, pg_table_size(oid)::float8, pg_indexes_size(oid)::float8
    FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname IN ('inbox', 'chains', 'timers')
    ORDER BY 2 DESC";

pub(super) async fn connect(place: &Place) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(&place.database_url, NoTls)
        .await
        .context("cannot connect to the database")?;
    tokio::spawn(connection);
    Ok(client)
}

/// Bytes written to the log so far.
pub(super) async fn log_position(client: &Client) -> anyhow::Result<f64> {
    let query = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8";
    Ok(client.query_one(query, &[]).await?.get(0))
}

/// For a million notifications, by what so many of them made.
pub(super) async fn growth(client: &Client, notifications: u32, log: f64) -> anyhow::Result<Table> {
    let scale = MILLION / f64::from(notifications);
    let mut table =
        Table::new(["Database, for a million notifications", "Rows", "Table, MB", "Indexes, MB"]);
    let (mut tables, mut indexes) = (0.0, 0.0);
    for row in client.query(TABLES, &[]).await? {
        let (name, size, index): (String, f64, f64) = (row.get(0), row.get(1), row.get(2));
        let query = format!("SELECT count(*)::float8 FROM {name}");
        let rows: f64 = client.query_one(&query, &[]).await?.get(0);
        table.add([
            format!("`{name}`"),
            format!("{:.0}", rows * scale),
            shown(size * scale / MEGABYTE),
            shown(index * scale / MEGABYTE),
        ]);
        tables += size;
        indexes += index;
    }
    let all = [tables, indexes].map(|size| shown(size * scale / MEGABYTE));
    let [tables, indexes] = all;
    table.add(["all".to_owned(), String::new(), tables, indexes]);
    let log = shown(log * scale / MEGABYTE);
    table.add(["log (WAL) written meanwhile".to_owned(), String::new(), log, String::new()]);
    Ok(table)
}
