//! Why a delivery did not become an event, and whether it could later.

use std::time::Duration;

use crate::{
    broker::PublishError, delivery::Reason, docplanner::ApiError, normalize::Unmapped,
    notification::DecodeError, retry::Prospect, tenants::UnknownTenant,
};

/// What stopped a delivery. No text holds personal data: it becomes header `x-error` and a log line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Refused unread.
    #[error("the body has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// `broker.max_body_bytes`.
        limit: usize,
    },
    /// Not a notification, or one without what its kind needs.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Nobody's.
    #[error(transparent)]
    UnknownTenant(#[from] UnknownTenant),
    /// Another delivery of the same fact is being worked on.
    #[error("another delivery of the same notification is being worked on")]
    HeldElsewhere,
    /// Others of its chain come first.
    #[error("an earlier notification of the same booking is not published yet")]
    Behind {
        /// The first of them is in a retry queue for as long; `None` if it is being worked on.
        back_in: Option<Duration>,
    },
    /// The same fact with other content.
    #[error("the same notification was received before with other content")]
    Conflict,
    /// The inbox refuses its data. The decoder lets no such thing through that we know of.
    #[error("the database cannot hold its ids or times")]
    CannotBeKept,
    /// The address's flags could not be had.
    #[error("cannot look up the address")]
    Lookup(#[source] ApiError),
    /// The tenant wants no event that names what the partner does not know.
    #[error(transparent)]
    Unmapped(#[from] Unmapped),
    /// The broker did not take the event.
    #[error("cannot publish the event")]
    Publish(#[from] PublishError),
    /// A defect of the worker. The panic's text may quote the body, so it is not told; where it happened
    /// is in the log, by the panic hook.
    #[error("processing it panicked")]
    Panicked,
    /// The worker stops, and there was no time to finish.
    #[error("the worker is stopping")]
    Stopping,
    /// Working on it took longer than `database.lease`.
    #[error("the lease ran out before the event was confirmed")]
    LeaseRanOut,
}

impl From<&Error> for Prospect {
    fn from(error: &Error) -> Self {
        match error {
            Error::TooLarge { .. } => Prospect::Never(Reason::TooLarge),
            Error::Decode(DecodeError::Malformed(_)) => Prospect::Never(Reason::Malformed),
            Error::Decode(DecodeError::Invalid { .. }) | Error::CannotBeKept => {
                Prospect::Never(Reason::Invalid)
            }
            Error::UnknownTenant(_) => Prospect::Never(Reason::UnknownTenant),
            Error::Conflict => Prospect::Never(Reason::Conflict),
            Error::Unmapped(_) => Prospect::Never(Reason::Unmapped),
            Error::Panicked => Prospect::Never(Reason::Poison),
            // Waiting is not failing.
            Error::Behind { back_in } => Prospect::Behind(back_in.unwrap_or_default()),
            Error::HeldElsewhere | Error::LeaseRanOut | Error::Stopping => Prospect::Wait(None),
            Error::Lookup(cause) => cause.prospect(),
            Error::Publish(cause) => cause.prospect(),
        }
    }
}
