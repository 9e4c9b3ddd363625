//! What Docplanner told us: the 17 kinds of notification of its integrations API, decoded once at the door.
//!
//! Everything behind [`Notification::decode`] works with checked facts and never looks at the
//! JSON again.

mod answered;
mod chain;
mod decode;
mod key;
mod kind;
mod payment_status;
mod values;
mod wire;

use chrono::{DateTime, FixedOffset, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

pub use self::{
    answered::AnsweredBooking,
    chain::{Chain, Position, Role},
    decode::DecodeError,
    key::{Content, IdempotencyKey},
    kind::Kind,
    payment_status::PaymentStatus,
    values::presentable_id,
};
use crate::private::Private;

/// A moment with the offset it came with.
pub type Moment = DateTime<FixedOffset>;

/// One notification, decoded.
#[derive(Debug, Clone)]
pub struct Notification {
    /// When Docplanner says it created the notification. A repeat may carry another value.
    pub created_at: Option<Moment>,
    /// Where: the facility, the doctor and the address.
    pub place: Place,
    /// What happened.
    pub fact: Fact,
}

/// What happened, with what its kind needs, already checked.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each variant is its kind; see `Kind`")]
#[expect(clippy::large_enum_variant, reason = "one per delivery; a box would cost each of them")]
pub enum Fact {
    SlotBooked(Booking),
    BookingCanceled(Booking),
    /// A move cancels the old booking and makes a new one with a new id.
    BookingMoved {
        old: Booking,
        new: Booking,
    },
    BookingConfirmed(Booking),
    PaymentStatusChanged {
        booking: Booking,
        change: PaymentChange,
    },
    PresenceMarked {
        booking: Booking,
        presence: Presence,
    },
    BreakCreated(Break),
    BreakMoved(Break),
    BreakRemoved(Break),
    AddressServiceCreated(Service),
    AddressServiceChanged(Service),
    AddressServiceDeleted(Service),
    AddressCommercialTypeChanged,
    AddressAssigned,
    AddressUnassigned,
    /// `slot-booking` or `booking-moving`: a question that the relay answered within seconds; not
    /// a fact, so there is nothing to publish.
    Question(Kind),
    /// A kind that this version does not know, with its `data` as it came.
    Unrecognized {
        name: String,
        raw: Private<Box<RawValue>>,
    },
}

/// Where something happened. The ids are present for every known kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    /// The clinic.
    pub facility: Facility,
    /// The doctor.
    pub doctor: Doctor,
    /// One doctor at one place: the thing that has a calendar.
    pub address: Address,
}

/// A clinic.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facility {
    /// Docplanner's id; absent only in an unrecognized notification.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// A doctor.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Doctor {
    /// Docplanner's id; absent only in an unrecognized notification.
    pub id: Option<String>,
    /// Given name.
    pub name: Option<String>,
    /// Family name.
    pub surname: Option<String>,
}

/// One doctor at one place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Address {
    /// Docplanner's id; absent only in an unrecognized notification.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// Post code.
    pub post_code: Option<String>,
    /// City; most notifications do not carry it.
    pub city: Option<String>,
    /// `premium`, `saas-only` or `basic`, where the kind carries it.
    pub commercial_type: Option<String>,
}

/// Where a booking is found at the API: there is no lookup by its id alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the ids of the path to it")]
pub struct Visit {
    pub facility_id: String,
    pub doctor_id: String,
    pub address_id: String,
    pub booking_id: String,
}

/// A booked visit.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "named as in the API's BookingNotification schema")]
pub struct Booking {
    pub id: String,
    pub status: Option<String>,
    pub start_at: Option<Moment>,
    pub end_at: Option<Moment>,
    pub duration_minutes: Option<u32>,
    pub booked_by: Option<String>,
    pub booked_at: Option<Moment>,
    pub canceled_by: Option<String>,
    pub canceled_at: Option<Moment>,
    pub service: Option<Service>,
    pub patient: Option<Patient>,
    pub comment: Option<Private<String>>,
    pub insurance: Option<Insurance>,
    /// Whether the visit is paid through the marketplace; read from the booking or, as the older
    /// dialect has it, from its address service.
    pub visit_payment: Option<bool>,
    /// Opens a video call, so it is as private as the call.
    pub videocall_url: Option<Private<String>>,
}

/// A service at one address. The same service has another id at another address.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "named as in the API's AddressService schema")]
pub struct Service {
    pub id: Option<String>,
    pub name: Option<String>,
    /// Without a currency: the API has none. Decimals are truncated by the API.
    pub price: Option<serde_json::Number>,
    pub price_is_from: Option<bool>,
    pub is_default: Option<bool>,
    pub is_visible: Option<bool>,
    pub description: Option<String>,
    /// The id in Docplanner's dictionary of services.
    pub dictionary_id: Option<String>,
}

/// Who comes. There is no patient id in any payload of the API.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Patient {
    /// Given name.
    pub name: Option<Private<String>>,
    /// Family name.
    pub surname: Option<Private<String>>,
    /// E-mail address.
    pub email: Option<Private<String>>,
    /// Telephone number, with the country's code.
    pub phone: Option<Private<String>>,
    /// Date of birth.
    pub birth_date: Option<Private<NaiveDate>>,
    /// National identification number. A numeric one has lost its leading zeros upstream.
    pub nin: Option<Private<String>>,
    /// Docplanner's word.
    #[schemars(extend("examples" = ["f", "m"]))]
    pub gender: Option<Private<String>>,
    /// Number of the insurance card.
    pub insurance_number: Option<Private<String>>,
}

