//! What makes two notifications the same one.
//!
//! Docplanner gives a notification no id, so its identity is made from what it says: the
//! [`IdempotencyKey`] names the fact, the [`Content`] its details. The same key with the same
//! content is a duplicate; the same key with other content is a conflict.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::private::Private;

use super::{Booking, Break, Fact, Moment, Notification, PaymentChange, Service};

/// Identity of a fact within a tenant: equal for a redelivery, for the same notification by push and by
/// pull, and for a release days later, in whatever dialect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// A digest of what a notification says, `created_at` and differences of dialect aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content(Uuid);

impl IdempotencyKey {
    /// The key, readable: `{tenant}/{facility}/{kind}/{ids…}`. Ids and times only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of what time brings: a timer fires once.
    #[must_use]
    pub fn of_timer(tenant: &str, timer: Uuid) -> Self {
        Self(format!("{tenant}/timer/{timer}"))
    }

    /// The key as the inbox stores it: `UUIDv5` of its text.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.derive("")
    }

    /// An id made from the key and `part`: the same for every repeat, another one for another part.
    #[must_use]
    pub fn derive(&self, part: &str) -> Uuid {
        derive(&format!("{}\n{part}", self.0))
    }
}

/// An id made from a text.
pub(super) fn derive(text: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, text.as_bytes())
}

/// The namespace of every id that the worker derives. Changing it would make every event new.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_8a52_0c0e_4f6c_9a3b_5d1e_2c7a_4b90);

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Content {
    /// The content of what has nothing to compare.
    #[must_use]
    pub fn none() -> Self {
        Self(Uuid::nil())
    }

    /// The digest as the inbox stores it.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl Notification {
    /// The idempotency key of this notification for a tenant.
    ///
    /// `created_at` is part of it only where two equal facts can be two events: a presence can be
    /// marked twice, a break can move away and back, but a slot is booked once.
    #[must_use]
    pub fn key(&self, tenant: &str) -> IdempotencyKey {
        let facility = self.place.facility.id.as_deref().unwrap_or("-");
        let address = self.place.address.id.as_deref().unwrap_or("-");
        let created = instant(self.created_at);
        let ids = match &self.fact {
            Fact::SlotBooked(booking) | Fact::BookingCanceled(booking) => booking.id.clone(),
            Fact::BookingMoved { old, new } => format!("{}/{}", old.id, new.id),
            Fact::BookingConfirmed(booking) => format!("{}/{created}", booking.id),
            Fact::PresenceMarked { booking, presence } => {
                format!("{}/{presence:?}/{created}", booking.id)
            }
            Fact::PaymentStatusChanged { booking, change } => {
                let when = instant(change.changed_at.or(self.created_at));
                format!("{}/{}/{when}", booking.id, change.to.as_str())
            }
            Fact::BreakCreated(pause) | Fact::BreakRemoved(pause) => pause.id.clone(),
            Fact::BreakMoved(pause) => {
                let (since, till) = (instant(pause.since), instant(pause.till));
                format!("{}/{since}/{till}/{created}", pause.id)
            }
            Fact::AddressServiceCreated(service)
            | Fact::AddressServiceChanged(service)
            | Fact::AddressServiceDeleted(service) => {
                format!("{address}/{}/{created}", service.id.as_deref().unwrap_or("-"))
            }
            Fact::AddressCommercialTypeChanged
            | Fact::AddressAssigned
            | Fact::AddressUnassigned => format!("{address}/{created}"),
            Fact::Question(_) => created,
            Fact::Unrecognized { name, .. } => format!("{name}/{created}/{}", self.content().0),
        };
        IdempotencyKey(format!("{tenant}/{facility}/{}/{ids}", self.fact.kind().name()))
    }

    /// The digest of what this notification says. Names of the facility, the doctor and the address are
    /// left out: they are looked up again at every release and may be spelled another way by then.
    #[must_use]
    pub fn content(&self) -> Content {
        let mut digest = ContentDigest(Sha256::new());
        digest.put(self.place.facility.id.as_deref());
        digest.put(self.place.doctor.id.as_deref());
        digest.put(self.place.address.id.as_deref());
        match &self.fact {
            Fact::SlotBooked(booking)
            | Fact::BookingCanceled(booking)
            | Fact::BookingConfirmed(booking) => digest.booking(booking),
            Fact::BookingMoved { old, new } => {
                digest.booking(old);
                digest.booking(new);
            }
            Fact::PresenceMarked { booking, presence } => {
                digest.booking(booking);
                digest.put(Some(format!("{presence:?}")));
            }
            Fact::PaymentStatusChanged { booking, change } => {
                digest.booking(booking);
                digest.payment_change(change);
            }
            Fact::BreakCreated(pause) | Fact::BreakMoved(pause) | Fact::BreakRemoved(pause) => {
                digest.calendar_break(pause);
            }
            Fact::AddressServiceCreated(service)
            | Fact::AddressServiceChanged(service)
            | Fact::AddressServiceDeleted(service) => digest.service(Some(service)),
            Fact::AddressCommercialTypeChanged
            | Fact::AddressAssigned
            | Fact::AddressUnassigned => {
                digest.put(self.place.address.commercial_type.as_deref());
            }
            Fact::Question(_) => {}
            Fact::Unrecognized { raw, .. } => digest.put(Some(canonical(raw.expose().get()))),
        }
        digest.finish()
    }
}

