//! What a letter's headers tell, and what of them may be told.

use chrono::{DateTime, Utc};
use lapin::types::{AMQPValue, FieldTable};

use super::Cause;
use crate::broker::properties::{self, is_the_brokers_count};

/// Where the broker writes why it moved a message, the latest first.
const DEATHS: &str = "x-death";

/// Its word for a message that died with too many consumers.
const DELIVERY_LIMIT: &str = "delivery_limit";

/// Why a letter was set aside.
pub(super) fn cause(headers: &FieldTable) -> Cause {
    let told = properties::text(headers, properties::REASON);
    let worker = told.and_then(|reason| Cause::from_name(&reason));
    match worker {
        Some(cause @ Cause::Worker(_)) => cause,
        _ if limit_exceeded(headers).is_some() => Cause::DeliveryLimit,
        _ => Cause::Unexplained,
    }
}

/// When the broker did so.
pub(super) fn set_aside_by_broker_at(headers: &FieldTable) -> Option<DateTime<Utc>> {
    match limit_exceeded(headers)?.inner().get("time")? {
        AMQPValue::Timestamp(seconds) => DateTime::from_timestamp(i64::try_from(*seconds).ok()?, 0),
        _ => None,
    }
}

fn limit_exceeded(headers: &FieldTable) -> Option<&FieldTable> {
    deaths(headers.inner().get(DEATHS)?)
        .find(|death| properties::text(death, "reason").as_deref() == Some(DELIVERY_LIMIT))
}

fn deaths(value: &AMQPValue) -> impl Iterator<Item = &FieldTable> {
    let entries = match value {
        AMQPValue::FieldArray(entries) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().filter_map(|entry| match entry {
        AMQPValue::FieldTable(death) => Some(death),
        _ => None,
    })
}

/// The value of a header whose meaning is known, if it has the form that belongs to it.
pub(super) fn known(name: &str, value: &AMQPValue, cause: Cause) -> Option<String> {
    let text = properties::as_text(value);
    match name {
        properties::REASON | properties::ERROR => {
            text.filter(|_| matches!(cause, Cause::Worker(_)))
        }
        properties::TENANT => text.filter(|text| consists_of(text, b'a'..=b'z', b"0123456789-")),
        properties::FAILED_AT | properties::RETRIED_AT | properties::REPLAYED_AT => {
            text.filter(|text| DateTime::parse_from_rfc3339(text).is_ok())
        }
        "traceparent" => text.filter(|text| consists_of(text, b'a'..=b'f', b"0123456789-")),
        properties::ATTEMPTS | properties::EARLIER_DELIVERIES => whole_number(value),
        DEATHS => {
            let told: Vec<_> = deaths(value).filter_map(death).collect();
            Some(told.join("; ")).filter(|told| !told.is_empty())
        }
        _ if is_the_brokers_count(name) => whole_number(value),
        _ => None,
    }
}

/// `expired in docplanner.notifications.retry.5s, 1×`
fn death(death: &FieldTable) -> Option<String> {
    let word = |name| {
        properties::text(death, name)
            .filter(|text| consists_of(text, b'a'..=b'z', b"0123456789._-"))
    };
    let count = properties::integer(death, "count")?;
    Some(format!("{} in {}, {count}×", word("reason")?, word("queue")?))
}

fn whole_number(value: &AMQPValue) -> Option<String> {
    properties::as_integer(value).map(|number| number.to_string())
}

fn consists_of(text: &str, letters: std::ops::RangeInclusive<u8>, others: &[u8]) -> bool {
    text.len() <= 255 && text.bytes().all(|byte| letters.contains(&byte) || others.contains(&byte))
}

/// Type and length.
pub(super) fn described(value: &AMQPValue) -> String {
    match value {
        AMQPValue::FieldArray(entries) => format!("<list, {} entries>", entries.as_slice().len()),
        AMQPValue::FieldTable(table) => format!("<table, {} entries>", table.inner().len()),
        AMQPValue::ByteArray(bytes) => format!("<{} bytes>", bytes.as_slice().len()),
        AMQPValue::Boolean(_) => "<true or false>".to_owned(),
        AMQPValue::Timestamp(_) => "<time>".to_owned(),
        AMQPValue::Void => "<nothing>".to_owned(),
        _ => match properties::as_text(value) {
            Some(text) => format!("<text, {} characters>", text.chars().count()),
            None => "<number or bytes>".to_owned(),
        },
    }
}

/// The value itself.
pub(super) fn revealed(value: &AMQPValue) -> String {
    properties::as_text(value)
        .or_else(|| whole_number(value))
        .unwrap_or_else(|| format!("{value:?}"))
}
