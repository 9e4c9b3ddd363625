//! What is to be remembered once an event is published: it is stored together with the completion.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    notification::{Moment, Visit},
    payment::{Basis, Payment, PaymentState},
};

/// What a decision leaves behind, beside its events. No patient data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// How the chain's payment stands now; `None`: as before.
    pub payment: Option<Payment>,
    /// Timers of the chain that are not needed any more, before others are set.
    pub cancel: Vec<TimerKind>,
    /// The timer that fired, and is done.
    pub fired: Option<Uuid>,
    /// Where the payment's booking is found from now on.
    pub rebook: Option<Visit>,
    /// Timers of the chain to be set. Setting one that is there changes nothing.
    pub set: Vec<NewTimer>,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// Somebody has to look whether a visit was paid.
    Payment,
    /// A video call begins soon.
    Reminder,
}

/// A timer to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTimer {
    /// The same for every repeat of the notification that sets it.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: String,
    /// When it fires. What lies in the past fires at once.
    pub due_at: DateTime<Utc>,
    /// The booking it is about.
    pub visit: Visit,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a timer is for, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// To look whether a visit was paid.
    Payment {
        /// How often somebody looked.
        looks: u32,
        /// What was decided, if that is written down already.
        decided: Option<(PaymentState, Basis)>,
    },
    /// To remind of a video call.
    Reminder(Reminder),
}

/// A reminder of a video call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// How long before the start.
    pub before_seconds: i32,
    /// The start as it was told.
    pub start_at: Moment,
    /// There is a call; otherwise there may be one, and nobody could tell.
    pub certain: bool,
}

impl Effects {
    /// Nothing is left behind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl TimerKind {
    /// Every kind.
    pub const ALL: [TimerKind; 2] = [TimerKind::Payment, TimerKind::Reminder];

    /// The word in the database and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TimerKind::Payment => "payment",
            TimerKind::Reminder => "reminder",
        }
    }
}

impl Purpose {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> TimerKind {
        match self {
            Purpose::Payment { .. } => TimerKind::Payment,
            Purpose::Reminder(_) => TimerKind::Reminder,
        }
    }
}
