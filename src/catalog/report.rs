//! What is to do about a tenant's mapping: a pure function of the catalog and the mapping's rows.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};

use super::{Address, Catalog, Doctor, MappingRow};

/// A catalog that is older is told to be old. Clinics open calendars every week, and a walk of most
/// tenants takes minutes.
const OLD_AFTER: TimeDelta = TimeDelta::days(7);

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

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// Whether it makes the report fail: something is missing in the mapping, or wrong.
    pub is_problem: bool,
    /// About what.
    #[serde(flatten)]
    pub subject: Subject,
    /// What to do.
    pub remedy: &'static str,
}

/// What is wrong. In the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`FindingKind::title` says it")]
pub enum FindingKind {
    NeverSynced,
    OnlineAddressUnmapped,
    RegularAddressUnmapped,
    SameSchedule,
    ServiceUnmapped,
    DoctorUnmapped,
    FacilityUnmapped,
    MappedToNothing,
    NoOnlineConsultation,
    OnlineConsultationUnknown,
    SyncUnfinished,
    SyncOld,
}

/// What a finding is about: the ids on the way to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Subject {
    /// The facility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility_id: Option<String>,
    /// The doctor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doctor_id: Option<String>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_id: Option<String>,
    /// The service at that address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// The partner's identifier that is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_id: Option<String>,
    /// When the absence of a mapped thing was noticed; none: it was never seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<DateTime<Utc>>,
}

impl FindingKind {
    /// The word for machines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverSynced => "never_synced",
            Self::OnlineAddressUnmapped => "online_address_unmapped",
            Self::RegularAddressUnmapped => "regular_address_unmapped",
            Self::SameSchedule => "same_schedule",
            Self::ServiceUnmapped => "service_unmapped",
            Self::DoctorUnmapped => "doctor_unmapped",
            Self::FacilityUnmapped => "facility_unmapped",
            Self::MappedToNothing => "mapped_to_nothing",
            Self::NoOnlineConsultation => "no_online_consultation",
            Self::OnlineConsultationUnknown => "online_consultation_unknown",
            Self::SyncUnfinished => "sync_unfinished",
            Self::SyncOld => "sync_old",
        }
    }

    /// What is wrong, as a heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::NeverSynced => "never synced completely",
            Self::OnlineAddressUnmapped => "online address without a mapping",
            Self::RegularAddressUnmapped => "regular address without a mapping",
            Self::SameSchedule => {
                "one partner schedule for both the regular and the online address"
            }
            Self::ServiceUnmapped => "service without a mapping",
            Self::DoctorUnmapped => "doctor without a mapping",
            Self::FacilityUnmapped => "facility without a mapping",
            Self::MappedToNothing => "mapping of something that does not exist",
            Self::NoOnlineConsultation => "online address without the online consultation service",
            Self::OnlineConsultationUnknown => "online consultation service not known",
            Self::SyncUnfinished => "a later sync is unfinished",
            Self::SyncOld => "synced long ago",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NeverSynced => "run `mapping sync` for the tenant",
            Self::OnlineAddressUnmapped => {
                "open a separate schedule for online consultations and import a row `address` with its identifier"
            }
            Self::RegularAddressUnmapped => {
                "import a row `address` with the identifier of the doctor's schedule at the clinic"
            }
            Self::SameSchedule => {
                "give the online address a schedule of its own, or set online_detection = \"service\""
            }
            Self::ServiceUnmapped => {
                "import a row `service` with the address, the service and your identifier"
            }
            Self::DoctorUnmapped => "import a row `doctor`",
            Self::FacilityUnmapped => "import a row `facility`",
            Self::MappedToNothing => {
                "remove the row, or find out what took its place: a calendar opened again has new identifiers"
            }
            Self::NoOnlineConsultation => {
                "add the dictionary's online consultation to the address at Docplanner: patients filter by it"
            }
            Self::OnlineConsultationUnknown => {
                "no entry of the dictionary reads like it: look at the online addresses yourself"
            }
            Self::SyncUnfinished => "run `mapping sync` again: it goes on where it was",
            Self::SyncOld => "run `mapping sync` again: calendars may have come and gone",
        }
    }

    /// Whether the mapping is incomplete or wrong: what a pipeline should stop at. The rest is to be
    /// known, and is not about the mapping.
    #[must_use]
    pub fn is_problem(self) -> bool {
        match self {
            Self::NeverSynced
            | Self::OnlineAddressUnmapped
            | Self::RegularAddressUnmapped
            | Self::SameSchedule
            | Self::ServiceUnmapped
            | Self::DoctorUnmapped
            | Self::FacilityUnmapped
            | Self::MappedToNothing => true,
            Self::NoOnlineConsultation
            | Self::OnlineConsultationUnknown
            | Self::SyncUnfinished
            | Self::SyncOld => false,
        }
    }
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
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

/// Findings as they come; a facility or doctor that is met often is told once.
#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
    told: BTreeSet<(FindingKind, String)>,
}

impl Findings {
    fn push(&mut self, kind: FindingKind, subject: Subject) {
        let is_problem = kind.is_problem();
        self.all.push(Finding { kind, is_problem, subject, remedy: kind.remedy() });
    }

    fn push_once(&mut self, kind: FindingKind, id: &str, subject: Subject) {
        if self.told.insert((kind, id.to_owned())) {
            self.push(kind, subject);
        }
    }

