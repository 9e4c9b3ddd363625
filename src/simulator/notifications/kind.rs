//! The kinds of notifications and how often each comes.

use std::fmt;

use serde::Serialize;

/// A kind of notification: the 17 of the specification, version 1.14.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum Kind {
    /// A question: may this be booked?
    SlotBooking,
    SlotBooked,
    BookingConfirmed,
    /// A question: may this be moved?
    BookingMoving,
    BookingMoved,
    BookingPaymentStatusChanged,
    PresenceMarked,
    BookingCanceled,
    BreakCreated,
    BreakMoved,
    BreakRemoved,
    AddressServiceCreated,
    AddressServiceChanged,
    AddressServiceDeleted,
    AddressCommercialTypeChanged,
    AddressUnassigned,
    AddressAssigned,
}

impl Kind {
    /// In an order in which they can happen.
    pub const ALL: [Self; 17] = [
        Self::SlotBooking,
        Self::SlotBooked,
        Self::BookingConfirmed,
        Self::BookingMoving,
        Self::BookingMoved,
        Self::BookingPaymentStatusChanged,
        Self::PresenceMarked,
        Self::BookingCanceled,
        Self::BreakCreated,
        Self::BreakMoved,
        Self::BreakRemoved,
        Self::AddressServiceCreated,
        Self::AddressServiceChanged,
        Self::AddressServiceDeleted,
        Self::AddressCommercialTypeChanged,
        Self::AddressUnassigned,
        Self::AddressAssigned,
    ];

    /// Its `name` on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlotBooking => "slot-booking",
            Self::SlotBooked => "slot-booked",
            Self::BookingConfirmed => "booking-confirmed",
            Self::BookingMoving => "booking-moving",
            Self::BookingMoved => "booking-moved",
            Self::BookingPaymentStatusChanged => "booking-payment-status-changed",
            Self::PresenceMarked => "presence-marked",
            Self::BookingCanceled => "booking-canceled",
            Self::BreakCreated => "break-created",
            Self::BreakMoved => "break-moved",
            Self::BreakRemoved => "break-removed",
            Self::AddressServiceCreated => "address-service-created",
            Self::AddressServiceChanged => "address-service-changed",
            Self::AddressServiceDeleted => "address-service-deleted",
            Self::AddressCommercialTypeChanged => "address-commercial-type-changed",
            Self::AddressUnassigned => "address-unassigned",
            Self::AddressAssigned => "address-assigned",
        }
    }

    /// Whether it asks something that has to be answered at once, rather than tells a fact.
    #[must_use]
    pub fn is_question(self) -> bool {
        matches!(self, Self::SlotBooking | Self::BookingMoving)
    }

    /// Whether two notifications of the kind that differ in `created_at` alone tell two facts:
    /// these have nothing else to tell the second time from the first.
    #[must_use]
    pub fn is_told_apart_by_created_at(self) -> bool {
        match self {
            Self::SlotBooked
            | Self::BookingMoved
            | Self::BookingPaymentStatusChanged
            | Self::BookingCanceled
            | Self::BreakCreated
            | Self::BreakRemoved => false,
            Self::SlotBooking
            | Self::BookingMoving
            | Self::BookingConfirmed
            | Self::PresenceMarked
            | Self::BreakMoved
            | Self::AddressServiceCreated
            | Self::AddressServiceChanged
            | Self::AddressServiceDeleted
            | Self::AddressCommercialTypeChanged
            | Self::AddressUnassigned
            | Self::AddressAssigned => true,
        }
    }

    /// How often it comes in the realistic mix, in a hundred. An estimate: Docplanner publishes
    /// no numbers.
    fn realistic_weight(self) -> f64 {
        match self {
            Self::SlotBooked => 48.0,
            Self::BookingCanceled => 14.0,
            Self::BookingConfirmed => 11.0,
            Self::BookingMoved | Self::PresenceMarked => 8.0,
            Self::BookingPaymentStatusChanged | Self::BreakCreated => 3.0,
            Self::SlotBooking => 1.0,
            Self::BookingMoving | Self::BreakMoved | Self::BreakRemoved => 0.7,
            Self::AddressServiceChanged => 0.6,
            Self::AddressServiceCreated | Self::AddressServiceDeleted => 0.3,
            Self::AddressCommercialTypeChanged => 0.2,
            Self::AddressUnassigned | Self::AddressAssigned => 0.1,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often each kind comes, by weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix([f64; 17]);

impl Mix {
    /// Mostly bookings and what becomes of them.
    #[must_use]
    pub fn realistic() -> Self {
        Self(Kind::ALL.map(Kind::realistic_weight))
    }

    /// Nothing, to be filled by [`with`](Self::with). A kind that needs a booking, a break or a
    /// service makes one first where there is none.
    #[must_use]
    pub fn none() -> Self {
        Self([0.0; 17])
    }

    /// The same, with another weight for this kind.
    #[must_use]
    pub fn with(mut self, kind: Kind, weight: f64) -> Self {
        for (slot, _) in self.0.iter_mut().zip(Kind::ALL).filter(|(_, known)| *known == kind) {
            *slot = weight.max(0.0);
        }
        self
    }

    pub(super) fn weights(&self) -> impl Iterator<Item = f64> + Clone {
        self.0.iter().copied()
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        self.weights().zip(Kind::ALL).any(|(weight, known)| known == kind && weight > 0.0)
    }
}

impl Default for Mix {
    fn default() -> Self {
        Self::realistic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_are_there_once_and_named_alike_everywhere() {
        let names: std::collections::BTreeSet<_> = Kind::ALL.map(Kind::as_str).into();
        assert_eq!(names.len(), 17);
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_mix_has_what_it_was_given() {
        let mix = Mix::none().with(Kind::BreakCreated, 2.0);

        assert!(mix.has(Kind::BreakCreated));
        assert!(!mix.has(Kind::SlotBooked));
        assert!(Kind::ALL.iter().all(|kind| Mix::realistic().has(*kind)));
    }
}
