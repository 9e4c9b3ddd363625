//! Docplanner has spoken several dialects: whichever it speaks, the same fact has the same key, the
//! same content and the same event. And whatever it sends, reading it neither fails the process
//! nor tells about a patient.

mod keys;
mod nonsense;
mod rewrite;

use docplanner_worker::{
    normalize::{AddressFacts, PartnerIds, TenantProfile, normalize},
    notification::{Kind, Notification, Position},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use self::{nonsense::any_json, rewrite::Dialect};
use crate::support::golden::{names, notification};

#[test]
fn every_dialect_of_a_notification_is_the_same_fact() {
    let fixtures = facts();
    proptest!(|(nth in 0..fixtures.len(), dialect in Dialect::any())| {
        let (original, rewritten) = (&fixtures[nth], dialect.rewrite(&fixtures[nth]));
        let (one, other) = (decoded(original), decoded(&rewritten));
        prop_assert_eq!(one.key("acme"), other.key("acme"), "{}", rewritten);
        prop_assert_eq!(one.content(), other.content(), "{}", rewritten);
        let (expected, event) = (event(&one), event(&other));
        prop_assert_eq!(comparable(expected), comparable(event), "{}", rewritten);
    });
}

#[test]
fn a_repeat_created_at_another_time_is_the_same_fact() {
    for original in facts() {
        let mut again = original.clone();
        again["created_at"] = "2024-12-24T18:00:00+01:00".into();
        let (one, other) = (decoded(&original), decoded(&again));
        assert_eq!(one.content(), other.content(), "{}", original["name"]);
        let same_key = one.key("acme") == other.key("acme");
        assert_eq!(same_key, !created_at_tells_apart(one.fact.kind()), "{}", original["name"]);
    }
}

/// Of these kinds, two equal facts can be two events: a presence can be marked twice, and a break can
/// move away and back.
fn created_at_tells_apart(kind: Kind) -> bool {
    match kind {
        Kind::SlotBooked
        | Kind::BookingCanceled
        | Kind::BookingMoved
        | Kind::BookingPaymentStatusChanged
        | Kind::BreakCreated
        | Kind::BreakRemoved => false,
        Kind::BookingConfirmed
        | Kind::PresenceMarked
        | Kind::BreakMoved
        | Kind::AddressServiceCreated
        | Kind::AddressServiceChanged
        | Kind::AddressServiceDeleted
        | Kind::AddressCommercialTypeChanged
        | Kind::AddressAssigned
        | Kind::AddressUnassigned
        | Kind::SlotBooking
        | Kind::BookingMoving
        | Kind::Unrecognized => true,
    }
}

#[test]
fn a_booking_cancelled_with_two_ls_is_one_with_one() {
    let original = notification("booking-canceled");
    let mut older = original.clone();
    older["name"] = "booking-cancelled".into();
    assert_eq!(event(&decoded(&original)), event(&decoded(&older)));
}

proptest! {
    #[test]
    fn the_data_of_an_unknown_kind_comes_out_as_it_went_in(data in any_json()) {
        prop_assume!(!data.is_null());
        let spaced = format!("{data:#}");
        let body = format!(r#"{{"name": "brand-new", "data": {spaced}, "more": [1]}}"#);
        let notification = Notification::decode(body.as_bytes()).unwrap();
        // As text: not a digit of a number, not a space is lost.
        let raw = format!("\"raw\":{spaced}");
        prop_assert!(event_text(&notification).contains(&raw));
        prop_assert_eq!(&event(&notification)["data"]["name"], "brand-new");
    }
}

/// The fixtures of known kinds that become events.
fn facts() -> Vec<Value> {
    let all = names("notifications").into_iter().map(|name| notification(&name));
    all.filter(|notification| {
        let kind = Kind::from_name(notification["name"].as_str().unwrap());
        !matches!(kind, Kind::SlotBooking | Kind::BookingMoving | Kind::Unrecognized)
    })
    .collect()
}

fn decoded(notification: &Value) -> Notification {
    let body = notification.to_string();
    Notification::decode(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn event(notification: &Notification) -> Value {
    serde_json::from_str(&event_text(notification)).unwrap()
}

/// The event at an address of which nothing is known, as it is published.
fn event_text(notification: &Notification) -> String {
    let tenant = TenantProfile {
        id: "acme".into(),
        domain: "znanylekarz.pl".into(),
        ..TenantProfile::default()
    };
    let key = notification.key("acme");
    let position = Position { partition_key: "1".into(), sequence: 1 };
    let (facts, partner) = (AddressFacts::default(), PartnerIds::default());
    let event = normalize(notification, &key, &position, &facts, &partner, &tenant).unwrap();
    serde_json::to_string(&event).unwrap()
}

/// As a JSON number, a phone has lost its plus and a national id its leading zeros: that much of the
/// original nobody can restore.
fn comparable(mut event: Value) -> Value {
    for booking in ["booking", "previous_booking"] {
        for (field, lost) in [("phone", '+'), ("nin", '0')] {
            let value = event["data"].get_mut(booking).and_then(|b| b["patient"].get_mut(field));
            if let Some(value) = value
                && let Some(text) = value.as_str()
            {
                *value = json!(text.trim_start_matches(lost));
            }
        }
    }
    event
}
