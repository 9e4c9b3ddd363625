//! What happens to a booking, in short: for tests that play Docplanner by hand.

use chrono::{DateTime, Duration, FixedOffset};
use serde_json::Value;

use super::{Booking, BookingStatus, Moving, World};

/// How long a patient has to pay, by the guide page.
const PAYMENT_WINDOW: Duration = Duration::minutes(90);

/// Things that happen. A booking that does not exist is a mistake in the test, so all panic.
impl World {
    /// The payment is now `new`, `in_progress`, `successful`, `failed`, …; if there was nothing to pay,
    /// there is now.
    ///
    /// # Panics
    ///
    /// If there is no such booking.
    pub fn set_payment_status(&mut self, id: &str, status: &str) {
        let booking = self.existing(id);
        booking.visit_payment = Some(true);
        booking.visit_payment_status = Some(status.to_owned());
    }

    /// The booking is canceled at the end of the payment window, as when nobody pays. Its payment stays
    /// as it is.
    ///
    /// # Panics
    ///
    /// If there is no such booking.
    pub fn cancel_booking(&mut self, id: &str) {
        let booking = self.existing(id);
        *booking = booking.clone().canceled("user", booking.booked_at + PAYMENT_WINDOW);
    }

    /// The booking is moved: it is canceled, and one with a new id takes its place and its payment. Gives
    /// the new one, whose time and address can be changed.
    ///
    /// # Panics
    ///
    /// If there is no such booking.
    pub fn move_booking(&mut self, id: &str, new_id: &str) -> &mut Booking {
        let old = self.existing(id).clone();
        let origin = old.moving.as_ref().map_or(id, |moving| &moving.origin_booking_id).to_owned();
        let newest_booking_id = new_id.to_owned();
        let moving = Some(Moving { origin_booking_id: origin.clone(), newest_booking_id });
        let new = Booking { id: new_id.to_owned(), moving: moving.clone(), ..old.clone() };
        let at = old.booked_at;
        self.insert_booking(Booking { moving, ..old }.canceled("user", at));
        self.insert_booking(new);
        self.renew_chain(&origin, new_id);
        self.existing(new_id)
    }

    /// All bookings of a chain name its newest one.
    fn renew_chain(&mut self, origin: &str, newest: &str) {
        let moved = self.bookings.values_mut().filter_map(|booking| booking.moving.as_mut());
        for moving in moved.filter(|moving| moving.origin_booking_id == origin) {
            newest.clone_into(&mut moving.newest_booking_id);
        }
    }

    /// What a notification about a booking tells has happened: `slot-booked`, `booking-canceled`,
    /// `booking-moved` or `booking-payment-status-changed`.
    ///
    /// # Panics
    ///
    /// If it tells something else, or goes on with a booking that does not exist.
    pub fn follow(&mut self, notification: &Value) {
        let data = &notification["data"];
        let id = |booking: &str| text(&data[booking]["id"]).unwrap_or_default();
        match notification["name"].as_str() {
            Some("slot-booked") => {
                self.insert_booking(told(&data["visit_booking"], &data["address"]));
            }
            Some("booking-canceled") => self.cancel_booking(&id("visit_booking")),
            Some("booking-moved") => {
                let new = told(&data["new_visit_booking"], &data["address"]);
                let moved = self.move_booking(&id("old_visit_booking"), &new.id);
                moved.address_id = new.address_id;
                (moved.start_at, moved.end_at) = (new.start_at, new.end_at);
                moved.booked_at = new.booked_at;
            }
            Some("booking-payment-status-changed") => {
                let status = text(&data["visit_payment_status"]["status_to"]).unwrap_or_default();
                self.set_payment_status(&id("visit_booking"), &status);
            }
            name => panic!("{name:?} does not tell what becomes of a booking"),
        }
    }

    fn existing(&mut self, id: &str) -> &mut Booking {
        self.booking_mut(id).unwrap_or_else(|| panic!("there is no booking {id}"))
    }
}

