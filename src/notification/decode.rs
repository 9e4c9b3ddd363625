//! From bytes to a [`Notification`]: the one place that knows the JSON.

use std::fmt::Display;

use serde_json::value::RawValue;

use super::{
    Address, Booking, Break, Doctor, Facility, Fact, Insurance, Kind, Moment, Notification,
    Patient, PaymentChange, PaymentStatus, Place, Presence, Service,
    values::{
        At, MISSING, NOT_AN_OBJECT, date, flag, id, invalid, malformed, minutes, moment, number,
        optional, required, text,
    },
    wire::{self, Object, Scalar},
};
use crate::private::Private;

/// Why a body is not a notification. Neither variant could decode later; neither text quotes the body,
/// which holds patient data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a notification at all.
    #[error("{0}")]
    Malformed(String),
    /// A known kind without what it needs.
    #[error("{field}: {problem}")]
    Invalid {
        /// The path of the field, such as `data.visit_booking.id`.
        field: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Notification {
    /// Decodes one notification as Docplanner pushes it: `{"name", "data", "created_at"}`.
    ///
    /// Unknown fields are ignored; an unknown kind becomes [`Fact::Unrecognized`] with its data as
    /// it came.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Malformed`] with the position, if the body is not JSON of that form;
    /// [`DecodeError::Invalid`] with the field, if a known kind lacks an id or has an impossible value.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let envelope = envelope(body)?;
        let name = match &envelope.name {
            Scalar::Text(name) => name.as_ref(),
            Scalar::Absent => return Err(malformed("there is no `name`")),
            _ => return Err(malformed("`name` is not a string")),
        };
        let raw = envelope.data.ok_or_else(|| malformed("there is no `data`"))?;
        let created_at = moment(&envelope.created_at, "created_at")?;

        let kind = Kind::from_name(name);
        match kind {
            Kind::SlotBooking | Kind::BookingMoving => {
                Ok(Self { created_at, place: Place::default(), fact: Fact::Question(kind) })
            }
            Kind::Unrecognized => Ok(Self {
                created_at,
                place: place_if_any(raw),
                fact: Fact::Unrecognized {
                    name: name.to_owned(),
                    raw: Private::new(raw.to_owned()),
                },
            }),
            _ => {
                let data = data(raw)?;
                let place = place(&data)?;
                let fact = fact(kind, &data, created_at)?;
                Ok(Self { created_at, place, fact })
            }
        }
    }
}

// === the envelope ===

fn envelope(body: &[u8]) -> Result<wire::Envelope<'_>, DecodeError> {
    if body.is_empty() {
        return Err(malformed("the body is empty"));
    }
    let text = std::str::from_utf8(body)
        .map_err(|e| malformed(format!("not UTF-8 at byte {}", e.valid_up_to())))?;
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|e| malformed(syntax(&e)))
    } else {
        serde_json::from_str::<serde::de::IgnoredAny>(text)
            .map_err(|e| malformed(syntax(&e)))
            .and_then(|_| Err(malformed("not a JSON object")))
    }
}

/// The message of a JSON error. Safe to show: syntax errors quote nothing, and the only data error
/// that the lenient types leave possible is a repeated field, which names the field.
fn syntax(error: &serde_json::Error) -> String {
    format!("not a notification: {error}")
}

fn data(raw: &RawValue) -> Result<wire::Data<'_>, DecodeError> {
    match serde_json::from_str::<Object<wire::Data<'_>>>(raw.get()) {
        Ok(Object::Present(data)) => Ok(data),
        Ok(Object::Absent | Object::SomethingElse) => Err(invalid("data", NOT_AN_OBJECT)),
        Err(error) => Err(malformed(format!("data: {error}"))),
    }
}

/// The place of a kind we do not know, as far as it is told in the usual way.
fn place_if_any(raw: &RawValue) -> Place {
    data(raw).and_then(|data| place(&data)).unwrap_or_default()
}

// === what every known kind has ===