    fn of_sync(&mut self, catalog: &Catalog, now: DateTime<Utc>) {
        let none = Subject::default;
        let completed = catalog.walk.as_ref().and_then(|walk| walk.completed_at);
        let (Some(walk), Some(completed_at)) = (&catalog.walk, completed) else {
            return self.push(FindingKind::NeverSynced, none());
        };
        if walk.is_unfinished {
            self.push(FindingKind::SyncUnfinished, none());
        }
        if now - completed_at > OLD_AFTER {
            self.push(FindingKind::SyncOld, none());
        }
        let has_online = catalog.addresses.iter().any(|it| it.online_only == Some(true));
        if walk.online_consultation.is_empty() && has_online {
            self.push(FindingKind::OnlineConsultationUnknown, none());
        }
    }

    fn of_doctor(&mut self, doctor: &DoctorReport, catalog: &Catalog, separate_schedules: bool) {
        // Nothing is ever told about a doctor without addresses.
        if doctor.addresses.is_empty() {
            return;
        }
        let facility = Subject::facility(&doctor.facility_id);
        if doctor.facility_partner_id.is_none() {
            let (kind, id) = (FindingKind::FacilityUnmapped, &doctor.facility_id);
            self.push_once(kind, id, facility.clone());
        }
        let subject = Subject { doctor_id: Some(doctor.doctor_id.clone()), ..facility };
        if doctor.doctor_partner_id.is_none() {
            let kind = FindingKind::DoctorUnmapped;
            self.push_once(kind, &doctor.doctor_id, subject.clone());
        }
        for address in &doctor.addresses {
            let subject = Subject { address_id: Some(address.id.clone()), ..subject.clone() };
            self.of_address(address, &subject, catalog);
            if separate_schedules && shares_schedule(address, doctor) {
                let partner_id = address.partner_id.clone();
                self.push(FindingKind::SameSchedule, Subject { partner_id, ..subject });
            }
        }
    }

    fn of_address(&mut self, address: &AddressReport, subject: &Subject, catalog: &Catalog) {
        let is_online = address.calendar == Calendar::Online;
        if !address.mapped {
            let kind = match address.calendar {
                Calendar::Online => FindingKind::OnlineAddressUnmapped,
                Calendar::Regular | Calendar::Unknown => FindingKind::RegularAddressUnmapped,
            };
            self.push(kind, subject.clone());
        }
        for service in address.services.iter().filter(|service| !service.mapped) {
            let service_id = Some(service.id.clone());
            self.push(FindingKind::ServiceUnmapped, Subject { service_id, ..subject.clone() });
        }
        let is_known = catalog.walk.as_ref().is_some_and(|it| !it.online_consultation.is_empty());
        let has_consultation = address.services.iter().any(|it| it.online_consultation);
        if is_online && is_known && !has_consultation {
            self.push(FindingKind::NoOnlineConsultation, subject.clone());
        }
    }

    /// Rows of what does not exist. Before a complete walk nobody can say that.
    fn of_rows(&mut self, catalog: &Catalog, rows: &[MappingRow]) {
        if catalog.walk.as_ref().is_none_or(|walk| walk.completed_at.is_none()) {
            return;
        }
        let known = known(catalog);
        for row in rows {
            let key = (row.kind.as_str(), row.address_id.as_str(), row.docplanner_id.as_str());
            let gone_at = match known.get(&key) {
                Some(None) => continue,
                Some(Some(gone_at)) => Some(*gone_at),
                None => None,
            };
            let subject = Subject { gone_at, ..Subject::of_row(row) };
            self.push(FindingKind::MappedToNothing, subject);
        }
    }

    fn sorted(mut self) -> Vec<Finding> {
        // Stable: within a kind in the order of the doctors, or of the rows.
        self.all.sort_by_key(|finding| finding.kind);
        self.all
    }
}

/// An online address whose schedule a regular address of the same doctor has as well.
fn shares_schedule(address: &AddressReport, doctor: &DoctorReport) -> bool {
    let mut regular = doctor.addresses.iter().filter(|it| it.calendar == Calendar::Regular);
    address.calendar == Calendar::Online
        && address.mapped
        && regular.any(|regular| regular.partner_id == address.partner_id)
}

type Key<'k> = (&'k str, &'k str, &'k str);

/// Everything that was ever seen, and since when it is gone. A doctor is gone who is gone
/// everywhere.
fn known(catalog: &Catalog) -> BTreeMap<Key<'_>, Option<DateTime<Utc>>> {
    let Catalog { facilities, doctors, addresses, services, .. } = catalog;
    let facilities = facilities.iter().map(|it| (("facility", "", it.id.as_str()), it.gone_at));
    let doctors = doctors.iter().map(|it| (("doctor", "", it.id.as_str()), it.gone_at));
    let addresses = addresses.iter().map(|it| (("address", "", it.id.as_str()), it.gone_at));
    let services =
        services.iter().map(|it| (("service", it.address_id.as_str(), it.id.as_str()), it.gone_at));
    let mut known: BTreeMap<Key<'_>, Option<DateTime<Utc>>> = BTreeMap::new();
    for (key, gone_at) in facilities.chain(doctors).chain(addresses).chain(services) {
        known.entry(key).and_modify(|known| *known = known.and(gone_at)).or_insert(gone_at);
    }
    known
}

impl Subject {
    fn facility(id: &str) -> Self {
        Self { facility_id: Some(id.to_owned()), ..Self::default() }
    }

    fn of_row(row: &MappingRow) -> Self {
        let id = Some(row.docplanner_id.clone());
        let partner_id = Some(row.partner_id.clone());
        let subject = Self { partner_id, ..Self::default() };
        match row.kind.as_str() {
            "facility" => Self { facility_id: id, ..subject },
            "doctor" => Self { doctor_id: id, ..subject },
            "address" => Self { address_id: id, ..subject },
            _ => {
                let address_id = Some(row.address_id.clone());
                Self { address_id, service_id: id, ..subject }
            }
        }
    }
}
