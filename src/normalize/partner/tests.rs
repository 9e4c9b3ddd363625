//! Which identifiers get where, and what is told to be missing.

use serde_json::{Value, json};

use super::*;
use crate::{
    normalize::{AddressFacts, TenantProfile, normalize},
    notification::{Notification, Position},
};

/// Facility, doctor, address and service are mapped.
fn all_mapped(service_online: Option<bool>) -> PartnerIds {
    let id = |id: &str| Some(id.to_owned());
    PartnerIds {
        facility: id("F"),
        doctor: id("D"),
        address: id("A"),
        service: id("S"),
        service_online,
        previous_service: id("P"),
    }
}

/// The data of the event of a notification at an onsite address.
fn data(name: &str, service_id: &str, partner: &PartnerIds, service_decides: bool) -> Data {
    let service = json!({ "id": service_id, "name": "Visit" });
    let booking = json!({ "id": "77", "address_service": service });
    let body = json!({
        "name": name,
        "data": {
            "facility": { "id": "1" }, "doctor": { "id": "2" }, "address": { "id": "3" },
            "visit_booking": booking, "old_visit_booking": booking, "new_visit_booking": booking,
            "address_service": service, "break": { "id": "9" },
        },
        "created_at": "2024-03-04T10:18:34+01:00",
    });
    let notification = Notification::decode(body.to_string().as_bytes()).unwrap();
    let tenant = TenantProfile {
        id: "acme".into(),
        domain: "znanylekarz.pl".into(),
        service_decides,
        ..TenantProfile::default()
    };
    let facts = AddressFacts { online_only: Some(false), ..AddressFacts::default() };
    let (key, position) =
        (notification.key("acme"), Position { partition_key: "77".into(), sequence: 1 });
    normalize(&notification, &key, &position, &facts, partner, &tenant).unwrap().data
}

/// The words of `unmapped`.
fn words(data: &Data) -> String {
    data.unmapped.iter().map(|what| what.as_str()).collect::<Vec<_>>().join(" ")
}

/// The names in `unmapped`, and the ids that would hold the event.
fn missing(data: &Data) -> (String, String) {
    let ids = Unmapped::of(data).map(|unmapped| unmapped.to_string());
    (words(data), ids.unwrap_or_default())
}

#[test]
fn what_is_named_and_not_mapped_is_told_by_name_and_by_id() {
    let nothing = PartnerIds::default();
    let place = "not mapped: facility 1, doctor 2, address 3";
    for (name, names, ids) in [
        (
            "slot-booked",
            "facility doctor address service",
            format!("{place}, service 5 at address 3"),
        ),
        (
            "address-service-created",
            "facility doctor address service",
            format!("{place}, service 5 at address 3"),
        ),
        ("break-created", "facility doctor address", place.to_owned()),
        ("brand-new", "facility doctor address", place.to_owned()),
    ] {
        let told = missing(&data(name, "5", &nothing, false));
        assert_eq!(told, (names.to_owned(), ids), "{name}");
    }
    let all = data("slot-booked", "5", &all_mapped(None), false);
    assert_eq!(missing(&all), (String::new(), String::new()));
    let some = PartnerIds { doctor: None, previous_service: None, ..all_mapped(None) };
    let moved = data("booking-moved", "5", &some, false);
    assert_eq!(missing(&moved).0, "doctor", "the service of a previous booking may be gone");
}

#[test]
fn what_stands_in_the_place_of_an_id_is_not_told() {
    let some = PartnerIds { service: None, ..all_mapped(None) };
    let told = missing(&data("slot-booked", "Zofia Wiśniewska", &some, false)).1;
    assert_eq!(told, "not mapped: the service at address 3");
}

#[test]
fn every_identifier_is_filled_in() {
    let filled = |name| serde_json::to_value(data(name, "5", &all_mapped(None), false)).unwrap();
    let partner_id = |data: &Value, place| data.pointer(place).unwrap()["partner_id"].clone();
    let moved = filled("booking-moved");
    assert_eq!(partner_id(&moved, "/facility"), "F");
    assert_eq!(partner_id(&moved, "/doctor"), "D");
    assert_eq!(partner_id(&moved, "/address"), "A");
    assert_eq!(partner_id(&moved, "/booking/service"), "S");
    assert_eq!(partner_id(&moved, "/previous_booking/service"), "P");
    assert_eq!(partner_id(&filled("address-service-changed"), "/service"), "S");
}

#[test]
fn the_mapped_service_decides_where_it_may_and_can() {
    use Modality::{Online, Onsite};
    // What the service's mapping says, whether it decides, the modality, what is unmapped.
    for (online, decides, modality, unmapped) in [
        (Some(true), true, Online, ""),
        (Some(false), true, Onsite, ""),
        (None, true, Onsite, "service"),
        (Some(true), false, Onsite, ""),
        (None, false, Onsite, ""),
    ] {
        let data = data("slot-booked", "5", &all_mapped(online), decides);
        assert_eq!((data.modality, words(&data).as_str()), (modality, unmapped));
        assert_eq!(data.address.online_only, Some(false), "the address's flag stays what it is");
    }
    let pause = data("break-created", "5", &all_mapped(None), true);
    assert_eq!((pause.modality, pause.unmapped.len()), (Onsite, 0), "a break has no service");
    let told = missing(&data("slot-booked", "5", &all_mapped(None), true)).1;
    assert_eq!(told, "not mapped: service 5 at address 3 (mapped without `online`)");
}
