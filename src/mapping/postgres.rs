//! Mappings in PostgreSQL: all of their SQL.

use std::{collections::HashMap, time::Duration};

use deadpool_postgres::{GenericClient, Object};
use tokio_postgres::{Error, Row as SqlRow};

use super::{DatedRow, Key, Kind, Mapping, Named, Plan, Row};
use crate::{
    database::{Database, Statement},
    notification::Notification,
};

const OF_TENANT: &str = "
    SELECT kind, address_id, docplanner_id, partner_id, online FROM mappings WHERE tenant = $1";

const OF_KEYS: &str = "
    SELECT kind, address_id, docplanner_id, partner_id, online, changed_at
    FROM mappings JOIN unnest($2::text[], $3::text[], $4::text[])
        AS named (kind, address_id, docplanner_id) USING (kind, address_id, docplanner_id)
    WHERE tenant = $1";

/// Two imports take turns, so that their versions become visible in their order; readers go on.
const LOCK: &str = "LOCK TABLE mapping_versions IN EXCLUSIVE MODE";

const WRITE: &str = "
    INSERT INTO mappings (tenant, kind, address_id, docplanner_id, partner_id, online)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[])
    ON CONFLICT (tenant, kind, address_id, docplanner_id) DO UPDATE
        SET partner_id = excluded.partner_id, online = excluded.online, changed_at = now()";

const REMOVE: &str = "
    DELETE FROM mappings
    USING unnest($2::text[], $3::text[], $4::text[]) AS gone (kind, address_id, docplanner_id)
    WHERE mappings.tenant = $1 AND mappings.kind = gone.kind
      AND mappings.address_id = gone.address_id AND mappings.docplanner_id = gone.docplanner_id";

const NEXT_VERSION: &str = "
    INSERT INTO mapping_versions (tenant, version)
    SELECT $1, coalesce(max(version), 0) + 1 FROM mapping_versions
    ON CONFLICT (tenant) DO UPDATE SET version = excluded.version";

const CHANGED_SINCE: &str = "SELECT tenant, version FROM mapping_versions WHERE version > $1";

const OF_ALL_TENANTS: &str = "
    SELECT kind, address_id, docplanner_id, partner_id, online, tenant FROM mappings";

/// One query for any number of tenants.
const OF_TENANTS: &str = "
    SELECT kind, address_id, docplanner_id, partner_id, online, tenant
    FROM mappings WHERE tenant = ANY($1)";

/// The whole mapping of a tenant.
///
/// # Errors
///
/// If the database does not answer.
pub async fn read(client: &impl GenericClient, tenant: &str) -> Result<Mapping, Error> {
    let rows = client.query(OF_TENANT, &[&tenant]).await?;
    Ok(Mapping::new(rows.iter().filter_map(row).collect()))
}

/// The rows of what a notification names.
///
/// # Errors
///
/// If the database does not answer.
pub async fn rows_named_by(
    client: &Object,
    tenant: &str,
    notification: &Notification,
) -> Result<Vec<DatedRow>, Error> {
    let [kinds, addresses, ids] = columns(Named::by(notification).keys());
    let rows = client.query(OF_KEYS, &[&tenant, &kinds, &addresses, &ids]).await?;
    let dated = |sql: &SqlRow| Some(DatedRow { row: row(sql)?, changed_at: sql.get("changed_at") });
    Ok(rows.iter().filter_map(dated).collect())
}

/// What an import would do.
///
/// # Errors
///
/// If the database does not answer.
pub async fn dry_run(
    client: &Object,
    tenant: &str,
    wanted: Mapping,
    replace: bool,
) -> Result<Plan, Error> {
    Ok(Plan::new(&read(client, tenant).await?, wanted, replace))
}

/// Writes what is wanted, all or nothing, and tells what that changed. With `replace`, what is not
/// wanted is removed. Running workers learn of it.
///
/// # Errors
///
/// If the database does not answer or refuses: then nothing is written.
pub async fn import(
    client: &mut Object,
    tenant: &str,
    wanted: Mapping,
    replace: bool,
) -> Result<Plan, Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(LOCK).await?;
    let plan = Plan::new(&read(&transaction, tenant).await?, wanted, replace);
    if !plan.is_empty() {
        let [kinds, addresses, ids] = columns(plan.written().map(Row::key));
        let partner_ids: Vec<&str> = plan.written().map(|row| row.partner_id.as_str()).collect();
        let online: Vec<Option<bool>> = plan.written().map(|row| row.online).collect();
        transaction
            .execute(WRITE, &[&tenant, &kinds, &addresses, &ids, &partner_ids, &online])
            .await?;
        let [kinds, addresses, ids] = columns(plan.removed.iter().map(Row::key));
        transaction.execute(REMOVE, &[&tenant, &kinds, &addresses, &ids]).await?;
        transaction.execute(NEXT_VERSION, &[&tenant]).await?;
    }
    transaction.commit().await?;
    Ok(plan)
}

/// Keys as the arrays of a statement: kinds, addresses, Docplanner's ids.
fn columns<'k>(keys: impl Iterator<Item = Key<'k>>) -> [Vec<&'k str>; 3] {
    let mut columns = [Vec::new(), Vec::new(), Vec::new()];
    for key in keys {
        columns[0].push(key.kind.as_str());
        columns[1].push(key.address_id);
        columns[2].push(key.docplanner_id);
    }
    columns
}

/// `None` for a kind that only a later version of the worker knows.
fn row(sql: &SqlRow) -> Option<Row> {
    Some(Row {
        kind: Kind::from_word(sql.get("kind"))?,
        address_id: sql.get("address_id"),
        docplanner_id: sql.get("docplanner_id"),
        partner_id: sql.get("partner_id"),
        online: sql.get("online"),
    })
}

// === for the copy in memory ===

/// Tenants whose mapping has changed, each with its new version.
pub(super) async fn changed_since(database: &Database, version: i64) -> Vec<(String, i64)> {
    database.until_answered(&ChangedSince(version)).await
}

/// The mappings of these tenants; `None` is all of them.
pub(super) async fn of_tenants(
    database: &Database,
    tenants: Option<&[String]>,
) -> HashMap<String, Mapping> {
    database.until_answered(&OfTenants(tenants)).await
}

struct ChangedSince(i64);

impl Statement for ChangedSince {
    type Answer = Vec<(String, i64)>;

    async fn ask(&self, client: &Object) -> Result<Self::Answer, Error> {
        let statement = client.prepare_cached(CHANGED_SINCE).await?;
        let rows = client.query(&statement, &[&self.0]).await?;
        Ok(rows.iter().map(|row| (row.get("tenant"), row.get("version"))).collect())
    }
}

struct OfTenants<'t>(Option<&'t [String]>);

impl Statement for OfTenants<'_> {
    type Answer = HashMap<String, Mapping>;

    /// A million rows take seconds.
    const TIMEOUT: Duration = Duration::from_mins(2);

    async fn ask(&self, client: &Object) -> Result<Self::Answer, Error> {
        let rows = match self.0 {
            Some(tenants) => client.query(OF_TENANTS, &[&tenants]).await?,
            None => client.query(OF_ALL_TENANTS, &[]).await?,
        };
        let mut of_tenants: HashMap<String, Vec<Row>> = HashMap::new();
        for sql in &rows {
            of_tenants.entry(sql.get("tenant")).or_default().extend(row(sql));
        }
        Ok(of_tenants.into_iter().map(|(tenant, rows)| (tenant, Mapping::new(rows))).collect())
    }
}
