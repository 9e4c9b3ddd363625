//! What we publish: CloudEvents 1.0, JSON, structured mode.
//!
//! Every key is always there; what is not known is `null`. Date-times keep the offset they came
//! with.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    notification::{Insurance, Moment, Patient, PaymentStatus, Presence},
    private::Private,
};

/// The media type of an event's body.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// One event, ready to be encoded.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// What kind of event it is; told by `type` in the body.
    #[serde(skip)]
    pub kind: EventKind,
    /// Always `1.0`.
    pub specversion: &'static str,
    /// `UUIDv5` of tenant, idempotency key and type: the same for every repeat.
    pub id: Uuid,
    /// The facility's URL at the API.
    pub source: String,
    /// `docplanner.booking.created.v1`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about: `bookings/6263715`.
    pub subject: Option<String>,
    /// When Docplanner created the notification.
    #[serde(serialize_with = "moment_or_null")]
    pub time: Option<Moment>,
    /// Always `application/json`.
    pub datacontenttype: &'static str,
    /// `urn:docplanner-worker:booking.created:v1`.
    pub dataschema: String,
    /// Whose event it is.
    pub tenant: String,
    /// Events with the same key belong together.
    pub partitionkey: String,
    /// Counts the events of one chain, in the order in which they are published; ten digits.
    pub sequence: String,
    /// What happened.
    pub data: Data,
}

/// The kinds of event that a notification becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is its type's name spelled in Rust")]
pub enum EventKind {
    BookingCreated,
    BookingCanceled,
    BookingMoved,
    BookingConfirmed,
    BookingPresenceMarked,
    PaymentStatusChanged,
    BreakCreated,
    BreakMoved,
    BreakRemoved,
    AddressServiceCreated,
    AddressServiceChanged,
    AddressServiceDeleted,
    AddressCommercialTypeChanged,
    AddressAssigned,
    AddressUnassigned,
    NotificationUnrecognized,
    PaymentPaid,
    PaymentNotPaid,
    PaymentRefunded,
    PaymentChargedBack,
    VideoCallReminderDue,
}

/// `data` of an event. The sections that a kind does not have are absent.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each field is the section of the same name")]
pub struct Data {
    pub facility: FacilityData,
    pub doctor: DoctorData,
    pub address: AddressData,
    pub modality: Modality,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking: Option<BookingData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_booking: Option<BookingData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_change: Option<PaymentChangeData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_call: Option<VideoCallData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder: Option<ReminderData>,
    #[serde(rename = "break", skip_serializing_if = "Option::is_none")]
    pub calendar_break: Option<BreakData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<Private<Box<RawValue>>>,
    /// Which of `facility`, `doctor`, `address` and `service` are named and not mapped.
    pub unmapped: Vec<&'static str>,
}

/// How the visit takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// By video or telephone: the address is for online consultations only.
    Online,
    /// At the clinic.
    Onsite,
    /// The address's flags are not known.
    Unknown,
}

/// Whether visits at the address are paid through the marketplace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the routing key")]
pub enum PaymentClass {
    Payment,
    NoPayment,
    Unknown,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct FacilityData {
    pub id: Option<String>,
    pub name: Option<String>,
    pub partner_id: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct DoctorData {
    pub id: Option<String>,
    pub name: Option<String>,
    pub surname: Option<String>,
    pub partner_id: Option<String>,
}

/// The address with its flags, and from when the flags are.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct AddressData {
    pub id: Option<String>,
    pub name: Option<String>,
    pub street: Option<String>,
    pub post_code: Option<String>,
    pub city: Option<String>,
    pub commercial_type: Option<String>,
    pub online_only: Option<bool>,
    pub visit_payment: Option<bool>,
    #[serde(serialize_with = "utc_or_null")]
    pub flags_as_of: Option<DateTime<Utc>>,
    pub partner_id: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct BookingData {
    pub id: String,
    pub previous_id: Option<String>,
    pub status: Option<String>,
    #[serde(serialize_with = "moment_or_null")]
    pub start_at: Option<Moment>,
    #[serde(serialize_with = "moment_or_null")]
    pub end_at: Option<Moment>,
    pub duration_minutes: Option<u32>,
    pub booked_by: Option<String>,
    #[serde(serialize_with = "moment_or_null")]
    pub booked_at: Option<Moment>,
    pub canceled_by: Option<String>,
    #[serde(serialize_with = "moment_or_null")]
    pub canceled_at: Option<Moment>,
    pub service: Option<BookedServiceData>,
    pub patient: Option<Patient>,
    pub comment: Option<Private<String>>,
    pub insurance: Option<Insurance>,
}

/// The service of a booking.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct BookedServiceData {
    pub id: Option<String>,
    pub name: Option<String>,
    pub price: Option<serde_json::Number>,
    pub price_is_from: Option<bool>,
    pub partner_id: Option<String>,
}

/// The service that an `address_service.*` event is about.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct ServiceData {
    pub id: Option<String>,
    pub name: Option<String>,
    pub price: Option<serde_json::Number>,
    pub price_is_from: Option<bool>,
    pub is_default: Option<bool>,
    pub is_visible: Option<bool>,
    pub description: Option<String>,
    pub dictionary_id: Option<String>,
    pub partner_id: Option<String>,
}

