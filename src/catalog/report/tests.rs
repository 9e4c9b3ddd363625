//! Rows in, findings out.

use super::*;
use crate::catalog::{Facility, Service, WalkState};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-05-04T12:00:00Z")
}

/// Facility 1 with doctor 2: the regular address 10 with service 100, and the online address 20 with
/// service 200, the dictionary's online consultation.
fn catalog() -> Catalog {
    let address = |id: &str, online| Address {
        id: id.into(),
        facility_id: "1".into(),
        doctor_id: "2".into(),
        online_only: Some(online),
        visit_payment: Some(online),
        gone_at: None,
    };
    let service = |address: &str, id: &str, entry: &str| Service {
        id: id.into(),
        address_id: address.into(),
        name: "service".into(),
        dictionary_id: Some(entry.into()),
        gone_at: None,
    };
    Catalog {
        walk: Some(WalkState {
            completed_at: Some(at("2026-05-04T11:00:00Z")),
            is_unfinished: false,
            online_consultation: vec!["1".into()],
        }),
        facilities: vec![Facility { id: "1".into(), gone_at: None }],
        doctors: vec![Doctor { id: "2".into(), facility_id: "1".into(), gone_at: None }],
        addresses: vec![address("10", false), address("20", true)],
        services: vec![service("10", "100", "7"), service("20", "200", "1")],
    }
}

/// `kind docplanner_id partner_id`, for services `service address/id partner_id`.
fn row(text: &str) -> MappingRow {
    let [kind, id, partner_id] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let (address_id, id) = id.split_once('/').unwrap_or(("", id));
    MappingRow {
        kind: kind.into(),
        address_id: address_id.into(),
        docplanner_id: id.into(),
        partner_id: partner_id.into(),
        online: None,
    }
}

const COMPLETE: [&str; 6] = [
    "facility 1 F",
    "doctor 2 D",
    "address 10 A",
    "address 20 B",
    "service 10/100 S",
    "service 20/200 T",
];

fn findings(catalog: &Catalog, rows: &[&str], separate: bool) -> Vec<String> {
    let rows: Vec<_> = rows.iter().map(|text| row(text)).collect();
    let report = report("acme", catalog, &rows, separate, now());
    let told = report.findings.iter().map(|finding| {
        let Subject { facility_id, doctor_id, address_id, service_id, partner_id, gone_at } =
            &finding.subject;
        let ids = [facility_id, doctor_id, address_id, service_id, partner_id];
        let ids = ids.map(|id| id.as_deref().unwrap_or("-")).join(" ");
        let gone = if gone_at.is_some() { " gone" } else { "" };
        format!("{:?} {ids}{gone}", finding.kind)
    });
    told.collect()
}

/// The findings with a complete mapping and some of its rows replaced: `-doctor` leaves them out.
fn with_rows(changes: &[&str]) -> Vec<String> {
    let mut rows = COMPLETE.to_vec();
    for change in changes {
        match change.strip_prefix('-') {
            Some(left_out) => rows.retain(|row| !row.starts_with(left_out)),
            None => rows.push(change),
        }
    }
    findings(&catalog(), &rows, true)
}

