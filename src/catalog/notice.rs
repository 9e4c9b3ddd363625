//! What a walk tells while it is under way.

use std::fmt;

use chrono::{DateTime, Utc};

use super::Step;
use crate::docplanner::ApiError;

/// Who is told how a walk goes on.
pub trait Watch {
    /// So many lists are read, and so many are known to be left.
    fn advanced(&mut self, done: usize, left: usize);

    /// Something a person wants to know.
    fn tell(&mut self, notice: &Notice<'_>);
}

/// Something a person wants to know of a walk.
#[derive(Debug)]
pub enum Notice<'n> {
    /// An earlier walk was interrupted, and this one goes on with it.
    GoesOn {
        /// When it began.
        since: DateTime<Utc>,
        /// How many lists need not be asked for again.
        done: usize,
    },
    /// An earlier walk was interrupted, too long ago to go on with it.
    BeginsAnew {
        /// When it began.
        since: DateTime<Utc>,
    },
    /// Nothing is asked for before then.
    Waits {
        /// When the next request is sent.
        until: DateTime<Utc>,
        /// Why not earlier.
        why: &'n WhyWait,
    },
    /// 403 or 404, in the middle of the walk.
    Refused {
        /// The list that was asked for.
        step: &'n Step,
        /// 403 or 404.
        status: u16,
    },
    /// The API answers others, but not this question.
    Unread {
        /// The list that was asked for.
        step: &'n Step,
        /// The last answer.
        error: &'n ApiError,
    },
    /// A doctor without addresses.
    NoAddresses {
        /// At this facility.
        facility: &'n str,
        /// The doctor's id.
        doctor: &'n str,
    },
    /// A facility of the settings that the API does not show.
    FacilityNotShown {
        /// Its id.
        facility: &'n str,
    },
    /// The dictionary has no entry that reads like an online consultation.
    NoOnlineConsultation,
}

/// Why a walk waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyWait {
    /// The API said so.
    RateLimit,
    /// What is left of the quota is the running workers'.
    Reserve {
        /// So much is left.
        remaining: u64,
        /// Of so much.
        limit: u64,
    },
    /// A firewall has answered; it forgets after a while.
    Firewall,
    /// The API does not answer as it should.
    Trouble(ApiError),
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::GoesOn { since, done } => write!(
                f,
                "goes on with the walk that began {}: {done} of its lists are read already \
                 (--restart begins anew)",
                time(since)
            ),
            Notice::BeginsAnew { since } => write!(
                f,
                "begins anew: the interrupted walk is from {}, too long ago to be one picture",
                time(since)
            ),
            Notice::Waits { until, why } => write!(f, "waits until {}: {why}", time(until)),
            Notice::Refused { step, status } => {
                write!(f, "{step}: the API answers {status}; left out of this walk")
            }
            Notice::Unread { step, error } => {
                write!(f, "{step}: {error}; set aside for the next run")
            }
            Notice::NoAddresses { facility, doctor } => {
                write!(f, "doctor {doctor} has no address at facility {facility}")
            }
            Notice::FacilityNotShown { facility } => write!(
                f,
                "facility {facility} is in the settings, but the API does not show it to this client"
            ),
            Notice::NoOnlineConsultation => f.write_str(
                "no entry of the dictionary of services reads like an online consultation; \
                 the report cannot tell which online addresses lack it",
            ),
        }
    }
}

impl fmt::Display for WhyWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhyWait::RateLimit => f.write_str("the API limits our rate"),
            WhyWait::Reserve { remaining, limit } => write!(
                f,
                "{remaining} of {limit} requests are left of the quota, a quarter is kept for the \
                 running workers"
            ),
            WhyWait::Firewall => f.write_str("a firewall answers in place of the API"),
            WhyWait::Trouble(error) => write!(f, "{error}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Dictionary => f.write_str("dictionary of services"),
            Step::Facilities => f.write_str("facilities"),
            Step::Doctors { facility } => write!(f, "doctors of facility {facility}"),
            Step::Addresses { facility, doctor } => {
                write!(f, "addresses of doctor {doctor} at facility {facility}")
            }
            Step::Services { address, .. } => write!(f, "services of address {address}"),
        }
    }
}

fn time(at: &DateTime<Utc>) -> impl fmt::Display {
    at.format("%Y-%m-%d %H:%M:%S UTC")
}
