//! How the notifications about bookings come about.

use chrono::Utc;
use serde_json::json;

use super::Change;
use super::bodies;
use super::kind::Kind;
use super::life::{Fact, Life, Payment, Visit};
use super::people::who;
use crate::simulator::world::{Booking, Moving};

impl Life {
    /// With `to_pay` it is one with a payment, whatever the address says.
    pub(super) fn slot_booked(&mut self, to_pay: bool) -> Fact {
        let place = self.pick_place(|place| !to_pay || place.address.visit_payment);
        let id = self.next_id();
        let mut booking =
            self.people.booking(id, &self.places[place], self.clock, &mut self.random);
        if to_pay {
            "user".clone_into(&mut booking.booked_by);
            booking = booking.with_payment("new");
        }
        let payment = self.new_payment(&booking);
        let visit = Visit { place, booking, earlier: Vec::new(), payment };
        let fact = self.booking_fact(Kind::SlotBooked, &visit, bodies::BOOKED, json!({}));
        self.put_visit(visit);
        fact
    }

    pub(super) fn slot_booking(&mut self) -> Fact {
        let place = self.pick_any_place();
        let booking =
            self.people.booking(String::new(), &self.places[place], self.clock, &mut self.random);
        let request = bodies::booking_request(&booking, &self.places[place]);
        self.fact(Kind::SlotBooking, place, json!({ "visit_booking_request": request }))
    }

    pub(super) fn booking_confirmed(&mut self) -> Fact {
        let is_open = |visit: &Visit| !visit.booking.confirmed;
        let Some(mut visit) = self.take_visit(is_open) else { return self.slot_booked(false) };
        visit.booking.confirmed = true;
        let fact = self.booking_fact(Kind::BookingConfirmed, &visit, bodies::CONFIRMED, json!({}));
        self.put_visit(visit);
        fact
    }

    pub(super) fn booking_moving(&mut self) -> Fact {
        let Some(visit) = self.take_visit(|_| true) else { return self.slot_booked(false) };
        let by = who(&mut self.random, [40.0, 60.0, 0.0]);
        let new = self.moved_booking(&visit.booking, by);
        let (place, now) = (&self.places[visit.place], self.now());
        let subject = json!({
            "canceling_booking": bodies::canceling_booking(&visit.booking, place, by, now),
            "creating_booking": bodies::creating_booking(&new, place),
        });
        let mut fact = self.fact(Kind::BookingMoving, visit.place, subject);
        fact.ids.previous_booking = Some(visit.booking.id.clone());
        self.put_visit(visit);
        fact
    }

    /// A move cancels the old booking and makes a new one, which inherits what is to be paid.
    pub(super) fn booking_moved(&mut self) -> Fact {
        let Some(visit) = self.take_visit(|visit| visit.booking.presence.is_none()) else {
            return self.slot_booked(false);
        };
        let by = who(&mut self.random, [40.0, 57.0, 3.0]);
        let new = self.moved_booking(&visit.booking, by);
        let old = visit.booking.canceled(by, self.now());
        let place = &self.places[visit.place];
        let subject = json!({
            "old_visit_booking": bodies::booking(&old, place, bodies::CHANGED),
            "new_visit_booking": bodies::booking(&new, place, bodies::CHANGED),
        });
        let mut fact = self.fact(Kind::BookingMoved, visit.place, subject);
        fact.ids.previous_booking = Some(old.id.clone());
        fact.ids.booking = Some(new.id.clone());
        let mut earlier = visit.earlier;
        earlier.push(old);
        for booking in &mut earlier {
            booking.moving.clone_from(&new.moving);
        }
        let changed = earlier.iter().chain([&new]).cloned();
        fact.changes.extend(changed.map(|booking| Change::Booking(Box::new(booking))));
        self.put_visit(Visit { booking: new, earlier, ..visit });
        fact
    }

    fn moved_booking(&mut self, old: &Booking, by: &str) -> Booking {
        let id = self.next_id();
        let start_at = self.people.visit_time(self.clock, &mut self.random);
        let origin = old.moving.as_ref().map_or(&old.id, |moving| &moving.origin_booking_id);
        Booking {
            start_at,
            end_at: start_at + (old.end_at - old.start_at),
            booked_by: by.to_owned(),
            booked_at: self.now(),
            confirmed: false,
            moving: Some(Moving {
                origin_booking_id: origin.clone(),
                newest_booking_id: id.clone(),
            }),
            id,
            ..old.clone()
        }
    }

    pub(super) fn booking_canceled(&mut self) -> Fact {
        let Some(mut visit) = self.take_visit(|_| true) else { return self.slot_booked(false) };
        let by = who(&mut self.random, [70.0, 26.0, 4.0]);
        visit.booking = visit.booking.canceled(by, self.now());
        if let Payment::Pending(..) = visit.payment {
            visit.booking.visit_payment_status = Some("canceled".to_owned());
        }
        self.booking_fact(Kind::BookingCanceled, &visit, bodies::CHANGED, json!({}))
    }

    pub(super) fn presence_marked(&mut self) -> Fact {
        let now = self.clock;
        let has_begun = |visit: &Visit| visit.booking.start_at.with_timezone(&Utc) <= now;
        let Some(mut visit) = self.take_visit(has_begun) else { return self.slot_booked(false) };
        let is_present = self.random.chance(0.85);
        visit.booking.presence = Some(is_present);
        let presence = json!({ "presence": if is_present { "PRESENT" } else { "ABSENT" } });
        self.booking_fact(Kind::PresenceMarked, &visit, bodies::PRESENCE, presence)
    }
}
