//! Message properties: what we read from a delivery, and what we write on what we publish.

use chrono::{DateTime, SecondsFormat, Utc};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use crate::{
    delivery::{Delivery, Reason},
    event::{CONTENT_TYPE, Event},
};

/// Which tenant a notification is for.
pub(crate) const TENANT: &str = "x-docplanner-tenant";
/// How often a delivery has failed.
pub(crate) const ATTEMPTS: &str = "x-attempts";
/// A quorum queue counts here how often it has delivered the message in vain.
const DELIVERY_COUNT: &str = "x-delivery-count";
/// RabbitMQ 4.3 adds how often it was handed out at all.
const ACQUIRED_COUNT: &str = "x-acquired-count";
/// The same, of the copies before this one: whoever waits in a retry queue comes back as another
/// message, and the broker counts that from zero.
pub(crate) const EARLIER_DELIVERIES: &str = "x-earlier-deliveries";
/// When a message was put into a retry queue.
pub(crate) const RETRIED_AT: &str = "x-retried-at";
/// Why a message is a dead letter. One that comes with it was put back by a person.
pub(crate) const REASON: &str = "x-reason";
pub(crate) const ERROR: &str = "x-error";
pub(crate) const FAILED_AT: &str = "x-failed-at";
/// When a dead letter was put back.
pub(crate) const REPLAYED_AT: &str = "x-replayed-at";
/// Identifies a publish, because a returned message arrives apart from its confirm.
const PUBLISH_ID: &str = "x-publish-id";

const PERSISTENT: u8 = 2;

/// What the story needs to know of a message, and its body, of which there is one. A dead letter that was put back
/// starts over.
pub(super) fn delivery(message: &mut lapin::message::Delivery) -> Delivery {
    let body = std::mem::take(&mut message.data).into();
    let headers = message.properties.headers().as_ref();
    let was_dead = headers.is_some_and(|headers| headers.contains_key(REASON));
    Delivery {
        body,
        tenant: headers.and_then(|headers| text(headers, TENANT)),
        attempts: headers
            .filter(|_| !was_dead)
            .and_then(|headers| integer(headers, ATTEMPTS))
            .and_then(|attempts| u32::try_from(attempts).ok())
            .unwrap_or(0),
        delivery_count: [DELIVERY_COUNT, EARLIER_DELIVERIES]
            .into_iter()
            .filter_map(|name| u64::try_from(integer(headers.as_ref()?, name)?).ok())
            .fold(0, u64::saturating_add),
        retried_at: headers.and_then(|headers| moment(headers, RETRIED_AT)),
        sent_at: sent_at(&message.properties),
        message_id: message.properties.message_id().as_ref().map(ToString::to_string),
        traceparent: headers.and_then(|headers| text(headers, "traceparent")),
    }
}

/// When a message was put into the queue that it came from, if its sender tells.
fn sent_at(properties: &BasicProperties) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from((*properties.timestamp())?).ok()?, 0)
}

/// When a dead letter became one.
pub(super) fn dead_since(properties: &BasicProperties) -> Option<DateTime<Utc>> {
    moment(properties.headers().as_ref()?, FAILED_AT)
}

/// The properties of an event.
pub(super) fn of_event(
    event: &Event,
    traceparent: Option<&str>,
    now: DateTime<Utc>,
) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("tenant".into(), long_string(&event.tenant));
    if let Some(traceparent) = traceparent {
        headers.insert("traceparent".into(), long_string(traceparent));
    }
    BasicProperties::default()
        .with_content_type(CONTENT_TYPE.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(event.id.to_string().into())
        .with_type(event.event_type.as_str().into())
        .with_timestamp(u64::try_from(now.timestamp()).unwrap_or_default())
        .with_app_id("docplanner-worker".into())
        .with_headers(headers)
}

/// The properties of a message that goes to a retry queue: its own, with the attempts so far, and
/// with the deliveries in vain that still count against it. Whose it is does not change meanwhile, whatever becomes of
/// the tenants' settings.
pub(super) fn for_retry(
    original: &BasicProperties,
    attempts: u32,
    deliveries: u64,
    tenant: Option<&str>,
    now: DateTime<Utc>,
) -> BasicProperties {
    let mut headers = own_headers(original);
    if let Some(tenant) = tenant {
        headers.insert(TENANT.into(), long_string(tenant));
    }
    headers.insert(RETRIED_AT.into(), long_string(&rfc3339(now)));
    headers.insert(ATTEMPTS.into(), AMQPValue::LongUInt(attempts));
    if deliveries > 0 {
        let deliveries = i64::try_from(deliveries).unwrap_or(i64::MAX);
        headers.insert(EARLIER_DELIVERIES.into(), AMQPValue::LongLongInt(deliveries));
    }
    handed_over(original, headers)
}

/// The properties of a dead letter: its own, and why it is one.
pub(super) fn for_dead_letter(
    original: &BasicProperties,
    reason: Reason,
    error: &str,
    attempts: u32,
    tenant: Option<&str>,
    now: DateTime<Utc>,
) -> BasicProperties {
    let mut headers = own_headers(original);
    headers.insert(REASON.into(), long_string(reason.as_str()));
    headers.insert(ERROR.into(), long_string(error));
    headers.insert(ATTEMPTS.into(), AMQPValue::LongUInt(attempts));
    headers.insert(FAILED_AT.into(), long_string(&rfc3339(now)));
    if let Some(tenant) = tenant {
        headers.insert(TENANT.into(), long_string(tenant));
    }
    handed_over(original, headers)
}

