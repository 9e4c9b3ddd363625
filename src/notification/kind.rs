//! The kinds of notification by their names on the wire.

/// The kinds of notification; names as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the wire name spelled in Rust")]
pub enum Kind {
    SlotBooking,
    SlotBooked,
    BookingCanceled,
    BookingMoved,
    BookingMoving,
    BookingConfirmed,
    BookingPaymentStatusChanged,
    PresenceMarked,
    BreakCreated,
    BreakMoved,
    BreakRemoved,
    AddressServiceCreated,
    AddressServiceChanged,
    AddressServiceDeleted,
    AddressCommercialTypeChanged,
    AddressAssigned,
    AddressUnassigned,
    /// A name that this version does not know.
    Unrecognized,
}

impl Kind {
    /// Every kind, the unrecognized one last.
    pub const ALL: [Kind; 18] = [
        Kind::SlotBooking,
        Kind::SlotBooked,
        Kind::BookingCanceled,
        Kind::BookingMoved,
        Kind::BookingMoving,
        Kind::BookingConfirmed,
        Kind::BookingPaymentStatusChanged,
        Kind::PresenceMarked,
        Kind::BreakCreated,
        Kind::BreakMoved,
        Kind::BreakRemoved,
        Kind::AddressServiceCreated,
        Kind::AddressServiceChanged,
        Kind::AddressServiceDeleted,
        Kind::AddressCommercialTypeChanged,
        Kind::AddressAssigned,
        Kind::AddressUnassigned,
        Kind::Unrecognized,
    ];

    /// The kind that `name` stands for. The online-features guide spells `booking-cancelled` in its
    /// prose; both spellings are one kind.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        if name == "booking-cancelled" {
            return Kind::BookingCanceled;
        }
        Self::ALL
            .into_iter()
            .find(|kind| *kind != Kind::Unrecognized && kind.name() == name)
            .unwrap_or(Kind::Unrecognized)
    }

    /// The name on the wire, which is also the label in metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::SlotBooking => "slot-booking",
            Kind::SlotBooked => "slot-booked",
            Kind::BookingCanceled => "booking-canceled",
            Kind::BookingMoved => "booking-moved",
            Kind::BookingMoving => "booking-moving",
            Kind::BookingConfirmed => "booking-confirmed",
            Kind::BookingPaymentStatusChanged => "booking-payment-status-changed",
            Kind::PresenceMarked => "presence-marked",
            Kind::BreakCreated => "break-created",
            Kind::BreakMoved => "break-moved",
            Kind::BreakRemoved => "break-removed",
            Kind::AddressServiceCreated => "address-service-created",
            Kind::AddressServiceChanged => "address-service-changed",
            Kind::AddressServiceDeleted => "address-service-deleted",
            Kind::AddressCommercialTypeChanged => "address-commercial-type-changed",
            Kind::AddressAssigned => "address-assigned",
            Kind::AddressUnassigned => "address-unassigned",
            Kind::Unrecognized => "unrecognized",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_name_and_by_nothing_like_it() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), kind);
        }
        assert_eq!(Kind::from_name("booking-cancelled"), Kind::BookingCanceled);
        for unknown in ["", "Slot-Booked", " slot-booked", "slot_booked", "slot-booked2", "slots"] {
            assert_eq!(Kind::from_name(unknown), Kind::Unrecognized, "{unknown:?}");
        }
    }
}
