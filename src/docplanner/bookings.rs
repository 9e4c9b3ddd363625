//! Bookings at the API: asked for where they were, and followed to where they are.

use std::{collections::HashSet, time::Instant};

use tracing::warn;

use super::{
    ApiBooking, ApiClient, ApiError, Bookings, Patience, TenantApi, client::Question, list_model,
    quota::Urgency, scopes::Scopes,
};
use crate::notification::{AnsweredBooking, Visit};

/// Moves followed in one lookup. A booking names the newest one of its chain, so a second move is
/// one that happened meanwhile.
const MOST_MOVES: usize = 4;

/// A doctor's other addresses at which a booking is looked for, at the cost of a request each. Few
/// doctors have more at one facility.
const MOST_OTHER_ADDRESSES: usize = 8;

/// The bookings at each tenant's API.
pub struct ApiBookings;

impl Bookings for ApiBookings {
    async fn booking(
        &self,
        api: &TenantApi,
        visit: &Visit,
        patience: Patience,
    ) -> Result<ApiBooking, ApiError> {
        let client = &api.client;
        let found = match patience {
            Patience::Once(longest) => {
                let _place = client.place()?;
                client.booking_once(visit, Instant::now() + longest).await
            }
            Patience::Usual => client.newest_booking(visit).await,
        };
        found.map(Found::into_booking)
    }
}

/// A booking and where it is.
struct Found {
    answer: AnsweredBooking,
    visit: Visit,
}

impl Found {
    fn into_booking(self) -> ApiBooking {
        let AnsweredBooking { booking, payment_status, .. } = self.answer;
        ApiBooking { booking, payment_status, visit: self.visit }
    }
}

impl ApiClient {
    /// The booking, or the one that it was moved to although nobody told us.
    async fn newest_booking(&self, visit: &Visit) -> Result<Found, ApiError> {
        let mut found = self.booking_of_doctor(visit.clone()).await?;
        let mut seen = HashSet::from([visit.booking_id.clone()]);
        for _ in 0..MOST_MOVES {
            let Some(newest) = found.answer.moved_to() else { return Ok(found) };
            // All of a circle are canceled, so the visit takes place under none of them.
            if !seen.insert(newest.to_owned()) {
                return Ok(found);
            }
            let visit = Visit { booking_id: newest.to_owned(), ..found.visit };
            found = self.booking_of_doctor(visit).await?;
        }
        match found.answer.moved_to() {
            None => Ok(found),
            Some(_) => Err(ApiError::Unreadable),
        }
    }

    /// The booking at its address or, because a move may have changed that, at another one of the
    /// doctor's.
    async fn booking_of_doctor(&self, visit: Visit) -> Result<Found, ApiError> {
        let unknown = match self.booking_at(visit.clone()).await {
            Err(unknown @ ApiError::Unknown { .. }) => unknown,
            answered => return answered,
        };
        let others = match self.other_addresses(&visit).await {
            Err(ApiError::Unknown { .. }) => return Err(unknown),
            listed => listed?,
        };
        for address_id in others {
            match self.booking_at(Visit { address_id, ..visit.clone() }).await {
                Err(ApiError::Unknown { .. }) => {}
                answered => return answered,
            }
        }
        Err(unknown)
    }

    async fn booking_at(&self, visit: Visit) -> Result<Found, ApiError> {
        let url = self.resource(&path_of(&visit));
        let question = Question::usual("booking", &url, Urgency::Due);
        let read = |body: &[u8]| self.read(body, &visit);
        let answer = self.look_up(&question, self.booking_scopes(), read).await?;
        Ok(Found { answer, visit })
    }

    async fn booking_once(&self, visit: &Visit, until: Instant) -> Result<Found, ApiError> {
        let url = self.resource(&path_of(visit));
        let question =
            Question { until: Some(until), ..Question::usual("booking", &url, Urgency::Usual) };
        let read = |body: &[u8]| self.read(body, visit);
        let answer = self.look_up_once(&question, self.booking_scopes(), read).await?;
        Ok(Found { answer, visit: visit.clone() })
    }

    fn read(&self, body: &[u8], visit: &Visit) -> Option<AnsweredBooking> {
        let decoded = AnsweredBooking::decode(body, &visit.booking_id);
        // The error names the field, which the caller's does not.
        decoded
            .inspect_err(|error| {
                let (tenant, booking_id) = (self.tenant(), &visit.booking_id);
                warn!(tenant, booking_id, %error, "cannot read a booking");
            })
            .ok()
    }

    async fn other_addresses(&self, visit: &Visit) -> Result<Vec<String>, ApiError> {
        let url = self.resource(&path_of(visit)[..5]);
        let question = Question::usual("addresses", &url, Urgency::Due);
        let read = |body: &[u8]| list_model::part(body, list_model::address);
        let listed = self.look_up(&question, &Scopes::none(), read).await?.items;
        let ids = listed.into_iter().map(|address| address.id);
        Ok(ids.filter(|id| *id != visit.address_id).take(MOST_OTHER_ADDRESSES).collect())
    }
}

fn path_of(visit: &Visit) -> [&str; 8] {
    let Visit { facility_id, doctor_id, address_id, booking_id } = visit;
    [
        "facilities",
        facility_id,
        "doctors",
        doctor_id,
        "addresses",
        address_id,
        "bookings",
        booking_id,
    ]
}
