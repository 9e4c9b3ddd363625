//! A booking as the API answers it when it is asked: what notifications tell of one, in the same
//! dialects, and its payment and where it was moved to.

use serde_json::value::RawValue;

use super::{
    Booking, DecodeError, PaymentStatus,
    decode::booking,
    values::{MISSING, NOT_AN_OBJECT, id, invalid, is_null, malformed, optional, text},
    wire::{self, Object},
};

/// A booking, asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct AnsweredBooking {
    /// The booking itself.
    pub booking: Booking,
    /// Where visits are paid through the marketplace.
    pub payment_status: Option<PaymentStatus>,
    /// The last booking of its chain of moves, perhaps itself. Unknown for bookings from before
    /// April 2025, and for who did not ask for it.
    pub newest_id: Option<String>,
}

impl AnsweredBooking {
    /// Decodes the booking `wanted`: the object itself (current API) or in `_items` (online-features
    /// guide). Unknown fields are ignored.
    ///
    /// # Errors
    ///
    /// If it is not there, or has an impossible value. What is told of another booking is no answer.
    pub fn decode(body: &[u8], wanted: &str) -> Result<Self, DecodeError> {
        let answer = json::<Object<wire::Items<'_>>>(body)?;
        let listed = match &answer {
            Object::Present(answer) => answer.items,
            Object::Absent | Object::SomethingElse => return Err(malformed("not a JSON object")),
        };
        let candidates = match listed {
            Some(list) => json::<Vec<&RawValue>>(list.get().as_bytes())?
                .into_iter()
                .map(|item| json(item.get().as_bytes()))
                .collect::<Result<Vec<_>, _>>()?,
            None => vec![json(body)?],
        };
        candidates
            .iter()
            .find(|it| matches!(it, Object::Present(it) if is_wanted(it, wanted)))
            .ok_or_else(|| invalid("booking.id", "is not the one asked for"))
            .and_then(read)
    }

    /// The booking that it was moved to, if it was and the API tells.
    #[must_use]
    pub fn moved_to(&self) -> Option<&str> {
        let newest = self.newest_id.as_deref().filter(|newest| *newest != self.booking.id)?;
        self.booking.is_canceled().then_some(newest)
    }
}

/// An error about the shape may quote what stood in it; one about the syntax quotes nothing.
fn json<'b, T: serde::Deserialize<'b>>(body: &'b [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            malformed(format!("not a booking at line {} column {}", error.line(), error.column()))
        } else {
            malformed(format!("not JSON: {error}"))
        }
    })
}

fn is_wanted(booking: &wire::Booking<'_>, wanted: &str) -> bool {
    id(&booking.id, "booking.id").is_ok_and(|id| id == wanted.trim())
}

fn read(wire: &Object<wire::Booking<'_>>) -> Result<AnsweredBooking, DecodeError> {
    const PATH: &str = "booking";
    let decoded = booking(wire, PATH)?;
    let told = optional(wire, PATH)?.ok_or_else(|| invalid(PATH, MISSING))?;
    let status = text(&told.visit_payment_status).filter(|word| !is_null(word));
    let newest = match &told.moving {
        Object::Present(moving) => text(&moving.newest_booking_id),
        Object::Absent => None,
        Object::SomethingElse => return Err(invalid("booking.moving", NOT_AN_OBJECT)),
    };
    Ok(AnsweredBooking {
        booking: decoded,
        payment_status: status.map(|word| PaymentStatus::from(word.as_str())),
        newest_id: newest.filter(|id| !is_null(id)).map(|id| id.trim().to_owned()),
    })
}

#[cfg(test)]
mod tests;