/// A new booking as a notification tells of it.
fn told(booking: &Value, address: &Value) -> Booking {
    let service = &booking["address_service"];
    let start_at = moment(&booking["start_at"]).unwrap_or_default();
    let must_be_paid = [booking, service].map(|it| it["visit_payment"].as_bool());
    let must_be_paid = must_be_paid.into_iter().flatten().next();
    let usual = Booking::new(
        &text(&booking["id"]).unwrap_or_default(),
        &text(&address["id"]).unwrap_or_default(),
        start_at,
    );
    Booking {
        service_id: text(&service["id"]),
        status: BookingStatus::Booked,
        end_at: moment(&booking["end_at"]).unwrap_or(usual.end_at),
        booked_by: text(&booking["booked_by"]).unwrap_or(usual.booked_by),
        booked_at: moment(&booking["booked_at"]).unwrap_or(usual.booked_at),
        comment: text(&booking["comment"]),
        visit_payment: must_be_paid,
        visit_payment_status: (must_be_paid == Some(true)).then(|| "new".to_owned()),
        videocall_url: text(&booking["videocall_url"]),
        ..usual
    }
}

/// Ids come as strings or as numbers.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn moment(value: &Value) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn world_with(id: &str) -> World {
        let mut world = World::sample();
        let start_at = "2026-05-01T10:00:00+02:00".parse().unwrap();
        world.insert_booking(Booking::new(id, "410151", start_at).with_payment("new"));
        world
    }

    fn newest(world: &World, id: &str) -> String {
        world.booking(id).unwrap().moving.as_ref().unwrap().newest_booking_id.clone()
    }

    #[test]
    fn a_move_cancels_and_every_booking_of_the_chain_names_the_newest() {
        let mut world = world_with("1");

        world.move_booking("1", "2").address_id = "410150".to_owned();
        world.move_booking("2", "3");

        assert_eq!(["1", "2", "3"].map(|id| newest(&world, id)), ["3"; 3]);
        let status = |id| world.booking(id).unwrap().status;
        assert_eq!(["1", "2"].map(status), [BookingStatus::Canceled; 2]);
        let now = world.booking("3").unwrap();
        assert_eq!(now.status, BookingStatus::Booked);
        assert_eq!(now.address_id, "410150");
        assert_eq!(now.visit_payment_status.as_deref(), Some("new"));
        assert_eq!(now.canceled_at, None);
    }

    #[test]
    fn a_world_follows_what_it_is_told() {
        let mut world = World::sample();
        let booking = json!({
            "id": 77, "start_at": "2026-05-01T10:00:00+02:00", "end_at": "2026-05-01T10:20:00+02:00",
            "booked_at": "2026-04-30T10:00:00+02:00", "videocall_url": "https://call.example/77",
            "address_service": { "id": "243667", "visit_payment": true },
        });
        let tell = |world: &mut World, name: &str, mut data: Value| {
            data["address"] = json!({ "id": "410151" });
            world.follow(&json!({ "name": name, "data": data }));
        };

        tell(&mut world, "slot-booked", json!({ "visit_booking": booking }));
        let booked = world.booking("77").unwrap().clone();
        assert_eq!(booked.visit_payment_status.as_deref(), Some("new"));
        assert_eq!(booked.videocall_url.as_deref(), Some("https://call.example/77"));
        assert_eq!((booked.end_at - booked.start_at).num_minutes(), 20);

        let mut new = booking.clone();
        new["id"] = "78".into();
        new["start_at"] = "2026-05-02T10:00:00+02:00".into();
        let moved = json!({ "old_visit_booking": booking, "new_visit_booking": new });
        tell(&mut world, "booking-moved", moved);
        assert_eq!(newest(&world, "77"), "78");
        assert_eq!(world.booking("78").unwrap().videocall_url, booked.videocall_url);
        assert_eq!(world.booking("78").unwrap().start_at, booked.start_at + Duration::days(1));

        let status = json!({ "status_from": "not-paid", "status_to": "paid" });
        let paid = json!({ "visit_booking": new, "visit_payment_status": status });
        tell(&mut world, "booking-payment-status-changed", paid);
        assert_eq!(world.booking("78").unwrap().visit_payment_status.as_deref(), Some("paid"));

        tell(&mut world, "booking-canceled", json!({ "visit_booking": new }));
        assert_eq!(world.booking("78").unwrap().status, BookingStatus::Canceled);
    }
}