fn place(data: &wire::Data<'_>) -> Result<Place, DecodeError> {
    let facility = required(&data.facility, "data.facility")?;
    let doctor = required(&data.doctor, "data.doctor")?;
    let address = required(&data.address, "data.address")?;
    Ok(Place {
        facility: Facility {
            id: Some(id(&facility.id, "data.facility.id")?),
            name: text(&facility.name),
        },
        doctor: Doctor {
            id: Some(id(&doctor.id, "data.doctor.id")?),
            name: text(&doctor.name),
            surname: text(&doctor.surname),
        },
        address: Address {
            id: Some(id(&address.id, "data.address.id")?),
            name: text(&address.name),
            street: text(&address.street),
            post_code: text(&address.post_code),
            city: text(&address.city_name),
            commercial_type: text(&address.commercial_type),
        },
    })
}

fn fact(
    kind: Kind,
    data: &wire::Data<'_>,
    created_at: Option<Moment>,
) -> Result<Fact, DecodeError> {
    let the_booking = || booking(&data.visit_booking, "data.visit_booking");
    Ok(match kind {
        Kind::SlotBooked => Fact::SlotBooked(the_booking()?),
        Kind::BookingCanceled => Fact::BookingCanceled(the_booking()?),
        Kind::BookingMoved => Fact::BookingMoved {
            old: booking(&data.old_visit_booking, "data.old_visit_booking")?,
            new: booking(&data.new_visit_booking, "data.new_visit_booking")?,
        },
        Kind::BookingConfirmed => {
            created(created_at)?;
            Fact::BookingConfirmed(the_booking()?)
        }
        Kind::PresenceMarked => {
            created(created_at)?;
            Fact::PresenceMarked { booking: the_booking()?, presence: presence(&data.presence)? }
        }
        Kind::BookingPaymentStatusChanged => Fact::PaymentStatusChanged {
            booking: the_booking()?,
            change: payment_change(&data.visit_payment_status)?,
        },
        Kind::BreakCreated => Fact::BreakCreated(calendar_break(&data.calendar_break)?),
        Kind::BreakMoved => {
            created(created_at)?;
            Fact::BreakMoved(calendar_break(&data.calendar_break)?)
        }
        Kind::BreakRemoved => Fact::BreakRemoved(calendar_break(&data.calendar_break)?),
        Kind::AddressServiceCreated => Fact::AddressServiceCreated(own_service(data, created_at)?),
        Kind::AddressServiceChanged => Fact::AddressServiceChanged(own_service(data, created_at)?),
        Kind::AddressServiceDeleted => Fact::AddressServiceDeleted(own_service(data, created_at)?),
        Kind::AddressCommercialTypeChanged => {
            created(created_at)?;
            Fact::AddressCommercialTypeChanged
        }
        Kind::AddressAssigned => {
            created(created_at)?;
            Fact::AddressAssigned
        }
        Kind::AddressUnassigned => {
            created(created_at)?;
            Fact::AddressUnassigned
        }
        Kind::SlotBooking | Kind::BookingMoving => Fact::Question(kind),
        Kind::Unrecognized => return Err(malformed("unknown kind")),
    })
}

/// For kinds where two equal facts can be two events, only `created_at` tells them apart: without
/// it the second one would be taken for a duplicate and lost.
fn created(created_at: Option<Moment>) -> Result<(), DecodeError> {
    created_at.map(|_| ()).ok_or_else(|| invalid("created_at", MISSING))
}

// === the parts ===