/// A moment as an instant, so that the offset it is written with does not matter.
fn instant(moment: Option<Moment>) -> String {
    moment.map_or_else(|| "-".to_owned(), |m| m.to_utc().to_rfc3339())
}

/// JSON without white space and with sorted keys, so that a re-serialized copy is the same content.
/// What cannot be re-read (nested too deep) is compared as it stands.
fn canonical(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json)
        .map_or_else(|_| json.to_owned(), |value| value.to_string())
}

/// Digests values one by one, each with its end marked, so that no two lists of values run together.
struct ContentDigest(Sha256);

impl ContentDigest {
    fn put(&mut self, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.0.update([1]);
            self.0.update(value.as_ref().as_bytes());
        }
        self.0.update([0]);
    }

    fn booking(&mut self, booking: &Booking) {
        self.put(Some(&booking.id));
        self.put(booking.status.as_deref());
        for moment in [booking.start_at, booking.end_at, booking.booked_at, booking.canceled_at] {
            self.put(Some(instant(moment)));
        }
        self.put(booking.duration_minutes.map(|m| m.to_string()));
        self.put(booking.booked_by.as_deref());
        self.put(booking.canceled_by.as_deref());
        self.service(booking.service.as_ref());
        self.put(booking.comment.as_ref().map(Private::expose));
        self.put(Some(booking.visit_payment.unwrap_or(false).to_string()));
        self.put(booking.videocall_url.as_ref().map(Private::expose));
        if let Some(insurance) = &booking.insurance {
            self.put(insurance.id.as_deref());
            self.put(insurance.plan_id.as_deref());
        }
        if let Some(patient) = &booking.patient {
            for field in [
                &patient.name,
                &patient.surname,
                &patient.email,
                &patient.gender,
                &patient.insurance_number,
            ] {
                self.put(field.as_ref().map(Private::expose));
            }
            // As a JSON number, a phone has lost its plus and a national id its leading zeros.
            self.put(patient.phone.as_ref().map(|p| p.expose().trim_start_matches('+')));
            self.put(patient.nin.as_ref().map(|n| n.expose().trim_start_matches('0')));
            self.put(patient.birth_date.as_ref().map(|d| d.expose().to_string()));
        }
    }

    fn service(&mut self, service: Option<&Service>) {
        let Some(service) = service else { return self.put(None::<&str>) };
        self.put(service.id.as_deref());
        self.put(service.name.as_deref());
        self.put(
            service.price.as_ref().and_then(serde_json::Number::as_f64).map(|p| p.to_string()),
        );
        self.put(service.price_is_from.map(|f| f.to_string()));
        self.put(service.description.as_deref());
        self.put(service.dictionary_id.as_deref());
    }

    fn payment_change(&mut self, change: &PaymentChange) {
        self.put(change.from.as_ref().map(super::PaymentStatus::as_str));
        self.put(Some(change.to.as_str()));
        self.put(Some(instant(change.changed_at)));
    }

    fn calendar_break(&mut self, pause: &Break) {
        self.put(Some(&pause.id));
        self.put(Some(instant(pause.since)));
        self.put(Some(instant(pause.till)));
    }

    /// 128 bits of the digest are enough to tell two contents of one key apart, and small in an index.
    fn finish(self) -> Content {
        let digest = self.0.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Content(Uuid::from_bytes(bytes))
    }
}
