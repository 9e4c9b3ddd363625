//! Joins what we were told with what we looked up. Pure: the same input gives the same event.

mod amend;
mod partner;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::partner::{PartnerIds, Unmapped};
use crate::{
    event::{
        AddressData, BookedServiceData, BookingData, BreakData, Data, DoctorData, Event, EventKind,
        FacilityData, Modality, PaymentChangeData, PaymentData, ServiceData, VideoCallData,
    },
    notification::{
        Booking, Break, Fact, IdempotencyKey, Notification, PaymentChange, Place, Position, Service,
    },
    payment::Terms,
};

/// What the worker knows about an address beside the notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressFacts {
    /// The address is for online consultations only; `None` where nobody could tell.
    pub online_only: Option<bool>,
    /// Visits at the address are paid through the marketplace.
    pub visit_payment: Option<bool>,
    /// Where the notification does not say it.
    pub post_code: Option<String>,
    /// Notifications usually do not say it.
    pub city: Option<String>,
    /// When the API said so; `None` if it never did.
    pub as_of: Option<DateTime<Utc>>,
}

/// The settings of a tenant that show in its events.
#[derive(Debug, Clone)]
pub struct TenantProfile {
    /// `[a-z0-9-]{1,40}`.
    pub id: String,
    /// The country's domain, such as `znanylekarz.pl`.
    pub domain: String,
    /// How long a patient has to pay, and when somebody looks.
    pub payment: Terms,
    /// Whether to ask for the address of a video call that a notification does not name.
    pub fetch_missing_url: bool,
    /// How long before a video call reminders are due.
    pub reminders: Vec<Duration>,
    /// Whether a visit is online is told by its service's mapping, before the address's flag.
    pub service_decides: bool,
}

impl Default for TenantProfile {
    /// A tenant without a name, on the terms of Docplanner's online-features guide.
    fn default() -> Self {
        Self {
            id: String::new(),
            domain: String::new(),
            service_decides: false,
            payment: Terms { window: Duration::from_mins(90), grace: Duration::from_mins(5) },
            fetch_missing_url: true,
            reminders: Vec::new(),
        }
    }
}

/// For the patient, a video call opens this long before it starts (online-features guide, "Video
/// Consultations").
const PATIENT_ACCESS_BEFORE_START: TimeDelta = TimeDelta::hours(1);

/// The event that a notification becomes; `None` for a question, which states no fact.
#[must_use]
pub fn normalize(
    notification: &Notification,
    key: &IdempotencyKey,
    position: &Position,
    facts: &AddressFacts,
    partner: &PartnerIds,
    tenant: &TenantProfile,
) -> Option<Event> {
    let kind = event_kind(&notification.fact)?;
    let place = &notification.place;
    let mut data = data(notification, facts, tenant.payment.window);
    data.identify(partner, tenant.service_decides);
    Some(Event {
        kind,
        specversion: "1.0",
        id: key.derive(&kind.event_type()),
        source: source(&tenant.domain, place.facility.id.as_deref()),
        event_type: kind.event_type(),
        subject: subject(&notification.fact, place),
        time: notification.created_at,
        datacontenttype: "application/json",
        dataschema: kind.dataschema(),
        tenant: tenant.id.clone(),
        partitionkey: position.partition_key.clone(),
        sequence: format!("{:010}", position.sequence),
        data,
    })
}

