//! What the report reads.

use tokio_postgres::Row;

use super::{Store, StoreError, sql};
use crate::catalog::{Address, Catalog, Doctor, Facility, MappingRow, Service, WalkState};

impl Store {
    /// What is stored of a tenant, and its mapping, as of one moment.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub async fn read(&mut self, tenant: &str) -> Result<(Catalog, Vec<MappingRow>), StoreError> {
        let transaction = self
            .client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let rows = async |statement: &str| transaction.query(statement, &[&tenant]).await;
        let catalog = Catalog {
            walk: rows(sql::STATE).await?.first().map(walk_state),
            facilities: rows(sql::FACILITIES).await?.iter().map(facility).collect(),
            doctors: rows(sql::DOCTORS).await?.iter().map(doctor).collect(),
            addresses: rows(sql::ADDRESSES).await?.iter().map(address).collect(),
            services: rows(sql::SERVICES).await?.iter().map(service).collect(),
        };
        let mappings = rows(sql::MAPPINGS).await?.iter().map(mapping).collect();
        Ok((catalog, mappings))
    }
}

fn walk_state(row: &Row) -> WalkState {
    WalkState {
        completed_at: row.get("completed_at"),
        is_unfinished: row.get("is_unfinished"),
        online_consultation: row.get("online_consultation"),
    }
}

fn facility(row: &Row) -> Facility {
    Facility { id: row.get("facility_id"), gone_at: row.get("gone_at") }
}

fn doctor(row: &Row) -> Doctor {
    Doctor {
        id: row.get("doctor_id"),
        facility_id: row.get("facility_id"),
        gone_at: row.get("gone_at"),
    }
}

fn address(row: &Row) -> Address {
    Address {
        id: row.get("address_id"),
        facility_id: row.get("facility_id"),
        doctor_id: row.get("doctor_id"),
        online_only: row.get("online_only"),
        visit_payment: row.get("visit_payment"),
        gone_at: row.get("gone_at"),
    }
}

fn service(row: &Row) -> Service {
    Service {
        id: row.get("service_id"),
        address_id: row.get("address_id"),
        name: row.get("name"),
        dictionary_id: row.get("dictionary_id"),
        gone_at: row.get("gone_at"),
    }
}

fn mapping(row: &Row) -> MappingRow {
    MappingRow {
        kind: row.get("kind"),
        address_id: row.get("address_id"),
        docplanner_id: row.get("docplanner_id"),
        partner_id: row.get("partner_id"),
        online: row.get("online"),
    }
}