/// The patient's insurance as named at booking.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Insurance {
    /// Docplanner's id of the insurer.
    pub id: Option<String>,
    /// Name of the insurer.
    pub name: Option<String>,
    /// Name of the plan.
    pub plan: Option<String>,
    /// Docplanner's id of the plan.
    pub plan_id: Option<String>,
}

/// A break in a doctor's calendar.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "named as in the API's Break schema")]
pub struct Break {
    pub id: String,
    pub since: Option<Moment>,
    pub till: Option<Moment>,
}

/// From which payment status to which.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "named as in the API's schema")]
pub struct PaymentChange {
    pub from: Option<PaymentStatus>,
    pub to: PaymentStatus,
    pub changed_at: Option<Moment>,
}

/// Whether the patient came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the API's own words")]
pub enum Presence {
    Present,
    Absent,
}

impl Booking {
    /// Whether it does not take place, at least not under this id: a move cancels the old booking.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        match self.status.as_deref().map(str::to_lowercase).as_deref() {
            // The guide's prose has the British spelling; integrators have met the last one.
            Some("canceled" | "cancelled" | "deleted") => true,
            Some(_) => false,
            None => self.canceled_at.is_some(),
        }
    }

    /// A booking of which nothing but the id is known.
    #[must_use]
    pub fn unknown(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            status: None,
            start_at: None,
            end_at: None,
            duration_minutes: None,
            booked_by: None,
            booked_at: None,
            canceled_by: None,
            canceled_at: None,
            service: None,
            patient: None,
            comment: None,
            insurance: None,
            visit_payment: None,
            videocall_url: None,
        }
    }
}

impl Fact {
    /// Which kind of notification told this fact.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Fact::SlotBooked(_) => Kind::SlotBooked,
            Fact::BookingCanceled(_) => Kind::BookingCanceled,
            Fact::BookingMoved { .. } => Kind::BookingMoved,
            Fact::BookingConfirmed(_) => Kind::BookingConfirmed,
            Fact::PaymentStatusChanged { .. } => Kind::BookingPaymentStatusChanged,
            Fact::PresenceMarked { .. } => Kind::PresenceMarked,
            Fact::BreakCreated(_) => Kind::BreakCreated,
            Fact::BreakMoved(_) => Kind::BreakMoved,
            Fact::BreakRemoved(_) => Kind::BreakRemoved,
            Fact::AddressServiceCreated(_) => Kind::AddressServiceCreated,
            Fact::AddressServiceChanged(_) => Kind::AddressServiceChanged,
            Fact::AddressServiceDeleted(_) => Kind::AddressServiceDeleted,
            Fact::AddressCommercialTypeChanged => Kind::AddressCommercialTypeChanged,
            Fact::AddressAssigned => Kind::AddressAssigned,
            Fact::AddressUnassigned => Kind::AddressUnassigned,
            Fact::Question(kind) => *kind,
            Fact::Unrecognized { .. } => Kind::Unrecognized,
        }
    }

    /// The service that it is about: the booked one, or the one that changed.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        match self {
            Fact::SlotBooked(booking)
            | Fact::BookingCanceled(booking)
            | Fact::BookingMoved { new: booking, .. }
            | Fact::BookingConfirmed(booking)
            | Fact::PaymentStatusChanged { booking, .. }
            | Fact::PresenceMarked { booking, .. } => booking.service.as_ref(),
            Fact::AddressServiceCreated(service)
            | Fact::AddressServiceChanged(service)
            | Fact::AddressServiceDeleted(service) => Some(service),
            Fact::BreakCreated(_)
            | Fact::BreakMoved(_)
            | Fact::BreakRemoved(_)
            | Fact::AddressCommercialTypeChanged
            | Fact::AddressAssigned
            | Fact::AddressUnassigned
            | Fact::Question(_)
            | Fact::Unrecognized { .. } => None,
        }
    }

    /// The service of the booking that was moved.
    #[must_use]
    pub fn previous_service(&self) -> Option<&Service> {
        match self {
            Fact::BookingMoved { old, .. } => old.service.as_ref(),
            _ => None,
        }
    }

    /// Whether it tells that an address or a service is gone: nobody will map that any more.
    #[must_use]
    pub fn ends_what_is_mapped(&self) -> bool {
        matches!(self, Fact::AddressUnassigned | Fact::AddressServiceDeleted(_))
    }

    /// The booking that it is about; of a move, the new one.
    #[must_use]
    pub fn booking(&self) -> Option<&Booking> {
        match self {
            Fact::SlotBooked(booking)
            | Fact::BookingCanceled(booking)
            | Fact::BookingConfirmed(booking)
            | Fact::PresenceMarked { booking, .. }
            | Fact::PaymentStatusChanged { booking, .. }
            | Fact::BookingMoved { new: booking, .. } => Some(booking),
            _ => None,
        }
    }

    /// Whether it may make what is known of the address untrue.
    #[must_use]
    pub fn changes_address(&self) -> bool {
        match self {
            Fact::AddressServiceCreated(_)
            | Fact::AddressServiceChanged(_)
            | Fact::AddressServiceDeleted(_)
            | Fact::AddressCommercialTypeChanged
            | Fact::AddressAssigned
            | Fact::AddressUnassigned => true,
            Fact::SlotBooked(_)
            | Fact::BookingCanceled(_)
            | Fact::BookingMoved { .. }
            | Fact::BookingConfirmed(_)
            | Fact::PaymentStatusChanged { .. }
            | Fact::PresenceMarked { .. }
            | Fact::BreakCreated(_)
            | Fact::BreakMoved(_)
            | Fact::BreakRemoved(_)
            | Fact::Question(_)
            | Fact::Unrecognized { .. } => false,
        }
    }
}