/// Which event a fact becomes. No wildcard: a new kind waits here for its event.
fn event_kind(fact: &Fact) -> Option<EventKind> {
    Some(match fact {
        Fact::SlotBooked(_) => EventKind::BookingCreated,
        Fact::BookingCanceled(_) => EventKind::BookingCanceled,
        Fact::BookingMoved { .. } => EventKind::BookingMoved,
        Fact::BookingConfirmed(_) => EventKind::BookingConfirmed,
        Fact::PresenceMarked { .. } => EventKind::BookingPresenceMarked,
        Fact::PaymentStatusChanged { .. } => EventKind::PaymentStatusChanged,
        Fact::BreakCreated(_) => EventKind::BreakCreated,
        Fact::BreakMoved(_) => EventKind::BreakMoved,
        Fact::BreakRemoved(_) => EventKind::BreakRemoved,
        Fact::AddressServiceCreated(_) => EventKind::AddressServiceCreated,
        Fact::AddressServiceChanged(_) => EventKind::AddressServiceChanged,
        Fact::AddressServiceDeleted(_) => EventKind::AddressServiceDeleted,
        Fact::AddressCommercialTypeChanged => EventKind::AddressCommercialTypeChanged,
        Fact::AddressAssigned => EventKind::AddressAssigned,
        Fact::AddressUnassigned => EventKind::AddressUnassigned,
        Fact::Unrecognized { .. } => EventKind::NotificationUnrecognized,
        Fact::Question(_) => return None,
    })
}

fn source(domain: &str, facility: Option<&str>) -> String {
    let base = format!("https://www.{domain}/api/v3/integration");
    match facility {
        Some(id) => format!("{base}/facilities/{id}"),
        None => base,
    }
}

/// What the event is about.
fn subject(fact: &Fact, place: &Place) -> Option<String> {
    let address = place.address.id.as_deref();
    match fact {
        Fact::SlotBooked(booking)
        | Fact::BookingCanceled(booking)
        | Fact::BookingConfirmed(booking)
        | Fact::PresenceMarked { booking, .. }
        | Fact::PaymentStatusChanged { booking, .. }
        | Fact::BookingMoved { new: booking, .. } => Some(format!("bookings/{}", booking.id)),
        Fact::BreakCreated(pause) | Fact::BreakMoved(pause) | Fact::BreakRemoved(pause) => {
            Some(format!("breaks/{}", pause.id))
        }
        Fact::AddressServiceCreated(service)
        | Fact::AddressServiceChanged(service)
        | Fact::AddressServiceDeleted(service) => {
            let id = service.id.as_deref().unwrap_or_default();
            address.map(|address| format!("addresses/{address}/services/{id}"))
        }
        Fact::AddressCommercialTypeChanged
        | Fact::AddressAssigned
        | Fact::AddressUnassigned
        | Fact::Question(_)
        | Fact::Unrecognized { .. } => address.map(|address| format!("addresses/{address}")),
    }
}

fn data(notification: &Notification, facts: &AddressFacts, window: Duration) -> Data {
    let place = &notification.place;
    let mut data = Data {
        facility: FacilityData {
            id: place.facility.id.clone(),
            name: place.facility.name.clone(),
            partner_id: None,
        },
        doctor: DoctorData {
            id: place.doctor.id.clone(),
            name: place.doctor.name.clone(),
            surname: place.doctor.surname.clone(),
            partner_id: None,
        },
        address: address(place, facts),
        modality: Modality::from(facts.online_only),
        booking: None,
        previous_booking: None,
        presence: None,
        payment: None,
        payment_change: None,
        video_call: None,
        reminder: None,
        calendar_break: None,
        service: None,
        name: None,
        raw: None,
        unmapped: Vec::new(),
    };
    match &notification.fact {
        Fact::SlotBooked(booked)
        | Fact::BookingCanceled(booked)
        | Fact::BookingConfirmed(booked) => {
            data.with_booking(booked, window);
        }
        Fact::BookingMoved { old, new } => {
            // The link of a video call stays the same when its booking moves.
            let videocall_url = new.videocall_url.clone().or_else(|| old.videocall_url.clone());
            data.with_booking(&Booking { videocall_url, ..new.clone() }, window);
            data.previous_booking = Some(booking(old));
            if let Some(booking) = &mut data.booking {
                booking.previous_id = Some(old.id.clone());
            }
        }
        Fact::PresenceMarked { booking, presence } => {
            data.with_booking(booking, window);
            data.presence = Some(*presence);
        }
        Fact::PaymentStatusChanged { booking, change } => {
            // Who has a payment's status has to pay, whether or not the booking repeats it.
            data.with_booking(&Booking { visit_payment: Some(true), ..booking.clone() }, window);
            if let Some(payment) = &mut data.payment {
                payment.status = Some(change.to.as_str().to_owned());
            }
            data.payment_change = Some(payment_change(change));
        }
        Fact::BreakCreated(pause) | Fact::BreakMoved(pause) | Fact::BreakRemoved(pause) => {
            data.calendar_break = Some(calendar_break(pause));
        }
        Fact::AddressServiceCreated(changed)
        | Fact::AddressServiceChanged(changed)
        | Fact::AddressServiceDeleted(changed) => data.service = Some(service(changed)),
        Fact::Unrecognized { name, raw } => {
            data.name = Some(name.clone());
            data.raw = Some(raw.clone());
        }
        Fact::AddressCommercialTypeChanged
        | Fact::AddressAssigned
        | Fact::AddressUnassigned
        | Fact::Question(_) => {}
    }
    data
}

