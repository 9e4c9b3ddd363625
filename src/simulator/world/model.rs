//! The things of a world, and short ways to make them by hand.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, FixedOffset};
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

impl Facility {
    /// A clinic.
    #[must_use]
    pub fn new(id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned() }
    }
}

impl Doctor {
    /// A cardiologist, as good as any.
    #[must_use]
    pub fn new(id: &str, facility_id: &str, name: &str, surname: &str) -> Self {
        Self {
            id: id.to_owned(),
            facility_id: facility_id.to_owned(),
            name: name.to_owned(),
            surname: surname.to_owned(),
            specialization: "kardiolog".to_owned(),
        }
    }
}

impl Address {
    /// A regular address without payments.
    #[must_use]
    pub fn new(id: &str, doctor_id: &str, facility_id: &str) -> Self {
        Self {
            id: id.to_owned(),
            doctor_id: doctor_id.to_owned(),
            facility_id: facility_id.to_owned(),
            name: Some("Przychodnia Kolejowa".to_owned()),
            street: Some("Kolejowa 5".to_owned()),
            post_code: Some("01-217".to_owned()),
            city_name: Some("Warszawa".to_owned()),
            is_online_only: false,
            visit_payment: false,
            commercial_type: CommercialType::Premium,
        }
    }

    /// The same, for online consultations only.
    #[must_use]
    pub fn online(mut self) -> Self {
        self.is_online_only = true;
        self
    }

    /// The same, where patients pay when they book.
    #[must_use]
    pub fn with_payments(mut self) -> Self {
        self.visit_payment = true;
        self
    }
}

impl CommercialType {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Premium => "premium",
            Self::SaasOnly => "saas-only",
            Self::Basic => "basic",
        }
    }
}

impl Service {
    /// A visible service of half an hour, without a price.
    #[must_use]
    pub fn new(id: &str, address_id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            address_id: address_id.to_owned(),
            name: name.to_owned(),
            price: None,
            is_price_from: false,
            is_default: false,
            is_visible: true,
            service_id: None,
            description: None,
            duration: 30,
        }
    }

    /// The same at a price.
    #[must_use]
    pub fn priced(mut self, price: u32) -> Self {
        self.price = Some(price);
        self
    }

    /// The same, known to the dictionary.
    #[must_use]
    pub fn of_dictionary(mut self, service_id: &str) -> Self {
        self.service_id = Some(service_id.to_owned());
        self
    }
}

impl Booking {
    /// Half an hour, booked by its patient a day before, nothing to pay.
    #[must_use]
    pub fn new(id: &str, address_id: &str, start_at: DateTime<FixedOffset>) -> Self {
        Self {
            id: id.to_owned(),
            address_id: address_id.to_owned(),
            service_id: None,
            status: BookingStatus::Booked,
            start_at,
            end_at: start_at + Duration::minutes(30),
            booked_by: "user".to_owned(),
            booked_at: start_at - Duration::days(1),
            canceled_by: String::new(),
            canceled_at: None,
            patient: Patient::sample(),
            comment: None,
            insurance: None,
            presence: None,
            confirmed: false,
            visit_payment: None,
            visit_payment_status: None,
            videocall_url: None,
            moving: Some(Moving {
                origin_booking_id: id.to_owned(),
                newest_booking_id: id.to_owned(),
            }),
        }
    }

    /// The same, to be paid: `new`, `successful`, `failed`, …
    #[must_use]
    pub fn with_payment(mut self, status: &str) -> Self {
        self.visit_payment = Some(true);
        self.visit_payment_status = Some(status.to_owned());
        self
    }

    /// The same with a video call.
    #[must_use]
    pub fn with_video_call(mut self, url: &str) -> Self {
        self.videocall_url = Some(url.to_owned());
        self
    }

    /// The same, canceled.
    #[must_use]
    pub fn canceled(mut self, by: &str, at: DateTime<FixedOffset>) -> Self {
        self.status = BookingStatus::Canceled;
        by.clone_into(&mut self.canceled_by);
        self.canceled_at = Some(at);
        self
    }
}

impl BookingStatus {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Canceled => "canceled",
        }
    }
}

impl Patient {
    /// Somebody with everything filled in.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            name: "Zofia".to_owned(),
            surname: "Wzorcowa".to_owned(),
            email: Some("zofia.wzorcowa@example.com".to_owned()),
            phone: Some("+48500100200".to_owned()),
            birth_date: Some("1985-01-01".to_owned()),
            nin: Some("85010112345".to_owned()),
            gender: Some("f".to_owned()),
            insurance_number: None,
            is_returning: false,
        }
    }
}

/// JSON has no maps by pairs.
pub(super) fn values<S: Serializer>(
    services: &BTreeMap<(Id, Id), Service>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(services.values())
}
