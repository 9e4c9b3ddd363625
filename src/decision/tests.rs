//! Details of an event that no golden file shows in all their cases.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;

const TENANT: &str = "acme";

/// The event of a notification about a booking; fields of the booking are added to its id.
fn event(name: &str, fields: &Value, facts: &AddressFacts, window: TimeDelta) -> Value {
    let mut booking = json!({ "id": "77" });
    booking.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let body = json!({
        "name": name,
        "data": {
            "facility": { "id": "1" }, "doctor": { "id": "2" },
            "address": { "id": "3", "post_code": "00-950" },
            "visit_booking": booking,
            "visit_payment_status": { "status_to": "paid" },
        },
        "created_at": "2024-03-04T10:18:34+01:00",
    });
    let notification = Notification::decode(body.to_string().as_bytes()).unwrap();
    let tenant = TenantProfile {
        id: TENANT.into(),
        domain: "znanylekarz.pl".into(),
        payment: payment::Terms {
            window: window.to_std().unwrap(),
            ..TenantProfile::default().payment
        },
        ..TenantProfile::default()
    };
    let position = Position { partition_key: "77".into(), sequence: 12 };
    let key = notification.key(TENANT);
    let known = Known {
        facts: facts.clone(),
        partner: PartnerIds::default(),
        payment: None,
        last_sequence: 12,
        call: Call::NotAsked,
    };
    let now = "2024-03-04T09:18:34Z".parse().unwrap();
    let decision = decide(&notification, &key, &position, &known, &tenant, now).unwrap();
    serde_json::to_value(&decision.events[0]).unwrap()
}

fn booked(fields: &Value) -> Value {
    let data = event("slot-booked", fields, &AddressFacts::default(), TimeDelta::minutes(90));
    data["data"].clone()
}

#[test]
fn a_payment_is_due_one_window_after_the_booking_in_the_bookings_own_offset() {
    for (booked_at, window, due_at) in [
        ("2024-03-04T10:18:24+01:00", 90, "2024-03-04T11:48:24+01:00"),
        ("2024-03-04T23:30:00-03:00", 90, "2024-03-05T01:00:00-03:00"),
        ("2024-12-31T23:59:59.250+00:00", 1, "2025-01-01T00:00:59.250+00:00"),
        ("2024-03-04T10:18:24+0100", 24 * 60, "2024-03-05T10:18:24+01:00"),
    ] {
        let fields = json!({ "visit_payment": true, "booked_at": booked_at });
        let window = TimeDelta::minutes(window);
        let event = event("slot-booked", &fields, &AddressFacts::default(), window);
        let payment = &event["data"]["payment"];
        assert_eq!(payment["due_at"], due_at);
        assert_eq!((&payment["required"], &payment["status"]), (&json!(true), &json!("pending")));
    }
}

#[test]
fn nothing_is_due_where_nothing_has_to_be_paid_or_nobody_knows_since_when() {
    let booked_at = "2024-03-04T10:18:24+01:00";
    for fields in [
        json!({ "booked_at": booked_at, "visit_payment": false }),
        json!({ "booked_at": booked_at }),
    ] {
        let payment = booked(&fields)["payment"].clone();
        assert_eq!(
            payment,
            json!({ "required": false, "status": null, "due_at": null, "basis": null })
        );
    }
    let payment = booked(&json!({ "visit_payment": true }))["payment"].clone();
    assert_eq!(
        payment,
        json!({ "required": true, "status": "pending", "due_at": null, "basis": null })
    );
}

#[test]
fn a_patient_has_access_to_a_video_call_an_hour_before_it_starts() {
    let (url, start_at) = ("https://video.example.com/1", "2024-03-31T03:30:00+02:00");
    let call = |fields: Value| booked(&fields)["video_call"].clone();
    let both = call(json!({ "videocall_url": url, "start_at": start_at }));
    assert_eq!(both, json!({ "url": url, "patient_access_from": "2024-03-31T02:30:00+02:00" }));
    let no_start = call(json!({ "videocall_url": url }));
    assert_eq!(no_start, json!({ "url": url, "patient_access_from": null }));
    let no_call = call(json!({ "start_at": start_at, "videocall_url": "" }));
    assert_eq!(no_call, json!({ "url": null, "patient_access_from": null }));
}

#[test]
fn what_the_notification_says_of_its_address_goes_before_what_was_looked_up() {
    let facts = AddressFacts {
        online_only: Some(true),
        visit_payment: Some(false),
        post_code: Some("99-999".into()),
        city: Some("Warszawa".into()),
        as_of: Some("2024-03-04T09:18:34Z".parse().unwrap()),
    };
    let event = event("slot-booked", &json!({}), &facts, TimeDelta::zero());
    let address = &event["data"]["address"];
    assert_eq!((&address["post_code"], &address["city"]), (&json!("00-950"), &json!("Warszawa")));
    assert_eq!((&address["online_only"], &address["visit_payment"]), (&json!(true), &json!(false)));
    assert_eq!(address["flags_as_of"], "2024-03-04T09:18:34Z");
    assert_eq!(event["data"]["modality"], "online");
}

#[test]
fn the_place_in_the_chain_is_told_with_ten_digits() {
    let event = event("slot-booked", &json!({}), &AddressFacts::default(), TimeDelta::zero());
    assert_eq!((&event["partitionkey"], &event["sequence"]), (&json!("77"), &json!("0000000012")));
}

#[test]
fn the_id_of_an_event_is_made_from_tenant_key_and_type() {
    let id = |name| {
        let facts = AddressFacts::default();
        event(name, &json!({}), &facts, TimeDelta::zero())["id"].clone()
    };
    assert_eq!(id("slot-booked"), id("slot-booked"));
    assert_ne!(id("slot-booked"), id("booking-canceled"));
}