pub(super) fn booking(
    wire: &Object<wire::Booking<'_>>,
    path: &'static str,
) -> Result<Booking, DecodeError> {
    let booking = required(wire, path)?;
    let at = |name| At(path, name);
    let service = optional(&booking.address_service, at("address_service"))?;
    let payment_of_service = match service {
        Some(service) => flag(&service.visit_payment, at("address_service.visit_payment"))?,
        None => None,
    };
    Ok(Booking {
        id: id(&booking.id, at("id"))?,
        status: text(&booking.status),
        start_at: moment(&booking.start_at, at("start_at"))?,
        end_at: moment(&booking.end_at, at("end_at"))?,
        duration_minutes: minutes(&booking.duration, at("duration"))?,
        booked_by: text(&booking.booked_by),
        booked_at: moment(&booking.booked_at, at("booked_at"))?,
        canceled_by: text(&booking.canceled_by),
        canceled_at: moment(&booking.canceled_at, at("canceled_at"))?,
        service: service.map(|s| self::service(s, at("address_service"))).transpose()?,
        patient: optional(&booking.patient, at("patient"))?
            .map(|p| patient(p, at("patient")))
            .transpose()?,
        comment: text(&booking.comment).map(Private::new),
        insurance: optional(&booking.insurance, at("insurance"))?.map(insurance),
        visit_payment: flag(&booking.visit_payment, at("visit_payment"))?.or(payment_of_service),
        videocall_url: text(&booking.videocall_url).map(Private::new),
    })
}

fn service(wire: &wire::Service<'_>, path: impl Display + Copy) -> Result<Service, DecodeError> {
    let at = |name| At(path, name);
    Ok(Service {
        id: text(&wire.id),
        name: text(&wire.name),
        price: number(&wire.price, at("price"))?,
        price_is_from: flag(&wire.is_price_from, at("is_price_from"))?,
        is_default: flag(&wire.is_default, at("is_default"))?,
        is_visible: flag(&wire.is_visible, at("is_visible"))?,
        description: text(&wire.description),
        dictionary_id: text(&wire.dictionary_id),
    })
}

/// The service that an `address-service-*` notification is about; it has to have an id.
fn own_service(data: &wire::Data<'_>, created_at: Option<Moment>) -> Result<Service, DecodeError> {
    created(created_at)?;
    let wire = required(&data.address_service, "data.address_service")?;
    id(&wire.id, "data.address_service.id")?;
    service(wire, "data.address_service")
}

fn patient(wire: &wire::Patient<'_>, path: impl Display + Copy) -> Result<Patient, DecodeError> {
    let private = |value: &Scalar<'_>| text(value).map(Private::new);
    Ok(Patient {
        name: private(&wire.name),
        surname: private(&wire.surname),
        email: private(&wire.email),
        phone: private(&wire.phone),
        birth_date: date(&wire.birth_date, At(path, "birth_date"))?.map(Private::new),
        nin: private(&wire.nin),
        gender: private(&wire.gender),
        insurance_number: private(&wire.insurance_number),
    })
}

fn insurance(wire: &wire::Insurance<'_>) -> Insurance {
    Insurance {
        id: text(&wire.id),
        name: text(&wire.name),
        plan: text(&wire.plan),
        plan_id: text(&wire.plan_id),
    }
}

fn payment_change(wire: &Object<wire::PaymentStatus<'_>>) -> Result<PaymentChange, DecodeError> {
    const PATH: &str = "data.visit_payment_status";
    let wire = required(wire, PATH)?;
    let to = text(&wire.status_to).ok_or_else(|| invalid(At(PATH, "status_to"), MISSING))?;
    Ok(PaymentChange {
        from: text(&wire.status_from).map(|word| PaymentStatus::from(word.as_str())),
        to: PaymentStatus::from(to.as_str()),
        changed_at: moment(&wire.changed_at, At(PATH, "changed_at"))?,
    })
}

/// Upper case in notifications, lower case in the REST API.
fn presence(wire: &Scalar<'_>) -> Result<Presence, DecodeError> {
    match text(wire).map(|word| word.to_lowercase()).as_deref() {
        Some("present") => Ok(Presence::Present),
        Some("absent") => Ok(Presence::Absent),
        Some(_) => Err(invalid("data.presence", "expected PRESENT or ABSENT")),
        None => Err(invalid("data.presence", MISSING)),
    }
}

fn calendar_break(wire: &Object<wire::Break<'_>>) -> Result<Break, DecodeError> {
    let wire = required(wire, "data.break")?;
    Ok(Break {
        id: id(&wire.id, "data.break.id")?,
        since: moment(&wire.since, "data.break.since")?,
        till: moment(&wire.till, "data.break.till")?,
    })
}
