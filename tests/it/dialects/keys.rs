//! Two facts have two keys.

use serde_json::{Value, json};

use super::decoded;
use crate::support::golden::notification;

/// By fixture, what makes another fact of it: a JSON pointer and the value there.
fn other_facts() -> Vec<(&'static str, &'static str, Value)> {
    const LATER: &str = "2024-12-24T18:00:00+01:00";
    let later = || json!(LATER);
    vec![
        ("slot-booked", "/data/visit_booking/id", json!("7")),
        ("booking-canceled", "/data/visit_booking/id", json!("7")),
        ("booking-moved", "/data/old_visit_booking/id", json!("7")),
        ("booking-moved", "/data/new_visit_booking/id", json!("7")),
        ("booking-confirmed", "/data/visit_booking/id", json!("7")),
        ("booking-confirmed", "/created_at", later()),
        ("booking-payment-status-changed", "/data/visit_booking/id", json!("7")),
        (
            "booking-payment-status-changed",
            "/data/visit_payment_status/status_to",
            json!("refunded"),
        ),
        ("booking-payment-status-changed", "/data/visit_payment_status/changed_at", later()),
        ("presence-marked", "/data/visit_booking/id", json!("7")),
        ("presence-marked", "/data/presence", json!("PRESENT")),
        ("presence-marked", "/created_at", later()),
        ("break-created", "/data/break/id", json!("7")),
        ("break-removed", "/data/break/id", json!("7")),
        ("break-moved", "/data/break/id", json!("7")),
        ("break-moved", "/data/break/since", later()),
        ("break-moved", "/data/break/till", later()),
        ("break-moved", "/created_at", later()),
        ("address-service-created", "/data/address_service/id", json!("7")),
        ("address-service-created", "/data/address/id", json!("7")),
        ("address-service-created", "/created_at", later()),
        ("address-service-changed", "/data/address_service/id", json!("7")),
        ("address-service-changed", "/created_at", later()),
        ("address-service-deleted", "/data/address_service/id", json!("7")),
        ("address-service-deleted", "/created_at", later()),
        ("address-commercial-type-changed", "/data/address/id", json!("7")),
        ("address-commercial-type-changed", "/created_at", later()),
        ("address-assigned", "/data/address/id", json!("7")),
        ("address-assigned", "/created_at", later()),
        ("address-unassigned", "/data/address/id", json!("7")),
        ("address-unassigned", "/created_at", later()),
        ("waiting-list-joined", "/name", json!("waiting-list-left")),
        ("waiting-list-joined", "/data/waiting_list/position", json!(4)),
        ("waiting-list-joined", "/created_at", later()),
    ]
}

#[test]
fn another_fact_of_the_same_kind_has_another_key() {
    for (fixture, place, value) in other_facts() {
        let (original, other) = (notification(fixture), with(fixture, place, value));
        let (one, other) = (decoded(&original).key("acme"), decoded(&other).key("acme"));
        assert_ne!(one, other, "{fixture} with another {place}");
        assert_ne!(one.uuid(), other.uuid(), "{fixture} with another {place}");
    }
}

#[test]
fn the_same_ids_at_another_facility_or_tenant_are_another_fact() {
    for (fixture, ..) in other_facts() {
        let original = decoded(&notification(fixture));
        let elsewhere = decoded(&with(fixture, "/data/facility/id", json!("2")));
        assert_ne!(original.key("acme"), elsewhere.key("acme"), "{fixture}");
        assert_ne!(original.key("acme"), original.key("beta"), "{fixture}");
    }
}

#[test]
fn another_kind_about_the_same_thing_is_another_fact() {
    let keys = |names: &[&str]| {
        let keys = names.iter().map(|name| {
            let mut notification = notification(names[0]);
            notification["name"] = (*name).into();
            decoded(&notification).key("acme").to_string()
        });
        keys.collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(keys(&["slot-booked", "booking-canceled", "booking-confirmed"]), 3);
    assert_eq!(keys(&["break-created", "break-moved", "break-removed"]), 3);
    let services =
        ["address-service-created", "address-service-changed", "address-service-deleted"];
    assert_eq!(keys(&services), 3);
    assert_eq!(
        keys(&["address-assigned", "address-unassigned", "address-commercial-type-changed"]),
        3
    );
}

#[test]
fn what_a_repeat_may_spell_differently_is_not_in_the_key() {
    for (fixture, place, value) in [
        ("slot-booked", "/data/visit_booking/start_at", json!("2024-12-24T18:00:00+01:00")),
        ("slot-booked", "/data/address/name", json!("Renamed hospital")),
        ("slot-booked", "/created_at", json!("2024-12-24T18:00:00+01:00")),
        ("presence-marked", "/created_at", json!("2024-03-18T15:20:00Z")),
        ("presence-marked", "/data/presence", json!("absent")),
        ("booking-payment-status-changed", "/data/visit_payment_status/status_from", Value::Null),
        ("break-moved", "/data/break/since", json!("2024-03-31T00:30:00+00:00")),
    ] {
        let (original, again) = (notification(fixture), with(fixture, place, value));
        let (one, other) = (decoded(&original).key("acme"), decoded(&again).key("acme"));
        assert_eq!(one, other, "{fixture} with another {place}");
    }
}

fn with(fixture: &str, place: &str, value: Value) -> Value {
    let mut changed = notification(fixture);
    *changed.pointer_mut(place).unwrap() = value;
    changed
}
