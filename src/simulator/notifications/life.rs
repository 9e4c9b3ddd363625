//! What happens in a world, one fact after the other.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, FixedOffset, Utc};
use serde_json::{Value, json};

use super::bodies::{self, Parts};
use super::kind::Kind;
use super::people::People;
use super::{Change, Ids};
use crate::simulator::random::Random;
use crate::simulator::world::{Address, Booking, Country, Doctor, Facility, Id, Service, World};

/// How many bookings go on at once. Larger costs memory; smaller lets fewer of them end.
const OPEN_VISITS: usize = 2000;

/// An address with all that a notification tells about it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) facility: Facility,
    pub(super) doctor: Doctor,
    pub(super) address: Address,
    pub(super) services: Vec<Service>,
    pub(super) is_assigned: bool,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) kind: Kind,
    pub(super) body: Value,
    pub(super) ids: Ids,
    pub(super) changes: Vec<Change>,
}

/// A booking that can still change.
pub(super) struct Visit {
    pub(super) place: usize,
    pub(super) booking: Booking,
    /// What it was moved from, first to last: all of a chain name its newest booking.
    pub(super) earlier: Vec<Booking>,
    pub(super) payment: Payment,
}

/// What becomes of the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payment {
    /// There is nothing to pay.
    None,
    /// It will be settled at that moment, and told or not.
    Pending(DateTime<Utc>, Settlement),
    /// It is paid.
    Paid,
}

/// How a payment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    /// With a notification.
    Told,
    /// As on the guide page: nothing changes.
    Silent,
    /// Docplanner cancels the booking after 90 minutes.
    Failed,
}

pub(super) struct Break {
    pub(super) place: usize,
    pub(super) id: Id,
    pub(super) since: DateTime<FixedOffset>,
    pub(super) till: DateTime<FixedOffset>,
}

/// The state of a world over time.
pub(super) struct Life {
    pub(super) random: Random,
    pub(super) country: Country,
    pub(super) people: People,
    pub(super) clock: DateTime<Utc>,
    pub(super) places: Vec<Place>,
    pub(super) open: Vec<Visit>,
    pub(super) breaks: Vec<Break>,
    /// When the pending payments are settled, by booking.
    settlements: BTreeSet<(DateTime<Utc>, Id)>,
    /// Changes without a notification of their own.
    pub(super) untold: Vec<Change>,
    last_id: u64,
}

impl Place {
    /// An address of a world.
    pub(super) fn of(world: &World, address_id: &str) -> Option<Self> {
        let address = world.address(address_id)?;
        Some(Self {
            facility: world.facility(&address.facility_id)?.clone(),
            doctor: world.doctor(&address.doctor_id)?.clone(),
            services: world.services_of(&address.id).cloned().collect(),
            address: address.clone(),
            is_assigned: true,
        })
    }

    /// The service of one of its bookings.
    pub(super) fn service(&self, booking: &Booking) -> Option<&Service> {
        let id = booking.service_id.as_ref()?;
        self.services.iter().find(|service| service.id == *id)
    }

    pub(super) fn ids(&self) -> Ids {
        Ids {
            facility: self.facility.id.clone(),
            doctor: self.doctor.id.clone(),
            address: self.address.id.clone(),
            ..Ids::default()
        }
    }
}

impl Life {
    pub(super) fn new(seed: u64, world: &World, address_share: f64, start: DateTime<Utc>) -> Self {
        let mut random = Random::new(seed, "notifications");
        let last_id = random.between(6_000_000, 60_000_000);
        Self {
            places: places(world, address_share, &mut random),
            country: world.country,
            people: People::new(world.country),
            clock: start,
            open: Vec::new(),
            breaks: Vec::new(),
            settlements: BTreeSet::new(),
            untold: Vec::new(),
            random,
            last_id,
        }
    }

    /// Something of this kind, or what has to happen before it can.
    pub(super) fn happen(&mut self, kind: Kind) -> Fact {
        match kind {
            Kind::SlotBooking => self.slot_booking(),
            Kind::SlotBooked => self.slot_booked(false),
            Kind::BookingConfirmed => self.booking_confirmed(),
            Kind::BookingMoving => self.booking_moving(),
            Kind::BookingMoved => self.booking_moved(),
            Kind::BookingPaymentStatusChanged => self.payment_status_changed(),
            Kind::PresenceMarked => self.presence_marked(),
            Kind::BookingCanceled => self.booking_canceled(),
            Kind::BreakCreated => self.break_created(),
            Kind::BreakMoved => self.break_moved(),
            Kind::BreakRemoved => self.break_removed(),
            Kind::AddressServiceCreated => self.service_created(),
            Kind::AddressServiceChanged => self.service_changed(),
            Kind::AddressServiceDeleted => self.service_deleted(),
            Kind::AddressCommercialTypeChanged => self.commercial_type_changed(),
            Kind::AddressUnassigned => self.address_unassigned(),
            Kind::AddressAssigned => self.address_assigned(),
        }
    }