/// The findings of a complete mapping when something else exists.
fn with_catalog(change: impl FnOnce(&mut Catalog)) -> Vec<String> {
    let mut catalog = catalog();
    change(&mut catalog);
    findings(&catalog, &COMPLETE, true)
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_complete_mapping_leaves_nothing_to_do() {
    assert_eq!(with_rows(&[]), NOTHING);
}

#[test]
fn what_is_not_mapped_is_found() {
    for (left_out, expected) in [
        ("-address 20", "OnlineAddressUnmapped 1 2 20 - -"),
        ("-address 10", "RegularAddressUnmapped 1 2 10 - -"),
        ("-service 20/", "ServiceUnmapped 1 2 20 200 -"),
        ("-doctor", "DoctorUnmapped 1 2 - - -"),
        ("-facility", "FacilityUnmapped 1 - - - -"),
    ] {
        assert_eq!(with_rows(&[left_out]), [expected]);
    }
}

#[test]
fn a_service_is_mapped_at_its_own_address_only() {
    let unmapped = "ServiceUnmapped 1 2 20 200 -";
    let of_nothing = "MappedToNothing - - 10 200 T";
    assert_eq!(with_rows(&["-service 20/", "service 10/200 T"]), [unmapped, of_nothing]);
}

#[test]
fn rows_of_what_does_not_exist_are_found() {
    for (row, expected) in [
        ("facility 9 F", "MappedToNothing 9 - - - F"),
        ("doctor 9 D", "MappedToNothing - 9 - - D"),
        ("address 99 A", "MappedToNothing - - 99 - A"),
        ("service 10/999 S", "MappedToNothing - - 10 999 S"),
        ("service 99/100 S", "MappedToNothing - - 99 100 S"),
    ] {
        assert_eq!(with_rows(&[row]), [expected]);
    }
}

#[test]
fn rows_of_what_is_gone_tell_since_when() {
    let gone = with_catalog(|catalog| {
        catalog.addresses[1].gone_at = Some(now());
        catalog.services[1].gone_at = Some(now());
    });
    assert_eq!(gone, ["MappedToNothing - - 20 - B gone", "MappedToNothing - - 20 200 T gone"]);
}

#[test]
fn a_doctor_who_left_one_of_two_clinics_is_not_gone() {
    let left = |at| Doctor { id: "2".into(), facility_id: "9".into(), gone_at: at };
    assert_eq!(with_catalog(|it| it.doctors.push(left(Some(now())))), NOTHING);
    assert_eq!(with_catalog(|it| it.doctors.insert(0, left(Some(now())))), NOTHING);
}

#[test]
fn one_schedule_for_both_addresses_is_found_where_addresses_tell_online_visits() {
    let shared = ["-address 20", "address 20 A"];
    assert_eq!(with_rows(&shared), ["SameSchedule 1 2 20 - A"]);
    let rows: Vec<_> = COMPLETE.iter().map(|row| row.replace("20 B", "20 A")).collect();
    let rows: Vec<_> = rows.iter().map(String::as_str).collect();
    assert_eq!(findings(&catalog(), &rows, false), NOTHING);
}

#[test]
fn an_online_address_should_have_the_online_consultation() {
    let lacks = with_catalog(|catalog| catalog.services[1].dictionary_id = Some("7".into()));
    assert_eq!(lacks, ["NoOnlineConsultation 1 2 20 - -"]);
    let own = with_catalog(|catalog| catalog.services[1].dictionary_id = None);
    assert_eq!(own, ["NoOnlineConsultation 1 2 20 - -"]);
    let unknown = with_catalog(|catalog| {
        catalog.walk.as_mut().unwrap().online_consultation.clear();
    });
    assert_eq!(unknown, ["OnlineConsultationUnknown - - - - -"]);
}

#[test]
fn the_age_of_the_catalog_is_told() {
    let none = findings(&Catalog::default(), &COMPLETE, true);
    assert_eq!(none, ["NeverSynced - - - - -"]);
    let walk =
        |change: fn(&mut WalkState)| with_catalog(|catalog| change(catalog.walk.as_mut().unwrap()));
    assert_eq!(walk(|it| it.completed_at = None), ["NeverSynced - - - - -"]);
    assert_eq!(walk(|it| it.is_unfinished = true), ["SyncUnfinished - - - - -"]);
    let old = walk(|it| it.completed_at = Some(at("2026-04-27T11:59:59Z")));
    assert_eq!(old, ["SyncOld - - - - -"]);
}

#[test]
fn an_address_whose_flag_is_not_told_is_taken_for_a_regular_one() {
    let mut catalog = catalog();
    catalog.addresses[1].online_only = None;
    let found = findings(&catalog, &COMPLETE[..3], true);
    assert!(found.contains(&"RegularAddressUnmapped 1 2 20 - -".to_owned()), "{found:?}");
}

#[test]
fn a_doctor_without_addresses_needs_no_mapping() {
    let rows = &["facility 1 F"];
    let mut catalog = catalog();
    catalog.addresses.clear();
    catalog.services.clear();
    assert_eq!(findings(&catalog, rows, true), NOTHING);
}

#[test]
fn a_facility_is_told_once_however_many_doctors_it_has() {
    let mut catalog = catalog();
    catalog.doctors.push(Doctor { id: "3".into(), ..catalog.doctors[0].clone() });
    let address = catalog.addresses[0].clone();
    catalog.addresses.push(Address { id: "30".into(), doctor_id: "3".into(), ..address });
    let rows = [&COMPLETE[1..], &["doctor 3 E", "address 30 C"]].concat();
    assert_eq!(findings(&catalog, &rows, true), ["FacilityUnmapped 1 - - - -"]);
}

#[test]
fn problems_fail_the_report_and_advice_does_not() {
    let is_good = |rows: &[&str], catalog: &Catalog| {
        let rows: Vec<_> = rows.iter().map(|text| row(text)).collect();
        report("acme", catalog, &rows, true, now()).is_good()
    };
    let mut lacking = catalog();
    lacking.services[1].dictionary_id = None;
    assert!(is_good(&COMPLETE, &catalog()));
    assert!(is_good(&COMPLETE, &lacking));
    assert!(!is_good(&COMPLETE[1..], &catalog()));
    assert!(!is_good(&[], &Catalog::default()));
}
