//! The partner's own identifiers: which of them stands for which of Docplanner's.

mod copy;
pub mod file;
mod plan;
mod postgres;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

pub use self::{
    copy::MappingCopy,
    plan::{Change, Plan},
    postgres::{dry_run, import, read, rows_named_by},
};
use crate::{
    normalize::PartnerIds,
    notification::{Notification, Service},
};

/// The mappings of all tenants, as they were a moment ago.
pub trait Mappings: Send + Sync {
    /// The partner's identifiers of what a notification names. Asks nobody.
    fn partner_ids(&self, tenant: &str, notification: &Notification) -> PartnerIds;
}

/// What can be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A clinic.
    Facility,
    /// A doctor.
    Doctor,
    /// One doctor at one place: a calendar.
    Address,
    /// A service at one address.
    Service,
}

/// What a row is about. The same service has another identifier at another address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<'a> {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Where a service is; empty for everything else.
    pub address_id: &'a str,
    /// Docplanner's identifier.
    pub docplanner_id: &'a str,
}

/// One row of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Where a service is; empty for everything else.
    #[serde(serialize_with = "null_if_empty")]
    pub address_id: String,
    /// Docplanner's identifier.
    pub docplanner_id: String,
    /// The partner's identifier.
    pub partner_id: String,
    /// Of services only: whether it takes place online.
    pub online: Option<bool>,
}

/// The rows of one tenant, found by their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// In the order of their keys. A sorted list takes half the memory of a map.
    rows: Vec<Row>,
}

/// A row with the moment of its last change.
#[derive(Debug, Clone)]
pub struct DatedRow {
    /// The row.
    pub row: Row,
    /// When the database got it as it is.
    pub changed_at: DateTime<Utc>,
}

/// What a notification names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Named<'n> {
    /// The clinic.
    pub facility: Option<Key<'n>>,
    /// The doctor.
    pub doctor: Option<Key<'n>>,
    /// The calendar.
    pub address: Option<Key<'n>>,
    /// The service of the booking, or the one that changed.
    pub service: Option<Key<'n>>,
    /// The service of the booking that was moved. The notification of a move names one address.
    pub previous_service: Option<Key<'n>>,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Facility, Kind::Doctor, Kind::Address, Kind::Service];

    /// The word in files, in the database and in `unmapped`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Facility => "facility",
            Kind::Doctor => "doctor",
            Kind::Address => "address",
            Kind::Service => "service",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl<'a> Key<'a> {
    /// The key of anything but a service.
    fn of(kind: Kind, docplanner_id: &'a str) -> Self {
        Self { kind, address_id: "", docplanner_id }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.docplanner_id)?;
        if self.kind == Kind::Service {
            write!(f, " at address {}", self.address_id)?;
        }
        Ok(())
    }
}

impl Row {
    /// What it is about.
    #[must_use]
    pub fn key(&self) -> Key<'_> {
        Key { kind: self.kind, address_id: &self.address_id, docplanner_id: &self.docplanner_id }
    }
}

impl Mapping {
    /// A mapping of these rows; of two with the same key, one is kept.
    #[must_use]
    pub fn new(mut rows: Vec<Row>) -> Self {
        rows.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
        rows.dedup_by(|a, b| a.key() == b.key());
        Self { rows }
    }

    /// All rows, in the order of their keys.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of a key.
    #[must_use]
    pub fn get(&self, key: Key<'_>) -> Option<&Row> {
        let found = self.rows.binary_search_by(|row| row.key().cmp(&key));
        found.ok().map(|nth| &self.rows[nth])
    }

    /// The partner's identifiers of what is named.
    #[must_use]
    pub fn partner_ids(&self, named: &Named<'_>) -> PartnerIds {
        let row = |key: Option<Key<'_>>| key.and_then(|key| self.get(key));
        let id = |key| row(key).map(|row| row.partner_id.clone());
        PartnerIds {
            facility: id(named.facility),
            doctor: id(named.doctor),
            address: id(named.address),
            service: id(named.service),
            service_online: row(named.service).and_then(|row| row.online),
            previous_service: id(named.previous_service),
        }
    }
}

impl<'n> Named<'n> {
    /// What the notification names.
    #[must_use]
    pub fn by(notification: &'n Notification) -> Self {
        let place = &notification.place;
        let of = |kind, id: &'n Option<String>| Some(Key::of(kind, id.as_deref()?));
        let service = |service: Option<&'n Service>| {
            Some(Key {
                kind: Kind::Service,
                address_id: place.address.id.as_deref()?,
                docplanner_id: service?.id.as_deref()?,
            })
        };
        Self {
            facility: of(Kind::Facility, &place.facility.id),
            doctor: of(Kind::Doctor, &place.doctor.id),
            address: of(Kind::Address, &place.address.id),
            service: service(notification.fact.service()),
            previous_service: service(notification.fact.previous_service()),
        }
    }

    /// The keys, each once.
    pub fn keys(self) -> impl Iterator<Item = Key<'n>> {
        let previous = self.previous_service.filter(|key| Some(*key) != self.service);
        [self.facility, self.doctor, self.address, self.service, previous].into_iter().flatten()
    }
}

fn null_if_empty<S: Serializer>(text: &str, s: S) -> Result<S::Ok, S::Error> {
    (!text.is_empty()).then_some(text).serialize(s)
}
