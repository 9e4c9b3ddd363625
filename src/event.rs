//! What we publish: CloudEvents 1.0, JSON, structured mode.
//!
//! Every key is always there; what is not known is `null`. Date-times keep the offset they came
//! with.

mod data;
mod kind;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::data::moment_or_null;
pub use self::{
    data::{
        AddressData, BookedServiceData, BookingData, BreakData, Data, DoctorData, FacilityData,
        Mappable, PaymentChangeData, PaymentData, ReminderData, ServiceData, VideoCallData,
    },
    kind::EventKind,
};
use crate::notification::Moment;

/// The media type of an event's body.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// One event, ready to be encoded. The comments are the descriptions in its schema.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Event {
    /// What kind of event it is; told by `type` in the body.
    #[serde(skip)]
    pub kind: EventKind,
    /// The version of CloudEvents.
    #[schemars(extend("const" = "1.0"))]
    pub specversion: &'static str,
    /// The same for every repeat: recognize duplicates by it. A `UUIDv5` of tenant, fact and type.
    pub id: Uuid,
    /// The facility's URL at Docplanner's API.
    #[schemars(extend("format" = "uri"), extend("examples" = ["https://www.znanylekarz.pl/api/v3/integration/facilities/226402"]))]
    pub source: String,
    /// What kind of event it is, with the version of its data.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about.
    #[schemars(extend("examples" = ["bookings/6263715", "breaks/123", "addresses/410150", "addresses/410150/services/243665"]))]
    pub subject: Option<String>,
    /// When Docplanner created the notification; of what time brings, when it was due.
    #[serde(serialize_with = "moment_or_null")]
    pub time: Option<Moment>,
    /// The media type of `data`.
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: &'static str,
    /// The name of the schema of `data`.
    #[schemars(extend("format" = "uri"))]
    pub dataschema: String,
    /// Whose event it is: the name of one API client of Docplanner. The first word of the routing key.
    #[schemars(regex(pattern = "^[a-z0-9-]{1,40}$"), extend("examples" = ["acme"]))]
    pub tenant: String,
    /// The chain of events that it belongs to: the id of the first booking, of the break, or of the address.
    #[schemars(extend("examples" = ["6263715"]))]
    pub partitionkey: String,
    /// Counts the events of one chain, in the order in which they are published.
    #[schemars(regex(pattern = "^[0-9]{10}$"), extend("examples" = ["0000000001"]))]
    pub sequence: String,
    /// What happened.
    pub data: Data,
}

/// How the visit takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
