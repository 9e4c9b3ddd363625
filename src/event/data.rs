//! `data` of an event, section by section. The comments are the descriptions in its schema.

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::Modality;
use crate::{
    notification::{Insurance, Moment, Patient, PaymentStatus, Presence},
    payment::Basis,
    private::Private,
};

/// What happened. The sections that a kind does not have are absent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Data {
    /// The clinic.
    pub facility: FacilityData,
    /// The doctor.
    pub doctor: DoctorData,
    /// The doctor's place at the clinic: the thing that has a calendar.
    pub address: AddressData,
    /// How the visit takes place.
    pub modality: Modality,
    /// The booking; of a move, the new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking: Option<BookingData>,
    /// The booking that was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_booking: Option<BookingData>,
    /// Whether the patient came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// What is known of the booking's payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentData>,
    /// The change of the payment's status, in Docplanner's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_change: Option<PaymentChangeData>,
    /// The booking's video call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_call: Option<VideoCallData>,
    /// Which reminder this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder: Option<ReminderData>,
    /// The break in the doctor's calendar.
    #[serde(rename = "break", skip_serializing_if = "Option::is_none")]
    pub calendar_break: Option<BreakData>,
    /// The service of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceData>,
    /// The notification's `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The notification's `data`, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<Private<Box<RawValue>>>,
    /// What the event names and the partner has no identifier for.
    pub unmapped: Vec<Mappable>,
}

/// What can have an identifier of the partner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the sections of the same names")]
pub enum Mappable {
    Facility,
    Doctor,
    Address,
    Service,
}

/// A clinic.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Facility")]
pub struct FacilityData {
    /// Docplanner's id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The partner's own identifier.
    pub partner_id: Option<String>,
}

/// A doctor.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Doctor")]
pub struct DoctorData {
    /// Docplanner's id.
    pub id: Option<String>,
    /// Given name.
    pub name: Option<String>,
    /// Family name.
    pub surname: Option<String>,
    /// The partner's own identifier.
    pub partner_id: Option<String>,
}

/// A doctor's place at a clinic, with its flags, and from when the flags are.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Address")]
pub struct AddressData {
    /// Docplanner's id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// Post code.
    pub post_code: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Docplanner's word, where the notification tells it.
    #[schemars(extend("examples" = ["premium", "saas-only", "basic"]))]
    pub commercial_type: Option<String>,
    /// The address is for online consultations only.
    pub online_only: Option<bool>,
    /// Visits at the address are paid through the marketplace.
    pub visit_payment: Option<bool>,
    /// When Docplanner's API told the two flags.
    #[serde(serialize_with = "utc_or_null")]
    pub flags_as_of: Option<DateTime<Utc>>,
    /// The partner's own identifier.
    pub partner_id: Option<String>,
}

/// A booked visit.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Booking")]
pub struct BookingData {
    /// Docplanner's id. A move gives another one.
    pub id: String,
    /// The booking that was moved to become this one.
    pub previous_id: Option<String>,
    /// Docplanner's word.
    #[schemars(extend("examples" = ["booked", "moved", "canceled"]))]
    pub status: Option<String>,
    /// When the visit starts.
    #[serde(serialize_with = "moment_or_null")]
    pub start_at: Option<Moment>,
    /// When the visit ends.
    #[serde(serialize_with = "moment_or_null")]
    pub end_at: Option<Moment>,
    /// How long the visit takes.
    pub duration_minutes: Option<u32>,
    /// Who booked it, in Docplanner's word.
    #[schemars(extend("examples" = ["user", "doctor"]))]
    pub booked_by: Option<String>,
    /// When it was booked.
    #[serde(serialize_with = "moment_or_null")]
    pub booked_at: Option<Moment>,
    /// Who canceled it, in Docplanner's word.
    #[schemars(extend("examples" = ["user", "doctor"]))]
    pub canceled_by: Option<String>,
    /// When it was canceled.
    #[serde(serialize_with = "moment_or_null")]
    pub canceled_at: Option<Moment>,
    /// What was booked.
    pub service: Option<BookedServiceData>,
    /// Who comes.
    pub patient: Option<Patient>,
    /// What the patient wrote to the clinic.
    pub comment: Option<Private<String>>,
    /// The patient's insurance, as named at booking.
    pub insurance: Option<Insurance>,
}

