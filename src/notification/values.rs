//! Single values of a notification, in every dialect: what is absent, what is impossible, and how
//! to say so without quoting it.

use std::fmt::{self, Display};

use chrono::{DateTime, NaiveDate};

use super::{
    DecodeError, Moment,
    wire::{Object, Scalar},
};

pub(super) const MISSING: &str = "is missing";
pub(super) const NOT_AN_OBJECT: &str = "expected an object";

/// Longer than any id; and a message header has to fit into one frame.
const LONGEST_ID: usize = 40;

/// A field of what stands at a path. There is one for each value that is read, and it becomes a text only in an
/// error.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<P>(pub(super) P, pub(super) &'static str);

impl<P: Display> Display for At<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// An id as an error or a log line may tell it: only what looks like one, because anything may
/// stand in its place.
#[must_use]
pub fn presentable_id(id: &str) -> Option<&str> {
    let is_id = id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then_some(id)
}

pub(super) fn malformed(problem: impl Into<String>) -> DecodeError {
    DecodeError::Malformed(problem.into())
}

pub(super) fn invalid(field: impl Display + Copy, problem: &'static str) -> DecodeError {
    DecodeError::Invalid { field: field.to_string(), problem }
}

pub(super) fn required<T>(
    object: &Object<T>,
    path: impl Display + Copy,
) -> Result<&T, DecodeError> {
    optional(object, path)?.ok_or_else(|| invalid(path, MISSING))
}

pub(super) fn optional<T>(
    object: &Object<T>,
    path: impl Display + Copy,
) -> Result<Option<&T>, DecodeError> {
    match object {
        Object::Present(value) => Ok(Some(value)),
        Object::Absent => Ok(None),
        Object::SomethingElse => Err(invalid(path, NOT_AN_OBJECT)),
    }
}

/// An id: a string since version 1.0.1 of the API, an integer before. No control characters: PostgreSQL refuses
/// a text with a NUL, and with it everything that is asked in the same statement.
pub(super) fn id(value: &Scalar<'_>, path: impl Display + Copy) -> Result<String, DecodeError> {
    match value {
        Scalar::Text(text) if text.contains(char::is_control) => {
            Err(invalid(path, "contains a control character"))
        }
        Scalar::Text(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Scalar::Number(number) => Ok(number.to_string()),
        Scalar::Absent | Scalar::Text(_) => Err(invalid(path, MISSING)),
        Scalar::Bool(_) | Scalar::Structure => Err(invalid(path, "expected a string or a number")),
    }
}

/// Free text, or a number that stands for it. Anything else says nothing and is left out.
pub(super) fn text(value: &Scalar<'_>) -> Option<String> {
    match value {
        Scalar::Text(text) => Some(text.to_string()),
        Scalar::Number(number) => Some(number.to_string()),
        Scalar::Absent | Scalar::Bool(_) | Scalar::Structure => None,
    }
}

pub(super) fn flag(
    value: &Scalar<'_>,
    path: impl Display + Copy,
) -> Result<Option<bool>, DecodeError> {
    match value {
        Scalar::Absent => Ok(None),
        Scalar::Bool(flag) => Ok(Some(*flag)),
        Scalar::Number(number) if number.as_u64() == Some(0) => Ok(Some(false)),
        Scalar::Number(number) if number.as_u64() == Some(1) => Ok(Some(true)),
        Scalar::Text(text) => match text.as_ref() {
            "true" | "1" => Ok(Some(true)),
            "false" | "0" => Ok(Some(false)),
            other if is_null(other) => Ok(None),
            _ => Err(invalid(path, "expected true or false")),
        },
        Scalar::Number(_) | Scalar::Structure => Err(invalid(path, "expected true or false")),
    }
}

pub(super) fn number(
    value: &Scalar<'_>,
    path: impl Display + Copy,
) -> Result<Option<serde_json::Number>, DecodeError> {
    match value {
        Scalar::Absent => Ok(None),
        Scalar::Number(number) => Ok(Some(number.clone())),
        Scalar::Text(text) if is_null(text) => Ok(None),
        Scalar::Text(text) => {
            text.trim().parse().map(Some).map_err(|_| invalid(path, "expected a number"))
        }
        Scalar::Bool(_) | Scalar::Structure => Err(invalid(path, "expected a number")),
    }
}

pub(super) fn minutes(
    value: &Scalar<'_>,
    path: impl Display + Copy,
) -> Result<Option<u32>, DecodeError> {
    let Some(number) = number(value, path)? else { return Ok(None) };
    number
        .as_u64()
        .and_then(|minutes| u32::try_from(minutes).ok())
        .map(Some)
        .ok_or_else(|| invalid(path, "expected a whole number of minutes"))
}

/// ISO 8601 with an offset; the older guide writes it without the colon (`+0200`).
pub(super) fn moment(
    value: &Scalar<'_>,
    path: impl Display + Copy,
) -> Result<Option<Moment>, DecodeError> {
    match value {
        Scalar::Absent => Ok(None),
        Scalar::Text(text) if is_null(text) => Ok(None),
        Scalar::Text(text) => DateTime::parse_from_rfc3339(text)
            .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
            .map(Some)
            .map_err(|_| invalid(path, "not a date-time such as 2021-05-26T16:00:00+01:00")),
        Scalar::Number(_) | Scalar::Bool(_) | Scalar::Structure => {
            Err(invalid(path, "expected a date-time such as 2021-05-26T16:00:00+01:00"))
        }
    }
}

pub(super) fn date(
    value: &Scalar<'_>,
    path: impl Display + Copy,
) -> Result<Option<NaiveDate>, DecodeError> {
    match value {
        Scalar::Absent => Ok(None),
        Scalar::Text(text) if is_null(text) => Ok(None),
        Scalar::Text(text) => NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(Some)
            .map_err(|_| invalid(path, "not a date of the form YYYY-MM-DD")),
        Scalar::Number(_) | Scalar::Bool(_) | Scalar::Structure => {
            Err(invalid(path, "expected a date of the form YYYY-MM-DD"))
        }
    }
}

/// The API's own example of a payment notification writes `"canceled_at": "null,"`.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text.trim(), "" | "null" | "null,")
}
