//! One clinic with an address of each kind, and the notifications it gets.

use docplanner_worker::simulator::{
    api::{LoggedRequest, Simulator},
    world::{Address, Doctor, Facility, World},
};
use serde_json::{Value, json};

/// At the clinic, not paid online.
pub const ONSITE: &str = "111";
/// At the clinic, paid through the marketplace.
pub const ONSITE_PAYMENT: &str = "112";
/// Online consultations, not paid online.
pub const ONLINE: &str = "113";
/// Online consultations, paid through the marketplace.
pub const ONLINE_PAYMENT: &str = "114";

/// The doctor of all of them.
pub const DOCTOR: &str = "123";
/// At the clinic, not paid online, of [`OTHER_DOCTOR`]: nothing that is known of the others tells of it.
pub const ELSEWHERE: &str = "121";
pub const OTHER_DOCTOR: &str = "124";

/// Facility 1 with doctor 123 and the first four addresses above; another doctor; and the address of the online-features guide's
/// example, for online consultations that are paid.
pub fn world() -> World {
    let mut world = World::empty();
    world.insert_facility(Facility::new("1", "Sample hospital"));
    world.insert_doctor(Doctor::new("123", "1", "Sample", "Doctor 123"));
    world.insert_address(Address::new(ONSITE, "123", "1"));
    world.insert_address(Address::new(ONSITE_PAYMENT, "123", "1").with_payments());
    world.insert_address(Address::new(ONLINE, "123", "1").online());
    world.insert_address(Address::new(ONLINE_PAYMENT, "123", "1").online().with_payments());
    world.insert_doctor(Doctor::new(OTHER_DOCTOR, "1", "Sample", "Doctor 124"));
    world.insert_address(Address::new(ELSEWHERE, OTHER_DOCTOR, "1"));
    world.insert_facility(Facility::new("226402", "Sample clinic"));
    world.insert_doctor(Doctor::new("161262", "226402", "Henryk", "Mikulski"));
    world.insert_address(Address::new("410150", "161262", "226402").online().with_payments());
    world
}

/// A `slot-booked` notification.
pub fn slot_booked(booking: &str, address: &str) -> Value {
    notification("slot-booked", address, json!({ "visit_booking": booked(booking) }))
}

/// A `booking-canceled` notification.
pub fn booking_canceled(booking: &str, address: &str) -> Value {
    let mut canceled = booked(booking);
    canceled["status"] = "canceled".into();
    canceled["canceled_by"] = "user".into();
    canceled["canceled_at"] = "2021-05-14T15:45:57+01:00".into();
    notification("booking-canceled", address, json!({ "visit_booking": canceled }))
}

/// A notification of any kind at one of the clinic's addresses.
pub fn notification(name: &str, address: &str, data: Value) -> Value {
    let mut all = json!({
        "facility": { "id": "1", "name": "Sample hospital" },
        "doctor": { "id": "123", "name": "Sample", "surname": "Doctor 123" },
        "address": { "id": address, "name": "Example hospital", "street": "Some street", "post_code": "00-950" },
    });
    for (key, value) in data.as_object().unwrap() {
        all[key] = value.clone();
    }
    json!({ "name": name, "data": all, "created_at": "2021-05-12T10:18:34+01:00" })
}

/// The same at another doctor.
pub fn with_doctor(mut notification: Value, doctor: &str) -> Value {
    notification["data"]["doctor"]["id"] = doctor.into();
    notification
}

/// A booking as the API's reference shows it, with invented people.
pub fn booked(id: &str) -> Value {
    json!({
        "id": id,
        "status": "booked",
        "start_at": "2021-05-26T16:00:00+01:00",
        "end_at": "2021-05-26T16:30:00+01:00",
        "duration": 30,
        "booked_by": "user",
        "canceled_by": "",
        "booked_at": "2021-05-12T10:18:24+01:00",
        "address_service": {
            "id": "243665", "name": "biopsja nerki", "price": 50,
            "is_price_from": false, "is_visible": true
        },
        "patient": {
            "name": "Zofia", "surname": "Wiśniewska", "email": "zofia@example.com",
            "phone": "+48500600700", "birth_date": "1985-01-01", "nin": "85010112345",
            "gender": "f", "insurance_number": "CARD-1234567"
        },
        "comment": "Please call me before the visit"
    })
}

/// A booking of a far future that is to be paid: whatever is due for it waits until a test says so.
pub fn to_be_paid(id: &str) -> Value {
    let mut booking = booked(id);
    booking["start_at"] = "2099-05-26T16:00:00+02:00".into();
    booking["end_at"] = "2099-05-26T16:30:00+02:00".into();
    booking["booked_at"] = "2099-05-12T10:18:24+02:00".into();
    booking["visit_payment"] = true.into();
    booking
}

/// A notification that tells of one booking.
pub fn told(name: &str, address: &str, booking: Value) -> Value {
    notification(name, address, json!({ "visit_booking": booking }))
}

/// How often the API has told of a booking. A first question in a scope that it does not know is not counted.
pub fn bookings_told(docplanner: &Simulator) -> usize {
    let told = |it: &LoggedRequest| it.path.contains("/bookings/") && it.status == Some(200);
    docplanner.requests().iter().filter(|it| told(it)).count()
}

/// `booking-moved`.
pub fn moved(address: &str, old: Value, new: Value) -> Value {
    let data = json!({ "old_visit_booking": old, "new_visit_booking": new });
    notification("booking-moved", address, data)
}

/// `booking-payment-status-changed`.
pub fn payment_status(address: &str, booking: Value, to: &str) -> Value {
    let change = json!({
        "status_from": "not-paid", "status_to": to, "changed_at": "2099-05-12T10:40:00+02:00",
    });
    let data = json!({ "visit_booking": booking, "visit_payment_status": change });
    notification("booking-payment-status-changed", address, data)
}
