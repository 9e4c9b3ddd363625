//! The things of a world.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize, Serializer};

/// An identifier: decimal digits in a string, as in the API since 1.0.1.
pub type Id = String;

/// A clinic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facility {
    /// Docplanner's id.
    pub id: Id,
    /// Its name.
    pub name: String,
}

/// A doctor of one facility.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doctor {
    /// Docplanner's id.
    pub id: Id,
    /// Where the doctor works.
    pub facility_id: Id,
    /// Given name.
    pub name: String,
    /// Family name.
    pub surname: String,
    /// Name of the specialization.
    pub specialization: String,
}

/// One doctor at one place: a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Docplanner's id.
    pub id: Id,
    /// Whose calendar.
    pub doctor_id: Id,
    /// At which clinic.
    pub facility_id: Id,
    /// Name of the place.
    pub name: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// Post code.
    pub post_code: Option<String>,
    /// City.
    pub city_name: Option<String>,
    /// Online consultations only: a separate calendar of the same clinic.
    pub is_online_only: bool,
    /// Whether patients pay for their visit when they book it.
    pub visit_payment: bool,
    /// What the doctor pays Docplanner for.
    pub commercial_type: CommercialType,
}

/// What the doctor pays Docplanner for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommercialType {
    /// `premium`
    Premium,
    /// `saas-only`
    SaasOnly,
    /// `basic`
    Basic,
}

/// A service at one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The `address_service_id`: valid at its own address only.
    pub id: Id,
    /// Where it is offered.
    pub address_id: Id,
    /// Its name.
    pub name: String,
    /// Whole units of the country's currency.
    pub price: Option<u32>,
    /// The price is the lowest of several.
    pub is_price_from: bool,
    /// The service offered first.
    pub is_default: bool,
    /// Visible to patients.
    pub is_visible: bool,
    /// The dictionary's id.
    pub service_id: Option<Id>,
    /// Free text.
    pub description: Option<String>,
    /// Minutes.
    pub duration: u32,
}

/// A visit in a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Docplanner's id; a move gives a new one.
    pub id: Id,
    /// In whose calendar.
    pub address_id: Id,
    /// Which service of that address.
    pub service_id: Option<Id>,
    /// Booked or canceled.
    pub status: BookingStatus,
    /// From.
    pub start_at: DateTime<FixedOffset>,
    /// To.
    pub end_at: DateTime<FixedOffset>,
    /// `user`, `doctor` or `integration`.
    pub booked_by: String,
    /// When.
    pub booked_at: DateTime<FixedOffset>,
    /// `user`, `doctor` or `integration`; empty when it is not canceled.
    pub canceled_by: String,
    /// When.
    pub canceled_at: Option<DateTime<FixedOffset>>,
    /// For whom.
    pub patient: Patient,
    /// Free text of the patient.
    pub comment: Option<String>,
    /// Who pays, if not the patient.
    pub insurance: Option<Insurance>,
    /// `true`: present, `false`: absent, `None`: not marked.
    pub presence: Option<bool>,
    /// Whether the patient confirmed.
    pub confirmed: bool,
    /// Whether it has to be paid; `None` where payments are not enabled.
    pub visit_payment: Option<bool>,
    /// `new`, `in_progress`, `waiting_for_confirmation`, `successful`, `paid`, `failed`,
    /// `canceled` and the like: the API has no closed list.
    pub visit_payment_status: Option<String>,
    /// The video call, where there is one.
    pub videocall_url: Option<String>,
    /// Its chain of moves; unknown for bookings from before April 2025.
    pub moving: Option<Moving>,
}

/// The state of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BookingStatus {
    /// It takes place.
    Booked,
    /// Canceled, or moved away.
    Canceled,
}

/// The ends of a chain of moves; both are the booking's own id when it never moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// The first booking of the chain.
    pub origin_booking_id: Id,
    /// The last one.
    pub newest_booking_id: Id,
}

/// An invented person. Numbers are digits without valid check digits, on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patient {
    /// Given name.
    pub name: String,
    /// Family name.
    pub surname: String,
    /// Under a domain that can have no mail.
    pub email: Option<String>,
    /// International form.
    pub phone: Option<String>,
    /// `YYYY-MM-DD`
    pub birth_date: Option<String>,
    /// National identification number: PESEL, DNI, codice fiscale, T.C. Kimlik, CPF.
    pub nin: Option<String>,
    /// `m` or `f`
    pub gender: Option<String>,
    /// Number of the health card.
    pub insurance_number: Option<String>,
    /// Whether the doctor has seen them before.
    pub is_returning: bool,
}

/// Who pays for the visit, if not the patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insurance {
    /// The dictionary's id.
    pub id: Id,
    /// Its name.
    pub name: String,
}

/// JSON has no maps by pairs.
pub(super) fn values<S: Serializer>(
    services: &BTreeMap<(Id, Id), Service>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(services.values())
}
