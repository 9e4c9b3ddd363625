//! What is to do about a tenant's mapping: a pure function of the catalog and the mapping's rows.

mod compare;
mod finding;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use self::compare::Findings;
pub use self::finding::{Finding, FindingKind, Subject};
use super::{Address, Catalog, Doctor, MappingRow};

/// A tenant's mapping, beside what exists.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whose.
    pub tenant: String,
    /// When the last complete walk ended.
    pub synced_at: Option<DateTime<Utc>>,
    /// Every doctor at each facility.
    pub doctors: Vec<DoctorReport>,
    /// What is to do.
    pub findings: Vec<Finding>,
}

/// A doctor at one facility.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorReport {
    /// Docplanner's id of the facility.
    pub facility_id: String,
    /// The partner's; `None`: not mapped.
    pub facility_partner_id: Option<String>,
    /// Docplanner's id of the doctor.
    pub doctor_id: String,
    /// The partner's; `None`: not mapped.
    pub doctor_partner_id: Option<String>,
    /// The regular one first, then the online one.
    pub addresses: Vec<AddressReport>,
}

/// One calendar of a doctor.
#[derive(Debug, Clone, Serialize)]
pub struct AddressReport {
    /// Docplanner's id.
    pub id: String,
    /// Which of the doctor's calendars.
    pub calendar: Calendar,
    /// As the API told it.
    pub online_only: Option<bool>,
    /// As the API told it.
    pub visit_payment: Option<bool>,
    /// Whether there is a row for it.
    pub mapped: bool,
    /// What the partner calls it.
    pub partner_id: Option<String>,
    /// What is offered there.
    pub services: Vec<ServiceReport>,
}

/// A service at one address.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceReport {
    /// The `address_service_id`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// It is the dictionary's online consultation.
    pub online_consultation: bool,
    /// Whether there is a row for it.
    pub mapped: bool,
    /// What the partner calls it.
    pub partner_id: Option<String>,
}

/// Which of a doctor's calendars an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Calendar {
    /// At the clinic.
    Regular,
    /// For online consultations only.
    Online,
    /// The API did not tell.
    Unknown,
}

impl Report {
    /// Whether the mapping is as it should be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.findings.iter().any(|finding| finding.is_problem)
    }
}

/// Compares what exists with the mapping's rows. `separate_schedules`: the tenant tells its online
/// visits by address, so the two addresses of a doctor must not share a schedule.
#[must_use]
pub fn report(
    tenant: &str,
    catalog: &Catalog,
    rows: &[MappingRow],
    separate_schedules: bool,
    now: DateTime<Utc>,
) -> Report {
    let mapping = Mapping::new(rows);
    let doctors = doctors(catalog, &mapping);
    let mut findings = Findings::default();
    findings.of_sync(catalog, now);
    for doctor in &doctors {
        findings.of_doctor(doctor, catalog, separate_schedules);
    }
    findings.of_rows(catalog, rows);
    let synced_at = catalog.walk.as_ref().and_then(|walk| walk.completed_at);
    Report { tenant: tenant.to_owned(), synced_at, doctors, findings: findings.sorted() }
}

/// The rows by what they are about.
struct Mapping<'m>(HashMap<(&'m str, &'m str, &'m str), &'m str>);

impl<'m> Mapping<'m> {
    fn new(rows: &'m [MappingRow]) -> Self {
        let key = |row: &'m MappingRow| {
            (row.kind.as_str(), row.address_id.as_str(), row.docplanner_id.as_str())
        };
        Self(rows.iter().map(|row| (key(row), row.partner_id.as_str())).collect())
    }

    fn partner_id(&self, kind: &str, address: &str, id: &str) -> Option<String> {
        self.0.get(&(kind, address, id)).map(|id| (*id).to_owned())
    }
}

fn doctors(catalog: &Catalog, mapping: &Mapping<'_>) -> Vec<DoctorReport> {
    let mut addresses: HashMap<(&str, &str), Vec<AddressReport>> = HashMap::new();
    let services = services(catalog, mapping);
    for address in catalog.addresses.iter().filter(|address| address.gone_at.is_none()) {
        let partner_id = mapping.partner_id("address", "", &address.id);
        let report = AddressReport {
            id: address.id.clone(),
            calendar: Calendar::of(address),
            online_only: address.online_only,
            visit_payment: address.visit_payment,
            mapped: partner_id.is_some(),
            partner_id,
            services: services.get(address.id.as_str()).cloned().unwrap_or_default(),
        };
        let doctor = (address.facility_id.as_str(), address.doctor_id.as_str());
        addresses.entry(doctor).or_default().push(report);
    }
    let exist = catalog.doctors.iter().filter(|doctor| doctor.gone_at.is_none());
    exist
        .map(|Doctor { id, facility_id, .. }| {
            let mut addresses =
                addresses.remove(&(facility_id.as_str(), id.as_str())).unwrap_or_default();
            // Stable: by id within each kind of calendar.
            addresses.sort_by_key(|address| address.calendar);
            DoctorReport {
                facility_id: facility_id.clone(),
                facility_partner_id: mapping.partner_id("facility", "", facility_id),
                doctor_id: id.clone(),
                doctor_partner_id: mapping.partner_id("doctor", "", id),
                addresses,
            }
        })
        .collect()
}

fn services<'c>(
    catalog: &'c Catalog,
    mapping: &Mapping<'_>,
) -> HashMap<&'c str, Vec<ServiceReport>> {
    let online = catalog.walk.as_ref().map_or(&[][..], |walk| &walk.online_consultation);
    let mut services: HashMap<&str, Vec<ServiceReport>> = HashMap::new();
    for service in catalog.services.iter().filter(|service| service.gone_at.is_none()) {
        let partner_id = mapping.partner_id("service", &service.address_id, &service.id);
        services.entry(&service.address_id).or_default().push(ServiceReport {
            id: service.id.clone(),
            name: service.name.clone(),
            online_consultation: service
                .dictionary_id
                .as_ref()
                .is_some_and(|id| online.contains(id)),
            mapped: partner_id.is_some(),
            partner_id,
        });
    }
    services
}

impl Calendar {
    fn of(address: &Address) -> Self {
        match address.online_only {
            Some(false) => Self::Regular,
            Some(true) => Self::Online,
            None => Self::Unknown,
        }
    }
}
