//! The same fact in other words: what older Docplanner domains, other transports and repeats do
//! to a notification. A reader has to see that it is the same.

use chrono::{DateTime, Duration};
use serde_json::{Value, json};

use super::kind::Kind;
use crate::simulator::random::Random;

/// The parts of `data` that have an id of their own.
const WITH_ID: [&str; 9] = [
    "facility",
    "doctor",
    "address",
    "visit_booking",
    "old_visit_booking",
    "new_visit_booking",
    "canceling_booking",
    "break",
    "address_service",
];
const BOOKINGS: [&str; 3] = ["visit_booking", "old_visit_booking", "new_visit_booking"];

/// Changes how it is told, and nothing of what is told.
pub(super) fn retell(body: &Value, kind: Kind, random: &mut Random) -> Value {
    let mut body = body.clone();
    let ways: [fn(&mut Value, Kind, &mut Random); 6] = [
        numeric_ids,
        duration_in_words,
        payment_in_the_service,
        links,
        absent_and_empty_alike,
        later_and_in_british_english,
    ];
    let certain = random.index(ways.len());
    for (index, way) in ways.iter().enumerate() {
        if index == certain || random.chance(0.3) {
            way(&mut body, kind, random);
        }
    }
    body
}

/// Ids were integers before 1.0.1.
fn numeric_ids(body: &mut Value, _: Kind, _: &mut Random) {
    for part in WITH_ID {
        numeric_id(&mut body["data"], part);
    }
    for booking in BOOKINGS {
        if let Some(booking) = body["data"].get_mut(booking) {
            numeric_id(booking, "address_service");
        }
    }
}

fn numeric_id(parent: &mut Value, part: &str) {
    let id = parent.get_mut(part).and_then(|part| part.get_mut("id"));
    if let Some(id) = id
        && let Some(number) = id.as_str().and_then(|text| text.parse::<u64>().ok())
    {
        *id = number.into();
    }
}

/// On the guide page, `duration` is a string.
fn duration_in_words(body: &mut Value, _: Kind, _: &mut Random) {
    for booking in BOOKINGS {
        let duration = body["data"].get_mut(booking).and_then(|it| it.get_mut("duration"));
        if let Some(duration) = duration
            && let Some(minutes) = duration.as_i64()
        {
            *duration = minutes.to_string().into();
        }
    }
}

/// On the guide page, `visit_payment` is inside `address_service`.
fn payment_in_the_service(body: &mut Value, _: Kind, _: &mut Random) {
    for booking in BOOKINGS {
        let Some(booking) = body["data"].get_mut(booking).and_then(Value::as_object_mut) else {
            continue;
        };
        if !booking.get("address_service").is_some_and(Value::is_object) {
            continue;
        }
        if let Some(payment) = booking.remove("visit_payment") {
            booking["address_service"]["visit_payment"] = payment;
        }
    }
}

/// Older samples have `_links`.
fn links(body: &mut Value, _: Kind, _: &mut Random) {
    let data = &mut body["data"];
    let id =
        |part: &Value| part["id"].as_str().map_or_else(|| part["id"].to_string(), str::to_owned);
    let link = |href: &str| json!({ "href": href, "method": "get" });
    let facility = format!("/api/v3/integration/facilities/{}", id(&data["facility"]));
    let doctor = format!("{facility}/doctors/{}", id(&data["doctor"]));
    let address = format!("{doctor}/addresses/{}", id(&data["address"]));
    data["address"]["_links"] =
        json!({ "self": link(&address), "facility": link(&facility), "doctor": link(&doctor) });
    let addresses = link(&format!("{doctor}/addresses"));
    data["doctor"]["_links"] = json!({ "self": link(&doctor), "addresses": addresses });
    let doctors = link(&format!("{facility}/doctors"));
    data["facility"]["_links"] = json!({ "self": link(&facility), "doctors": doctors });
}

/// What does not apply is absent, null or empty, depending on whom one asks.
fn absent_and_empty_alike(body: &mut Value, _: Kind, random: &mut Random) {
    for booking in BOOKINGS {
        let Some(booking) = body["data"].get_mut(booking).and_then(Value::as_object_mut) else {
            continue;
        };
        if booking.get("canceled_by").is_some_and(|by| by == "") {
            booking.remove("canceled_by");
        }
        for key in ["comment", "insurance", "canceled_at", "address_service"] {
            booking.entry(key).or_insert(Value::Null);
        }
        if random.chance(0.5) && booking.get("comment").is_some_and(Value::is_null) {
            booking.insert("comment".to_owned(), "".into());
        }
    }
}

/// A repeat may be written later, where that makes no other fact of it; and prose, if not the
/// specification, writes `booking-cancelled`.
fn later_and_in_british_english(body: &mut Value, kind: Kind, random: &mut Random) {
    if kind == Kind::BookingCanceled {
        body["name"] = "booking-cancelled".into();
    }
    if kind.is_told_apart_by_created_at() {
        return;
    }
    let written = body["created_at"].as_str().map(DateTime::parse_from_rfc3339);
    if let Some(Ok(written)) = written {
        let later = written + Duration::minutes(*random.pick(&[1, 5, 10, 15, 60 * 24 * 3]));
        body["created_at"] = later.to_rfc3339().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn booked() -> Value {
        json!({
            "name": "slot-booked",
            "data": {
                "facility": { "id": "1" }, "doctor": { "id": "2" }, "address": { "id": "3" },
                "visit_booking": {
                    "id": "4", "duration": 30, "canceled_by": "", "visit_payment": true,
                    "address_service": { "id": "5" },
                },
            },
            "created_at": "2026-05-01T10:00:00+02:00",
        })
    }

    fn told(way: fn(&mut Value, Kind, &mut Random), kind: Kind) -> Value {
        let mut body = booked();
        way(&mut body, kind, &mut Random::new(1, "tests"));
        body
    }

    #[test]
    fn each_way_changes_its_part() {
        let numeric = told(numeric_ids, Kind::SlotBooked);
        assert_eq!(numeric["data"]["address"]["id"], 3);
        assert_eq!(numeric["data"]["visit_booking"]["address_service"]["id"], 5);

        let words = told(duration_in_words, Kind::SlotBooked);
        assert_eq!(words["data"]["visit_booking"]["duration"], "30");

        let payment = told(payment_in_the_service, Kind::SlotBooked);
        let booking = &payment["data"]["visit_booking"];
        assert_eq!(booking["address_service"]["visit_payment"], true);
        assert_eq!(booking.get("visit_payment"), None);

        let linked = told(links, Kind::SlotBooked);
        let own = &linked["data"]["address"]["_links"]["self"]["href"];
        assert_eq!(own, "/api/v3/integration/facilities/1/doctors/2/addresses/3");

        let empty = told(absent_and_empty_alike, Kind::SlotBooked);
        assert_eq!(empty["data"]["visit_booking"].get("canceled_by"), None);
        assert!(empty["data"]["visit_booking"].get("insurance").unwrap().is_null());
    }

    #[test]
    fn created_at_changes_only_where_it_makes_no_other_fact() {
        let way = later_and_in_british_english;

        assert_eq!(told(way, Kind::BookingCanceled)["name"], "booking-cancelled");
        assert_ne!(told(way, Kind::SlotBooked)["created_at"], booked()["created_at"]);
        assert_eq!(told(way, Kind::BookingConfirmed), booked());
        assert_eq!(told(way, Kind::PresenceMarked), booked());
    }
}