impl Data {
    fn with_booking(&mut self, booked: &Booking, window: Duration) {
        let required = booked.visit_payment == Some(true);
        self.booking = Some(booking(booked));
        self.payment = Some(PaymentData {
            required,
            status: None,
            due_at: booked.booked_at.filter(|_| required).map(|at| at + window),
            basis: None,
        });
        self.video_call = Some(VideoCallData {
            url: booked.videocall_url.clone(),
            patient_access_from: booked
                .start_at
                .filter(|_| booked.videocall_url.is_some())
                .map(|at| at - PATIENT_ACCESS_BEFORE_START),
        });
    }
}

fn address(place: &Place, facts: &AddressFacts) -> AddressData {
    let told = &place.address;
    AddressData {
        id: told.id.clone(),
        name: told.name.clone(),
        street: told.street.clone(),
        post_code: told.post_code.clone().or_else(|| facts.post_code.clone()),
        city: told.city.clone().or_else(|| facts.city.clone()),
        commercial_type: told.commercial_type.clone(),
        online_only: facts.online_only,
        visit_payment: facts.visit_payment,
        flags_as_of: facts.as_of,
        partner_id: None,
    }
}

fn booking(booked: &Booking) -> BookingData {
    BookingData {
        id: booked.id.clone(),
        previous_id: None,
        status: booked.status.clone(),
        start_at: booked.start_at,
        end_at: booked.end_at,
        duration_minutes: booked.duration_minutes,
        booked_by: booked.booked_by.clone(),
        booked_at: booked.booked_at,
        canceled_by: booked.canceled_by.clone(),
        canceled_at: booked.canceled_at,
        service: booked.service.as_ref().map(|service| BookedServiceData {
            id: service.id.clone(),
            name: service.name.clone(),
            price: service.price.clone(),
            price_is_from: service.price_is_from,
            partner_id: None,
        }),
        patient: booked.patient.clone(),
        comment: booked.comment.clone(),
        insurance: booked.insurance.clone(),
    }
}

fn service(changed: &Service) -> ServiceData {
    ServiceData {
        id: changed.id.clone(),
        name: changed.name.clone(),
        price: changed.price.clone(),
        price_is_from: changed.price_is_from,
        is_default: changed.is_default,
        is_visible: changed.is_visible,
        description: changed.description.clone(),
        dictionary_id: changed.dictionary_id.clone(),
        partner_id: None,
    }
}

fn payment_change(change: &PaymentChange) -> PaymentChangeData {
    PaymentChangeData {
        from: change.from.clone(),
        to: change.to.clone(),
        changed_at: change.changed_at,
    }
}

fn calendar_break(pause: &Break) -> BreakData {
    BreakData { id: pause.id.clone(), since: pause.since, till: pause.till }
}
