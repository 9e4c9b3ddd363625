//! The catalog: what exists at Docplanner for a tenant, as a walk through its API last saw it, and
//! what is to do about its mapping.
//!
//! A walk asks for one list at a time (facilities, then the doctors of each, then their addresses,
//! then the services of each address) and stores every answer in a transaction of its own. What is
//! left to ask follows from what is stored, so that a walk that was interrupted goes on anywhere.

mod dictionary;
mod notice;
mod pace;
mod report;
mod store;
mod walk;

use chrono::{DateTime, Utc};

pub use self::{
    notice::{Notice, Watch, WhyWait},
    report::{
        AddressReport, Calendar, DoctorReport, Finding, FindingKind, Report, ServiceReport,
        Subject, report,
    },
    store::{Counts, Store, StoreError},
    walk::{Entry, Plan, Refusal, Summary, WalkError, walk},
};
use crate::docplanner::{DictionaryEntry, ListedAddress, ListedDoctor, ListedService};

/// One list to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The country's dictionary of services.
    Dictionary,
    /// The client's facilities.
    Facilities,
    /// The doctors of a facility.
    Doctors {
        /// Its id.
        facility: String,
    },
    /// The addresses of a doctor.
    Addresses {
        /// At this facility.
        facility: String,
        /// The doctor's id.
        doctor: String,
    },
    /// The services of an address.
    Services {
        /// At this facility.
        facility: String,
        /// Of this doctor.
        doctor: String,
        /// The address's id.
        address: String,
    },
}

/// What a list held.
#[derive(Debug)]
enum Found {
    Dictionary(Vec<DictionaryEntry>),
    Facilities(Vec<String>),
    Doctors(Vec<ListedDoctor>),
    Addresses(Vec<ListedAddress>),
    Services(Vec<ListedService>),
}

/// What is stored of a tenant, what is gone included.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// `None`: never walked.
    pub walk: Option<WalkState>,
    /// By id.
    pub facilities: Vec<Facility>,
    /// By facility and id.
    pub doctors: Vec<Doctor>,
    /// By id.
    pub addresses: Vec<Address>,
    /// By address and id.
    pub services: Vec<Service>,
}

/// How far the walks of a tenant came.
#[derive(Debug, Clone)]
pub struct WalkState {
    /// When the last complete walk ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// A later walk is under way, or was interrupted.
    pub is_unfinished: bool,
    /// The dictionary's entries that mean an online consultation.
    pub online_consultation: Vec<String>,
}

/// A facility.
#[derive(Debug, Clone)]
pub struct Facility {
    /// Docplanner's id.
    pub id: String,
    /// When its absence was noticed.
    pub gone_at: Option<DateTime<Utc>>,
}

/// A doctor at one facility.
#[derive(Debug, Clone)]
pub struct Doctor {
    /// Docplanner's id.
    pub id: String,
    /// Where.
    pub facility_id: String,
    /// When the doctor's absence was noticed.
    pub gone_at: Option<DateTime<Utc>>,
}

/// One doctor at one place: a calendar.
#[derive(Debug, Clone)]
pub struct Address {
    /// Docplanner's id.
    pub id: String,
    /// At which facility.
    pub facility_id: String,
    /// Whose.
    pub doctor_id: String,
    /// For online consultations only; `None` where the API does not tell.
    pub online_only: Option<bool>,
    /// Visits are paid through the marketplace; `None` where the API does not tell.
    pub visit_payment: Option<bool>,
    /// When its absence was noticed.
    pub gone_at: Option<DateTime<Utc>>,
}

/// A service at one address.
#[derive(Debug, Clone)]
pub struct Service {
    /// The `address_service_id`, valid at its own address only.
    pub id: String,
    /// Where it is offered.
    pub address_id: String,
    /// Its name.
    pub name: String,
    /// Its entry in the dictionary.
    pub dictionary_id: Option<String>,
    /// When its absence was noticed.
    pub gone_at: Option<DateTime<Utc>>,
}

/// A row of the mapping, as far as the report reads it.
#[derive(Debug, Clone)]
pub struct MappingRow {
    /// `facility`, `doctor`, `address` or `service`.
    pub kind: String,
    /// Of a service.
    pub address_id: String,
    /// What Docplanner calls it.
    pub docplanner_id: String,
    /// What the partner calls it.
    pub partner_id: String,
    /// Of a service, where services decide the modality.
    pub online: Option<bool>,
}