/// The service of a booking.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "BookedService")]
pub struct BookedServiceData {
    /// Docplanner's id at this address. The same service has another id at another address.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its price, in the country's currency.
    pub price: Option<serde_json::Number>,
    /// The price is the lowest one.
    pub price_is_from: Option<bool>,
    /// The partner's own identifier.
    pub partner_id: Option<String>,
}

/// The service that an `address_service.*` event is about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Service")]
pub struct ServiceData {
    /// Docplanner's id at this address. The same service has another id at another address.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its price, in the country's currency.
    pub price: Option<serde_json::Number>,
    /// The price is the lowest one.
    pub price_is_from: Option<bool>,
    /// It is the one that is chosen if a patient chooses none.
    pub is_default: Option<bool>,
    /// Patients can see it.
    pub is_visible: Option<bool>,
    /// What patients read about it.
    pub description: Option<String>,
    /// The id in Docplanner's dictionary of services.
    pub dictionary_id: Option<String>,
    /// The partner's own identifier.
    pub partner_id: Option<String>,
}

/// What is known of the payment of a booking.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Payment")]
pub struct PaymentData {
    /// The visit is to be paid through the marketplace.
    pub required: bool,
    /// How the payment stands: `pending`, how it ended, or, in `payment.status_changed`,
    /// Docplanner's word.
    #[schemars(extend("examples" = ["pending", "paid", "not_paid", "refunded", "charged_back"]))]
    pub status: Option<String>,
    /// Until when the patient can pay.
    #[serde(serialize_with = "moment_or_null")]
    pub due_at: Option<Moment>,
    /// What the outcome is based on.
    pub basis: Option<Basis>,
}

/// From which status to which.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "PaymentChange")]
pub struct PaymentChangeData {
    /// The status before.
    pub from: Option<PaymentStatus>,
    /// The status from now on.
    pub to: PaymentStatus,
    /// When it changed.
    #[serde(serialize_with = "moment_or_null")]
    pub changed_at: Option<Moment>,
}

/// A video call.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "VideoCall")]
pub struct VideoCallData {
    /// Opens the call, for whoever has it.
    pub url: Option<Private<String>>,
    /// From when the patient can open it.
    #[serde(serialize_with = "moment_or_null")]
    pub patient_access_from: Option<Moment>,
}

/// Which of the configured reminders.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Reminder")]
pub struct ReminderData {
    /// How long before the start.
    pub before_seconds: i32,
}

/// A break in a doctor's calendar.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Break")]
pub struct BreakData {
    /// Docplanner's id.
    pub id: String,
    /// When it starts.
    #[serde(serialize_with = "moment_or_null")]
    pub since: Option<Moment>,
    /// When it ends.
    #[serde(serialize_with = "moment_or_null")]
    pub till: Option<Moment>,
}

impl Mappable {
    /// The word in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mappable::Facility => "facility",
            Mappable::Doctor => "doctor",
            Mappable::Address => "address",
            Mappable::Service => "service",
        }
    }
}

/// RFC 3339 with the offset kept and a fraction only where there is one.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(super) fn moment_or_null<S: Serializer>(
    moment: &Option<Moment>,
    s: S,
) -> Result<S::Ok, S::Error> {
    moment.map(|m| m.to_rfc3339_opts(SecondsFormat::AutoSi, false)).serialize(s)
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn utc_or_null<S: Serializer>(moment: &Option<DateTime<Utc>>, s: S) -> Result<S::Ok, S::Error> {
    moment.map(|m| m.to_rfc3339_opts(SecondsFormat::Secs, true)).serialize(s)
}
