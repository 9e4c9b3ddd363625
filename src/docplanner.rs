//! Docplanner's API: what a notification does not say about its address, and what became of a
//! booking since.

mod answer;
mod auth;
mod bookings;
mod breaker;
mod cache;
mod client;
mod governor;
mod limits;
mod list_model;
mod listing;
mod lookup;
mod model;
mod probe;
mod quota;
mod refused_secret;
mod scopes;
mod send;
mod single_flight;

use std::{sync::Arc, time::Duration};

pub use self::{
    answer::Quota,
    bookings::ApiBookings,
    breaker::BreakerState,
    cache::{CachedAddresses, Peeked, Upkeep, peek},
    client::{ApiClient, ApiSettings, http_client},
    listing::{DictionaryEntry, ListedAddress, ListedDoctor, ListedService},
    probe::{Probe, Sample},
    quota::Urgency,
};
use crate::{
    delivery::Reason,
    normalize::AddressFacts,
    notification::{Booking, PaymentStatus, Place, Visit},
    retry::Prospect,
};

/// Docplanner's API for one tenant. Who asks brings it along, so that it is the one of its tenant's other settings.
#[derive(Clone)]
pub struct TenantApi {
    /// With the tenant's credentials. Whatever asks the API shares it: its token, its pauses and its bound on requests
    /// are the tenant's.
    pub client: Arc<ApiClient>,
    /// How long an address's flags are trusted.
    pub flags_ttl: Duration,
}

/// The source of address facts.
pub trait Addresses: Send + Sync {
    /// What is known of the address of `place`, as of now or of a while ago; the answer says when.
    /// Takes up to some seconds; dropping the future gives up and leaves others waiting undisturbed.
    fn facts(
        &self,
        api: &TenantApi,
        place: &Place,
        urgency: Urgency,
    ) -> impl Future<Output = Result<AddressFacts, ApiError>> + Send;

    /// Something about the address has changed: every pod asks again before its next use. What was known
    /// is kept for when nobody answers. Waits as long as the others cannot be told, because a change that
    /// is lost would route events wrongly; dropping the future gives up.
    fn expire(&self, tenant: &str, address_id: &str) -> impl Future<Output = ()> + Send;
}

/// The source of bookings.
pub trait Bookings: Send + Sync {
    /// The booking of `visit` as the API has it now. With [`Patience::Usual`] that is the one it was
    /// moved to, if it was.
    ///
    /// The error is [`ApiError::Unknown`] if the booking, or the one it was moved to, is at none of
    /// the doctor's addresses: moved to another doctor, or gone.
    fn booking(
        &self,
        api: &TenantApi,
        visit: &Visit,
        patience: Patience,
    ) -> impl Future<Output = Result<ApiBooking, ApiError>> + Send;
}

/// A booking as the API has it now.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiBooking {
    /// The booking.
    pub booking: Booking,
    /// Its payment; `None` if the API does not tell any.
    pub payment_status: Option<PaymentStatus>,
    /// Where it was found in the end: perhaps at another address, or as another booking.
    pub visit: Visit,
}

/// How long to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// One request, for as long at most: somebody waits who can do without the answer. Until it is known
    /// which scopes the API takes it may be a few, within the same time.
    Once(Duration),
    /// A few tries, as for an address, for what is due now.
    Usual,
}

/// Why the API could not tell. No variant carries a body or a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No answer: refused, reset or timed out.
    #[error("the API cannot be reached: {0}")]
    Unreachable(&'static str),
    /// 429.
    #[error("the API limits our rate")]
    RateLimited {
        /// From `Retry-After` or `X-RateLimit-Reset`.
        wait: Option<Duration>,
    },
    /// 405, or HTML where JSON belongs: a firewall in front of the API.
    #[error("a firewall answered in place of the API, with status {status}")]
    Firewall {
        /// The HTTP status.
        status: u16,
    },
    /// 5xx, or a redirect, which the API does not use.
    #[error("the API answered with status {status}")]
    Failed {
        /// The HTTP status.
        status: u16,
    },
    /// 200 with something else than what was asked for.
    #[error("the API's answer cannot be read")]
    Unreadable,
    /// 401, with a token that was just renewed, or from the token endpoint.
    #[error("the API does not accept our credentials")]
    Unauthorized,
    /// The token endpoint refuses a secret that comes from a file: it may be about to be replaced.
    #[error("the API refuses the client secret, whose file has not been replaced yet")]
    SecretRefused {
        /// When it is offered again at the earliest, if it is still the same.
        wait: Duration,
    },
    /// 403 or 404: there is no such address or booking, or it is not ours, or it is elsewhere.
    #[error("the API does not know what it was asked for, with status {status}")]
    Unknown {
        /// The HTTP status.
        status: u16,
    },
    /// Any other 4xx.
    #[error("the API refuses the request with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// We did not ask: the API told us before to wait.
    #[error("the API has asked for a pause")]
    Paused {
        /// How long from now.
        wait: Duration,
    },
    /// We did not ask: it has not answered lately, and somebody else tries it.
    #[error("the API is down and left alone for a while")]
    Resting {
        /// How long from now.
        wait: Duration,
    },
    /// We did not ask: what the API allows is spent for now.
    #[error("the API's quota is spent for now")]
    OutOfQuota {
        /// How long from now.
        wait: Duration,
    },
    /// We did not ask: as many deliveries of the tenant as may are waiting for its API.
    #[error("too many deliveries are waiting for the API")]
    Crowded,
    /// The notification names no address.
    #[error("the notification names no address")]
    NoAddress,
}

impl ApiError {
    /// Whether the same question could be answered later.
    #[must_use]
    pub fn prospect(&self) -> Prospect {
        match self {
            ApiError::RateLimited { wait } => Prospect::Later(Reason::EnrichmentFailed, *wait),
            ApiError::Unreachable(_)
            | ApiError::Firewall { .. }
            | ApiError::Failed { .. }
            | ApiError::Unreadable
            | ApiError::Unauthorized => Prospect::Later(Reason::EnrichmentFailed, None),
            ApiError::Unknown { .. } | ApiError::Refused { .. } | ApiError::NoAddress => {
                Prospect::Never(Reason::EnrichmentFailed)
            }
            ApiError::Paused { wait }
            | ApiError::SecretRefused { wait }
            | ApiError::Resting { wait }
            | ApiError::OutOfQuota { wait } => Prospect::Wait(Some(*wait)),
            ApiError::Crowded => Prospect::Wait(None),
        }
    }

    /// The word in metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            ApiError::Unreachable(_) => "unreachable",
            ApiError::RateLimited { .. } => "rate_limited",
            ApiError::Firewall { .. } => "firewall",
            ApiError::Failed { .. } => "server_error",
            ApiError::Unreadable => "unreadable",
            ApiError::Unauthorized | ApiError::SecretRefused { .. } => "unauthorized",
            ApiError::Unknown { .. } => "unknown",
            ApiError::Refused { .. } => "refused",
            ApiError::Paused { .. } => "paused",
            ApiError::Resting { .. } => "resting",
            ApiError::OutOfQuota { .. } => "out_of_quota",
            ApiError::Crowded => "crowded",
            ApiError::NoAddress => "no_address",
        }
    }
}