    /// Some minutes pass.
    pub(super) fn advance(&mut self) {
        self.clock += Duration::seconds(self.random.signed_between(5, 350));
    }

    /// Waits for the next visit to begin, if none has.
    pub(super) fn advance_to_next_visit(&mut self) {
        if let Some(start) = self.open.iter().map(|visit| visit.booking.start_at.to_utc()).min() {
            self.clock = self.clock.max(start + Duration::minutes(5));
        }
    }

    pub(super) fn now(&self) -> DateTime<FixedOffset> {
        self.country.local(self.clock)
    }

    /// Docplanner writes a notification some seconds after the fact.
    pub(super) fn fact(&mut self, kind: Kind, place: usize, subject: Value) -> Fact {
        let written = self.clock + Duration::seconds(self.random.signed_between(1, 25));
        let created_at = self.country.local(written);
        let place = &self.places[place];
        let body = bodies::envelope(kind, place, subject, created_at);
        let changes = std::mem::take(&mut self.untold);
        Fact { kind, body, ids: place.ids(), changes }
    }

    /// A fact about one booking, as it is now.
    pub(super) fn booking_fact(
        &mut self,
        kind: Kind,
        visit: &Visit,
        parts: Parts,
        more: Value,
    ) -> Fact {
        let body = bodies::booking(&visit.booking, &self.places[visit.place], parts);
        let mut subject = json!({ "visit_booking": body });
        if let (Value::Object(subject), Value::Object(more)) = (&mut subject, more) {
            subject.extend(more);
        }
        let mut fact = self.fact(kind, visit.place, subject);
        fact.ids.booking = Some(visit.booking.id.clone());
        fact.changes.push(Change::Booking(Box::new(visit.booking.clone())));
        fact
    }

    pub(super) fn next_id(&mut self) -> Id {
        self.last_id += self.random.between(1, 9);
        self.last_id.to_string()
    }

    /// One of the places a doctor works at now, if possible of the wanted sort.
    pub(super) fn pick_place(&mut self, is_wanted: impl Fn(&Place) -> bool) -> usize {
        let count = self.places.len();
        let from = self.random.index(count);
        let around = || (0..count).map(|step| (from + step) % count);
        let assigned = |index: &usize| self.places[*index].is_assigned;
        around()
            .filter(assigned)
            .find(|index| is_wanted(&self.places[*index]))
            .or_else(|| around().find(assigned))
            .unwrap_or(from)
    }

    pub(super) fn pick_any_place(&mut self) -> usize {
        self.pick_place(|_| true)
    }

    /// Takes a visit out of the open ones. Whoever goes on with it puts it back.
    pub(super) fn take_visit(&mut self, is_wanted: impl Fn(&Visit) -> bool) -> Option<Visit> {
        let count = self.open.len();
        if count == 0 {
            return None;
        }
        let from = self.random.index(count);
        let mut around = (0..count).map(|step| (from + step) % count);
        let found = around.find(|index| is_wanted(&self.open[*index]))?;
        Some(self.take_visit_at(found))
    }

    fn take_visit_at(&mut self, index: usize) -> Visit {
        let visit = self.open.swap_remove(index);
        if let Payment::Pending(at, _) = visit.payment {
            self.settlements.remove(&(at, visit.booking.id.clone()));
        }
        visit
    }

    pub(super) fn put_visit(&mut self, visit: Visit) {
        if let Payment::Pending(at, _) = visit.payment {
            self.settlements.insert((at, visit.booking.id.clone()));
        }
        self.open.push(visit);
        if self.open.len() > OPEN_VISITS {
            let index = self.random.index(OPEN_VISITS);
            self.take_visit_at(index);
        }
    }

    /// A visit whose payment is to be settled by now.
    pub(super) fn take_due_visit(&mut self) -> Option<Visit> {
        let (at, id) = self.settlements.first()?;
        if *at > self.clock {
            return None;
        }
        let index = self.open.iter().position(|visit| visit.booking.id == *id)?;
        Some(self.take_visit_at(index))
    }
}

fn places(world: &World, share: f64, random: &mut Random) -> Vec<Place> {
    let mut places: Vec<Place> =
        world.addresses().filter_map(|address| Place::of(world, &address.id)).collect();
    let float = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let wanted = float(places.len()) * share;
    let kept = (0..places.len()).take_while(|count| float(*count) < wanted).count().max(1);
    while places.len() > kept {
        let gone = random.index(places.len());
        places.swap_remove(gone);
    }
    places
}
