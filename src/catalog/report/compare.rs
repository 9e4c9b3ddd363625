//! The comparison: what exists, what is mapped, and so what is to do.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{AddressReport, Calendar, DoctorReport, Finding, FindingKind, Subject};
use crate::catalog::{Catalog, MappingRow};

/// A catalog that is older is told to be old. Clinics open calendars every week, and a walk of most
/// tenants takes minutes.
const OLD_AFTER: TimeDelta = TimeDelta::days(7);

/// Findings as they come; a facility or doctor that is met often is told once.
#[derive(Default)]
pub(super) struct Findings {
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

    pub(super) fn of_sync(&mut self, catalog: &Catalog, now: DateTime<Utc>) {
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

    pub(super) fn of_doctor(
        &mut self,
        doctor: &DoctorReport,
        catalog: &Catalog,
        separate_schedules: bool,
    ) {
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
    pub(super) fn of_rows(&mut self, catalog: &Catalog, rows: &[MappingRow]) {
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

    pub(super) fn sorted(mut self) -> Vec<Finding> {
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