/// The properties of a dead letter that is put back: its own, and when. It begins anew.
pub(crate) fn for_replay(original: &BasicProperties, now: DateTime<Utc>) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in own_headers(original).inner() {
        if name.as_str() != ATTEMPTS {
            headers.insert(name.clone(), value.clone());
        }
    }
    headers.insert(REPLAYED_AT.into(), long_string(&rfc3339(now)));
    handed_over(original, headers)
}

/// Whether the broker changes this header whenever it hands the message out.
pub(crate) fn is_the_brokers_count(name: &str) -> bool {
    matches!(name, DELIVERY_COUNT | ACQUIRED_COUNT)
}

/// Marks a publish with its id.
pub(super) fn with_publish_id(properties: &BasicProperties, id: u64) -> BasicProperties {
    let mut headers = properties.headers().clone().unwrap_or_default();
    headers
        .insert(PUBLISH_ID.into(), AMQPValue::LongLongInt(i64::try_from(id).unwrap_or(i64::MAX)));
    properties.clone().with_headers(headers)
}

/// Which publish a returned message was.
pub(super) fn publish_id(properties: &BasicProperties) -> Option<u64> {
    let headers = properties.headers().as_ref()?;
    integer(headers, PUBLISH_ID).and_then(|id| u64::try_from(id).ok())
}

/// The headers of a message without those that mean something to the broker: in another queue its
/// counts start over, and an old one would make a suspect of the message; `CC` would send the copy
/// to more queues than ours. And without what made it a dead letter once.
fn own_headers(properties: &BasicProperties) -> FieldTable {
    const NOT_OWN: [&str; 8] = [
        DELIVERY_COUNT,
        EARLIER_DELIVERIES,
        ACQUIRED_COUNT,
        RETRIED_AT,
        "CC",
        REASON,
        ERROR,
        FAILED_AT,
    ];
    let mut headers = FieldTable::default();
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        if !NOT_OWN.contains(&name.as_str()) {
            headers.insert(name.clone(), value.clone());
        }
    }
    headers
}

/// Persistent; without a time to live of its own, which would let a dead letter vanish; and without
/// the relay's user id, which the broker accepts from the relay only.
fn handed_over(original: &BasicProperties, headers: FieldTable) -> BasicProperties {
    let mut properties = BasicProperties::default();
    macro_rules! keep {
        ($($field:ident => $with:ident),* $(,)?) => {
            $(if let Some(value) = original.$field().clone() {
                properties = properties.$with(value);
            })*
        };
    }
    keep!(
        content_type => with_content_type,
        content_encoding => with_content_encoding,
        priority => with_priority,
        correlation_id => with_correlation_id,
        reply_to => with_reply_to,
        message_id => with_message_id,
        timestamp => with_timestamp,
        kind => with_type,
        app_id => with_app_id,
        cluster_id => with_cluster_id,
    );
    properties.with_delivery_mode(PERSISTENT).with_headers(headers)
}

/// A header as text.
pub(crate) fn text(headers: &FieldTable, name: &str) -> Option<String> {
    as_text(headers.inner().get(name)?)
}

/// A header as a whole number.
pub(crate) fn integer(headers: &FieldTable, name: &str) -> Option<i64> {
    as_integer(headers.inner().get(name)?)
}

/// A header as a moment.
pub(crate) fn moment(headers: &FieldTable, name: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(&text(headers, name)?).ok()?.to_utc())
}

pub(crate) fn as_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Which integer type a header has is up to the client that wrote it, and to the broker's version.
pub(crate) fn as_integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(n) => Some((*n).into()),
        AMQPValue::ShortShortUInt(n) => Some((*n).into()),
        AMQPValue::ShortInt(n) => Some((*n).into()),
        AMQPValue::ShortUInt(n) => Some((*n).into()),
        AMQPValue::LongInt(n) => Some((*n).into()),
        AMQPValue::LongUInt(n) => Some((*n).into()),
        AMQPValue::LongLongInt(n) => Some(*n),
        _ => None,
    }
}

fn rfc3339(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn long_string(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'p>(properties: &'p BasicProperties, name: &str) -> Option<&'p AMQPValue> {
        properties.headers().as_ref()?.inner().get(name)
    }

    #[test]
    fn a_message_that_is_handed_over_keeps_its_own_headers_and_loses_the_brokers_counts() {
        let mut headers = FieldTable::default();
        headers.insert("relay".into(), long_string("eu-1"));
        headers.insert(DELIVERY_COUNT.into(), AMQPValue::LongLongInt(7));
        let original = BasicProperties::default()
            .with_message_id("m-1".into())
            .with_expiration("1000".into())
            .with_user_id("relay".into())
            .with_headers(headers);

        let retry = for_retry(&original, 3, 0, Some("acme"), DateTime::UNIX_EPOCH);
        assert_eq!(header(&retry, TENANT), Some(&long_string("acme")));
        assert_eq!(header(&retry, "relay"), Some(&long_string("eu-1")));
        assert_eq!(header(&retry, ATTEMPTS), Some(&AMQPValue::LongUInt(3)));
        assert_eq!(header(&retry, DELIVERY_COUNT), None);
        assert_eq!(retry.message_id(), original.message_id());
        assert_eq!(retry.expiration(), &None, "it must not expire on its way");
        assert_eq!(retry.user_id(), &None, "we are not the relay");
        assert_eq!(retry.delivery_mode(), &Some(PERSISTENT));
    }
}
