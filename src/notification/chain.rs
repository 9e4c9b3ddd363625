//! What has to be published one after another.
//!
//! Notifications about one booking are a chain, and a move continues it under the new booking's id.
//! A break, a service at an address, and an address itself each have a chain of their own.

use chrono::TimeDelta;
use uuid::Uuid;

use super::{Booking, Fact, IdempotencyKey, Moment, Notification, key::derive};

/// A notification's chain, as far as the notification alone tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// A digest of the tenant and the id of the booking, break, service or address.
    pub subject: Uuid,
    /// What its events carry as `partitionkey`, unless the chain began with another booking.
    pub partition_key: String,
    /// The subject of the booking that it was moved to.
    pub moves_to: Option<Uuid>,
    /// Its place among the notifications of the subject.
    pub role: Role,
    /// When the visit or the break is over. No notification comes long after that.
    pub ends_at: Option<Moment>,
}

/// What a notification alone tells of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The first one of its subject.
    Begins,
    /// A later one. The first may have been delivered to another process a moment ago.
    Follows,
    /// Nothing.
    Unknown,
}

/// A place in a chain, once given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The id of the chain's first booking, of the break, or of the address.
    pub partition_key: String,
    /// Counts the notifications of the chain, from 1.
    pub sequence: u32,
}

/// A booking that is older than this when something happens to it was delivered long ago.
const LATELY: TimeDelta = TimeDelta::hours(24);

impl Notification {
    /// The chain of this notification for a tenant. `key` is its own.
    #[must_use]
    pub fn chain(&self, tenant: &str, key: &IdempotencyKey) -> Chain {
        let address = self.place.address.id.as_deref();
        let subject = |what: &str, id: &str| derive(&format!("{tenant}/{what}/{id}"));
        let (role, ends_at) = (self.role(), self.ends_at());
        match &self.fact {
            Fact::BookingMoved { old, new } => Chain {
                moves_to: Some(subject("booking", &new.id)),
                ..Chain::new(subject("booking", &old.id), &old.id, role, ends_at)
            },
            Fact::BreakCreated(pause) | Fact::BreakMoved(pause) | Fact::BreakRemoved(pause) => {
                Chain::new(subject("break", &pause.id), &pause.id, role, ends_at)
            }
            Fact::AddressServiceCreated(service)
            | Fact::AddressServiceChanged(service)
            | Fact::AddressServiceDeleted(service) => {
                let address = address.unwrap_or_default();
                let service = service.id.as_deref().unwrap_or_default();
                let service = subject("service", &format!("{address}/{service}"));
                Chain::new(service, address, role, ends_at)
            }
            fact => match (fact.booking(), address) {
                (Some(booking), _) => {
                    Chain::new(subject("booking", &booking.id), &booking.id, role, ends_at)
                }
                (None, Some(address)) => {
                    Chain::new(subject("address", address), address, role, ends_at)
                }
                // Nothing that others could belong to.
                (None, None) => {
                    let facility = self.place.facility.id.as_deref();
                    Chain::new(key.uuid(), facility.unwrap_or(tenant), role, ends_at)
                }
            },
        }
    }

    fn role(&self) -> Role {
        let booking = match &self.fact {
            Fact::SlotBooked(_) | Fact::BreakCreated(_) => return Role::Begins,
            Fact::BreakMoved(_) | Fact::BreakRemoved(_) => return Role::Follows,
            Fact::BookingMoved { old, .. } => Some(old),
            fact => fact.booking(),
        };
        match booking {
            Some(booking) if self.was_booked_lately(booking) => Role::Follows,
            Some(_) | None => Role::Unknown,
        }
    }

    fn was_booked_lately(&self, booking: &Booking) -> bool {
        match (booking.booked_at, self.created_at) {
            (Some(booked), Some(told)) => told - booked < LATELY,
            _ => true,
        }
    }

    fn ends_at(&self) -> Option<Moment> {
        let end = |booking: &Booking| booking.end_at.or(booking.start_at);
        match &self.fact {
            Fact::BookingMoved { old, new } => end(old).max(end(new)),
            Fact::BreakCreated(pause) | Fact::BreakMoved(pause) | Fact::BreakRemoved(pause) => {
                pause.till.or(pause.since)
            }
            fact => fact.booking().and_then(end),
        }
    }
}

impl Chain {
    fn new(subject: Uuid, partition_key: &str, role: Role, ends_at: Option<Moment>) -> Self {
        let partition_key = partition_key.to_owned();
        Self { subject, partition_key, moves_to: None, role, ends_at }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn chain(name: &str, data: &Value) -> Chain {
        let mut body = json!({
            "facility": { "id": "1" }, "doctor": { "id": "2" }, "address": { "id": "3" },
        });
        body.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        let body = json!({ "name": name, "data": body, "created_at": "2024-03-04T10:00:00Z" });
        let notification = Notification::decode(body.to_string().as_bytes()).unwrap();
        let key = notification.key("acme");
        notification.chain("acme", &key)
    }

    fn booking(id: &str) -> Value {
        json!({ "visit_booking": { "id": id } })
    }

    #[test]
    fn whatever_happens_to_a_booking_is_one_chain() {
        let booked = chain("slot-booked", &booking("77"));
        let canceled = chain("booking-canceled", &booking("77"));
        assert_eq!((booked.subject, &*booked.partition_key), (canceled.subject, "77"));
        assert_ne!(booked.subject, chain("slot-booked", &booking("78")).subject);
        let pause = json!({ "break": { "id": "77" }});
        assert_ne!(booked.subject, chain("break-created", &pause).subject, "another kind of thing");
    }

    #[test]
    fn a_move_belongs_to_the_old_booking_and_names_the_new_one() {
        let data =
            json!({ "old_visit_booking": { "id": "77" }, "new_visit_booking": { "id": "78" }});
        let moved = chain("booking-moved", &data);
        assert_eq!(moved.subject, chain("slot-booked", &booking("77")).subject);
        assert_eq!(moved.moves_to, Some(chain("slot-booked", &booking("78")).subject));
        assert_eq!(moved.partition_key, "77");
    }

    #[test]
    fn services_count_by_themselves_and_share_the_partition_key_of_their_address() {
        let service = |id: &str| {
            chain("address-service-changed", &json!({ "address_service": { "id": id } }))
        };
        let address = chain("address-assigned", &json!({}));
        assert_ne!(service("5").subject, service("6").subject);
        assert_ne!(service("5").subject, address.subject);
        assert_eq!(service("5").partition_key, "3");
        assert_eq!(address.partition_key, "3");
    }

    #[test]
    fn what_happens_to_a_booking_follows_it_closely_only_if_it_was_booked_lately() {
        for (booked_at, role) in [
            (json!("2024-03-04T09:00:00Z"), Role::Follows),
            (json!("2024-03-03T09:00:00Z"), Role::Unknown),
            (json!(null), Role::Follows),
        ] {
            let data = json!({ "visit_booking": { "id": "77", "booked_at": booked_at }});
            assert_eq!(chain("booking-canceled", &data).role, role, "{booked_at}");
        }
        assert_eq!(chain("slot-booked", &booking("77")).role, Role::Begins);
    }
}
