//! An event as an example: what the worker itself makes of a notification about an invented patient.

use chrono::DateTime;
use serde_json::Value;

use crate::{
    normalize::{AddressFacts, PartnerIds, TenantProfile, normalize},
    notification::{Notification, Position},
    payment::{Payment, PaymentState},
};

const NOTIFICATION: &[u8] = include_bytes!("example.json");

/// `booking.created` of an online visit to be paid.
pub(super) fn event() -> Option<Value> {
    let notification = Notification::decode(NOTIFICATION).ok()?;
    let tenant = TenantProfile {
        id: "acme".into(),
        domain: "znanylekarz.pl".into(),
        ..TenantProfile::default()
    };
    let facts = AddressFacts {
        online_only: Some(true),
        visit_payment: Some(true),
        post_code: Some("00-950".into()),
        city: Some("Warszawa".into()),
        as_of: DateTime::from_timestamp(1_582_724_000, 0),
    };
    let partner = PartnerIds {
        address: Some("2".into()),
        service: Some("3".into()),
        ..PartnerIds::default()
    };
    let position = Position { partition_key: "6263715".into(), sequence: 1 };
    let key = notification.key(&tenant.id);
    let mut event = normalize(&notification, &key, &position, &facts, &partner, &tenant)?;
    event.tell_payment(&Payment { state: PaymentState::Pending, basis: None, due_at: None });
    serde_json::to_value(event).ok()
}