/// What is known of the payment of a booking.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct PaymentData {
    pub required: bool,
    pub status: Option<String>,
    #[serde(serialize_with = "moment_or_null")]
    pub due_at: Option<Moment>,
    pub basis: Option<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct PaymentChangeData {
    pub from: Option<PaymentStatus>,
    pub to: PaymentStatus,
    #[serde(serialize_with = "moment_or_null")]
    pub changed_at: Option<Moment>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct VideoCallData {
    pub url: Option<Private<String>>,
    #[serde(serialize_with = "moment_or_null")]
    pub patient_access_from: Option<Moment>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct ReminderData {
    pub before_seconds: i32,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the event's contract")]
pub struct BreakData {
    pub id: String,
    #[serde(serialize_with = "moment_or_null")]
    pub since: Option<Moment>,
    #[serde(serialize_with = "moment_or_null")]
    pub till: Option<Moment>,
}

impl EventKind {
    /// Every kind of event.
    pub const ALL: [EventKind; 21] = [
        EventKind::BookingCreated,
        EventKind::BookingCanceled,
        EventKind::BookingMoved,
        EventKind::BookingConfirmed,
        EventKind::BookingPresenceMarked,
        EventKind::PaymentStatusChanged,
        EventKind::BreakCreated,
        EventKind::BreakMoved,
        EventKind::BreakRemoved,
        EventKind::AddressServiceCreated,
        EventKind::AddressServiceChanged,
        EventKind::AddressServiceDeleted,
        EventKind::AddressCommercialTypeChanged,
        EventKind::AddressAssigned,
        EventKind::AddressUnassigned,
        EventKind::NotificationUnrecognized,
        EventKind::PaymentPaid,
        EventKind::PaymentNotPaid,
        EventKind::PaymentRefunded,
        EventKind::PaymentChargedBack,
        EventKind::VideoCallReminderDue,
    ];

    /// `{entity}.{action}`, the end of the routing key and the middle of the event's type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EventKind::BookingCreated => "booking.created",
            EventKind::BookingCanceled => "booking.canceled",
            EventKind::BookingMoved => "booking.moved",
            EventKind::BookingConfirmed => "booking.confirmed",
            EventKind::BookingPresenceMarked => "booking.presence_marked",
            EventKind::PaymentStatusChanged => "payment.status_changed",
            EventKind::BreakCreated => "break.created",
            EventKind::BreakMoved => "break.moved",
            EventKind::BreakRemoved => "break.removed",
            EventKind::AddressServiceCreated => "address_service.created",
            EventKind::AddressServiceChanged => "address_service.changed",
            EventKind::AddressServiceDeleted => "address_service.deleted",
            EventKind::AddressCommercialTypeChanged => "address.commercial_type_changed",
            EventKind::AddressAssigned => "address.assigned",
            EventKind::AddressUnassigned => "address.unassigned",
            EventKind::NotificationUnrecognized => "notification.unrecognized",
            EventKind::PaymentPaid => "payment.paid",
            EventKind::PaymentNotPaid => "payment.not_paid",
            EventKind::PaymentRefunded => "payment.refunded",
            EventKind::PaymentChargedBack => "payment.charged_back",
            EventKind::VideoCallReminderDue => "video_call.reminder_due",
        }
    }

    /// The CloudEvents type, with the version of its data.
    #[must_use]
    pub fn event_type(self) -> String {
        format!("docplanner.{}.v1", self.name())
    }

    /// The URN of the schema of its data.
    #[must_use]
    pub fn dataschema(self) -> String {
        format!("urn:docplanner-worker:{}:v1", self.name())
    }
}

impl Modality {
    /// The word in events, routing keys and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Modality::Online => "online",
            Modality::Onsite => "onsite",
            Modality::Unknown => "unknown",
        }
    }
}

impl From<Option<bool>> for Modality {
    /// From the address's `is_online_only`.
    fn from(online_only: Option<bool>) -> Self {
        match online_only {
            Some(true) => Modality::Online,
            Some(false) => Modality::Onsite,
            None => Modality::Unknown,
        }
    }
}

impl From<Option<bool>> for PaymentClass {
    /// From the address's `visit_payment`.
    fn from(visit_payment: Option<bool>) -> Self {
        match visit_payment {
            Some(true) => PaymentClass::Payment,
            Some(false) => PaymentClass::NoPayment,
            None => PaymentClass::Unknown,
        }
    }
}

/// RFC 3339 with the offset kept and a fraction only where there is one.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn moment_or_null<S: Serializer>(moment: &Option<Moment>, s: S) -> Result<S::Ok, S::Error> {
    moment.map(|m| m.to_rfc3339_opts(SecondsFormat::AutoSi, false)).serialize(s)
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn utc_or_null<S: Serializer>(moment: &Option<DateTime<Utc>>, s: S) -> Result<S::Ok, S::Error> {
    moment.map(|m| m.to_rfc3339_opts(SecondsFormat::Secs, true)).serialize(s)
}
