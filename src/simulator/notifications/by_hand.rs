//! Notifications about bookings that somebody has in mind, rather than of chance.

use chrono::{DateTime, FixedOffset};
use serde_json::{Value, json};

use super::bodies::{self, Parts};
use super::life::Place;
use super::{Change, Generated, Ids, Kind};
use crate::simulator::world::{Booking, World};

/// Tells what happens to bookings in a world.
#[derive(Debug, Clone)]
pub struct Teller {
    world: World,
    told: usize,
}

impl Teller {
    /// Of bookings at the addresses of this world.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self { world, told: 0 }
    }

    /// `slot-booked`. `None` if there is no such address; likewise below.
    pub fn booked(&mut self, booking: &Booking) -> Option<Generated> {
        let at = booking.booked_at;
        self.about(Kind::SlotBooked, booking, bodies::BOOKED, json!({}), at)
    }

    /// `booking-canceled`, by its patient.
    pub fn canceled(&mut self, booking: &Booking, at: DateTime<FixedOffset>) -> Option<Generated> {
        let canceled = booking.clone().canceled("user", at);
        self.about(Kind::BookingCanceled, &canceled, bodies::CHANGED, json!({}), at)
    }

    /// `booking-payment-status-changed` to `paid`.
    pub fn paid(&mut self, booking: &Booking, at: DateTime<FixedOffset>) -> Option<Generated> {
        let changed_at = at.to_rfc3339();
        let status =
            json!({ "status_from": "not-paid", "status_to": "paid", "changed_at": changed_at });
        let more = json!({ "visit_payment_status": status });
        let paid = booking.clone().with_payment("paid");
        self.about(Kind::BookingPaymentStatusChanged, &paid, bodies::PAYMENT, more, at)
    }

    /// `booking-moved`, at the same address, to a booking with another id.
    pub fn moved(
        &mut self,
        old: &Booking,
        new: &Booking,
        at: DateTime<FixedOffset>,
    ) -> Option<Generated> {
        let place = Place::of(&self.world, &new.address_id)?;
        let old = old.clone().canceled("user", at);
        let subject = json!({
            "old_visit_booking": bodies::booking(&old, &place, bodies::CHANGED),
            "new_visit_booking": bodies::booking(new, &place, bodies::CHANGED),
        });
        let previous_booking = Some(old.id.clone());
        let ids = Ids { booking: Some(new.id.clone()), previous_booking, ..place.ids() };
        let body = bodies::envelope(Kind::BookingMoved, &place, subject, at);
        let changes = [old, new.clone()].map(|booking| Change::Booking(Box::new(booking)));
        Some(self.tell(Kind::BookingMoved, &body, ids, changes.into()))
    }

    fn about(
        &mut self,
        kind: Kind,
        booking: &Booking,
        parts: Parts,
        more: Value,
        at: DateTime<FixedOffset>,
    ) -> Option<Generated> {
        let place = Place::of(&self.world, &booking.address_id)?;
        let mut subject = json!({ "visit_booking": bodies::booking(booking, &place, parts) });
        if let (Value::Object(subject), Value::Object(more)) = (&mut subject, more) {
            subject.extend(more);
        }
        let ids = Ids { booking: Some(booking.id.clone()), ..place.ids() };
        let changes = vec![Change::Booking(Box::new(booking.clone()))];
        Some(self.tell(kind, &bodies::envelope(kind, &place, subject, at), ids, changes))
    }

    fn tell(&mut self, kind: Kind, body: &Value, ids: Ids, changes: Vec<Change>) -> Generated {
        let index = self.told;
        self.told += 1;
        Generated {
            index,
            kind,
            name: kind.as_str().to_owned(),
            body: body.to_string(),
            ids,
            duplicate_of: None,
            defect: None,
            changes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_that_follows_what_is_told_agrees_with_the_changes() {
        let at = "2026-05-01T10:00:00+02:00".parse().unwrap();
        let guide = World::guide();
        let mut teller = Teller::new(guide.clone());
        let booking = Booking::new("1", "234", at).with_payment("new");
        let moved = Booking { id: "2".to_owned(), ..booking.clone() };
        let (mut told, mut changed) = (guide.clone(), guide);

        for notification in [
            teller.booked(&booking),
            teller.paid(&booking, at),
            teller.moved(&booking, &moved, at),
            teller.canceled(&moved, at),
        ] {
            let notification = notification.unwrap();
            told.follow(&serde_json::from_str(&notification.body).unwrap());
            notification.apply_to(&mut changed);
        }

        let statuses = |world: &World| ["1", "2"].map(|id| world.booking(id).unwrap().status);
        assert_eq!(statuses(&told), statuses(&changed));
    }

    #[test]
    fn nothing_happens_where_nobody_is() {
        let at = "2026-05-01T10:00:00+02:00".parse().unwrap();
        assert_eq!(Teller::new(World::guide()).booked(&Booking::new("1", "999", at)), None);
    }
}
