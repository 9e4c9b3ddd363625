//! How a walk ended.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    catalog::{Counts, Step, StoreError},
    docplanner::ApiError,
};

/// A walk at its end.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Whose.
    pub tenant: String,
    /// When it began; earlier than this run if it went on with an interrupted one.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: DateTime<Utc>,
    /// Whether it went on with an interrupted walk.
    pub resumed: bool,
    /// Lists read in this run.
    pub lists_read: usize,
    /// Facilities.
    pub facilities: Counts,
    /// Doctors, at each facility.
    pub doctors: Counts,
    /// Addresses.
    pub addresses: Counts,
    /// Services at the addresses.
    pub services: Counts,
    /// The dictionary's entries that were taken for the online consultation, if it was read in this
    /// run.
    pub online_consultation: Vec<Entry>,
    /// What the API refused to list in this run, and so was left out.
    pub refused: Vec<Refusal>,
}

/// An entry of the dictionary of services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Docplanner's id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Why a walk did not reach its end. What it has read is kept.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// Somebody else walks.
    #[error("another `mapping sync` of this tenant is under way")]
    Busy,
    /// A signal.
    #[error("interrupted; the same command goes on from here")]
    Interrupted,
    /// The API shows nothing to walk. Taken for true, it would make everything look deleted.
    #[error("the API shows none of the tenant's facilities; nothing is changed")]
    NoFacilities,
    /// The API does not answer, or not us.
    #[error(
        "{step}: {}; what is read is kept, and the same command goes on from here",
        told(error)
    )]
    Api {
        /// What was asked for.
        step: Step,
        /// The last answer.
        error: ApiError,
    },
    /// The API answers, but not every question.
    #[error(
        "{count} of the lists could not be read, the last is {step}: {}; what is read is kept, and the same \
         command goes on from here",
        told(error)
    )]
    Unread {
        /// How many.
        count: usize,
        /// One of them.
        step: Step,
        /// The last answer to it.
        error: ApiError,
    },
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An error in words that fit a list.
fn told(error: &ApiError) -> String {
    match error {
        ApiError::Unknown { status } => format!("the API answers {status}"),
        other => other.to_string(),
    }
}

/// A list that the API refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Which one.
    pub list: String,
    /// 403 or 404.
    pub status: u16,
}

impl Refusal {
    pub(super) fn new(step: &Step, status: u16) -> Self {
        Self { list: step.to_string(), status }
    }
}
