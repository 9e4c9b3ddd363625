//! Notifications as Docplanner writes them. Keys come from the specification's examples: those
//! that do not apply are absent.

use chrono::{DateTime, FixedOffset};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kind::Kind;
use super::life::Place;
use crate::simulator::world::{Booking, BookingStatus, Patient, Service};

/// The parts of a booking that some kinds have and others lack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Service,
    Comment,
    Insurance,
    /// Whether it has to be paid, and the video call.
    Features,
    IsReturning,
}

/// Which of them a kind has.
pub(super) type Parts = &'static [Part];

/// `slot-booked`
pub(super) const BOOKED: Parts = &[Part::Service, Part::Comment, Part::Insurance, Part::Features];
/// `booking-confirmed`
pub(super) const CONFIRMED: Parts = &[Part::Service, Part::Comment, Part::Features];
/// `booking-canceled`, and both sides of `booking-moved`
pub(super) const CHANGED: Parts = &[Part::Service, Part::Features];
/// `booking-payment-status-changed`
pub(super) const PAYMENT: Parts = &[Part::Comment];
/// `presence-marked`
pub(super) const PRESENCE: Parts = &[Part::IsReturning];

/// `{"name", "data", "created_at"}`; the data begin with where it happened.
pub(super) fn envelope(
    kind: Kind,
    place: &Place,
    subject: Value,
    created_at: DateTime<FixedOffset>,
) -> Value {
    let Place { facility, doctor, address, .. } = place;
    let mut data = json!({
        "facility": { "id": facility.id, "name": facility.name },
        "doctor": { "id": doctor.id, "name": doctor.name, "surname": doctor.surname },
        "address": {
            "id": address.id,
            "name": address.name,
            "street": address.street,
            "post_code": address.post_code,
        },
    });
    if let (Value::Object(data), Value::Object(subject)) = (&mut data, subject) {
        data.extend(subject);
    }
    json!({ "name": kind.as_str(), "data": data, "created_at": created_at.to_rfc3339() })
}

/// `visit_booking` and its like.
pub(super) fn booking(booking: &Booking, place: &Place, parts: Parts) -> Value {
    let mut body = json!({
        "id": booking.id,
        "status": booking.status.as_str(),
        "start_at": booking.start_at.to_rfc3339(),
        "end_at": booking.end_at.to_rfc3339(),
        "duration": (booking.end_at - booking.start_at).num_minutes(),
        "booked_by": booking.booked_by,
        "canceled_by": booking.canceled_by,
        "booked_at": booking.booked_at.to_rfc3339(),
        "patient": patient(&booking.patient, parts.contains(&Part::IsReturning)),
        "signature": signature(&booking.id),
    });
    let is_canceled = booking.status == BookingStatus::Canceled;
    if let (true, Some(at)) = (is_canceled, booking.canceled_at) {
        body["canceled_at"] = at.to_rfc3339().into();
    }
    if let (true, Some(service)) = (parts.contains(&Part::Service), place.service(booking)) {
        body["address_service"] = short_service(service);
    }
    if let (true, Some(comment)) = (parts.contains(&Part::Comment), &booking.comment) {
        body["comment"] = comment.as_str().into();
    }
    if let (true, Some(insurance)) = (parts.contains(&Part::Insurance), &booking.insurance) {
        body["insurance"] =
            json!({ "id": insurance.id, "name": insurance.name, "plan": "", "plan_id": "" });
    }
    if let (true, Some(visit_payment)) = (parts.contains(&Part::Features), booking.visit_payment) {
        body["visit_payment"] = visit_payment.into();
    }
    if let (true, Some(url)) = (parts.contains(&Part::Features), &booking.videocall_url) {
        body["videocall_url"] = url.as_str().into();
    }
    body
}

/// `visit_booking_request` of `slot-booking`: nothing is booked yet, so there is no id.
pub(super) fn booking_request(booking: &Booking, place: &Place) -> Value {
    let mut body = self::booking(booking, place, CONFIRMED);
    rename(&mut body, "booked_at", "booking_at");
    rename(&mut body, "booked_by", "booking_by");
    remove(&mut body, &["id", "status", "canceled_by", "videocall_url"]);
    body
}

/// `canceling_booking` of `booking-moving`.
pub(super) fn canceling_booking(
    booking: &Booking,
    place: &Place,
    by: &str,
    at: DateTime<FixedOffset>,
) -> Value {
    let mut body = self::booking(booking, place, &[Part::Service]);
    remove(&mut body, &["status", "canceled_by", "patient"]);
    body["canceling_by"] = by.into();
    body["canceling_at"] = at.to_rfc3339().into();
    body
}

/// `creating_booking` of `booking-moving`: the new side has no id yet.
pub(super) fn creating_booking(booking: &Booking, place: &Place) -> Value {
    let mut body = booking_request(booking, place);
    remove(&mut body, &["patient", "comment", "visit_payment"]);
    body
}

/// `address_service` of the `address-service-*` kinds.
pub(super) fn full_service(service: &Service) -> Value {
    json!({
        "id": service.id,
        "name": service.name,
        "price": service.price,
        "is_price_from": service.is_price_from,
        "is_default": service.is_default,
        "description": service.description,
        "service_id": service.service_id,
        "is_visible": service.is_visible,
    })
}

/// A UUID whose meaning is not documented; here it stays with the booking.
fn signature(booking_id: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, booking_id.as_bytes()).to_string()
}

fn short_service(service: &Service) -> Value {
    json!({
        "id": service.id,
        "name": service.name,
        "price": service.price,
        "is_price_from": service.is_price_from,
        "is_visible": service.is_visible,
    })
}

fn patient(patient: &Patient, with_is_returning: bool) -> Value {
    let mut body = json!({
        "name": patient.name,
        "surname": patient.surname,
        "email": patient.email,
        "phone": patient.phone,
        "birth_date": patient.birth_date,
        "nin": patient.nin,
        "gender": patient.gender,
        "marketing_consent": false,
        "data_privacy_consent": true,
    });
    if let Some(number) = &patient.insurance_number {
        body["insurance_number"] = number.as_str().into();
    }
    if with_is_returning {
        body["is_returning"] = patient.is_returning.into();
    }
    body
}

fn rename(body: &mut Value, from: &str, to: &str) {
    if let Some(body) = body.as_object_mut()
        && let Some(value) = body.remove(from)
    {
        body.insert(to.to_owned(), value);
    }
}

fn remove(body: &mut Value, keys: &[&str]) {
    if let Some(body) = body.as_object_mut() {
        body.retain(|key, _| !keys.contains(&key.as_str()));
    }
}
