//! The messages of the AsyncAPI document, with their headers and payloads.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{BINDING_VERSION, events, example};
use crate::{
    delivery::Reason,
    event::{CONTENT_TYPE, EventKind},
    notification::Kind,
};

/// References to messages, as a channel has them.
pub(super) fn refs<'m>(names: impl IntoIterator<Item = &'m str>) -> Value {
    let messages = names
        .into_iter()
        .map(|name| (name.to_owned(), json!({ "$ref": format!("#/components/messages/{name}") })));
    Value::Object(messages.collect())
}

/// References to the messages of all kinds of event.
pub(super) fn event_refs() -> Value {
    refs(EventKind::ALL.map(events::name).iter().map(String::as_str))
}

/// All messages: one for each kind of event, and what comes in and is set aside.
pub(super) fn messages() -> Map<String, Value> {
    let mut messages: Map<String, Value> =
        EventKind::ALL.into_iter().map(|kind| (events::name(kind), event_message(kind))).collect();
    messages.insert(
        "Notification".into(),
        json!({
            "name": "Notification",
            "title": "A notification of Docplanner's",
            "contentType": "application/json",
            "headers": { "$ref": "#/components/schemas/NotificationHeaders" },
            "payload": { "$ref": "#/components/schemas/Notification" },
        }),
    );
    messages.insert(
        "DeadLetter".into(),
        json!({
            "name": "DeadLetter",
            "title": "A notification that was set aside",
            "contentType": "application/octet-stream",
            "headers": { "$ref": "#/components/schemas/DeadLetterHeaders" },
            "payload": {
                "description": "The body as it came, which need not be a notification.",
                "x-personal-data": true,
            },
        }),
    );
    messages
}

fn event_message(kind: EventKind) -> Value {
    let mut message = json!({
        "name": kind.event_type(),
        "title": kind.name(),
        "summary": events::description(kind),
        "contentType": CONTENT_TYPE,
        "headers": { "$ref": "#/components/schemas/EventHeaders" },
        "payload": { "$ref": format!("#/components/schemas/{}", events::name(kind)) },
        "bindings": { "amqp": {
            "messageType": kind.event_type(),
            "bindingVersion": BINDING_VERSION,
        } },
    });
    if kind == EventKind::BookingCreated
        && let Some(event) = example::event()
    {
        message["examples"] =
            json!([{ "headers": { "tenant": event["tenant"] }, "payload": event }]);
    }
    message
}

/// The events' schemas, and those of what comes in and of headers. AsyncAPI's own dialect is draft 7.
pub(super) fn schemas() -> Map<String, Value> {
    let settings = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut schemas = events::definitions(settings);
    let traceparent = json!({
        "type": "string",
        "description": "W3C Trace Context, handed on from the notification.",
        "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
    });
    let tenant = json!({
        "type": "string",
        "description": "Whose notification it is, where its facility does not tell.",
        "pattern": "^[a-z0-9-]{1,40}$",
    });
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Unrecognized).map(Kind::name);
    let own = [
        (
            "EventHeaders",
            json!({
                "type": "object",
                "description": "Beside them, the properties `message_id` is the event's id, `type` its type, \
                    `timestamp` when it was published, `app_id` `docplanner-worker`.",
                "properties": {
                    "tenant": { "type": "string", "description": "Whose event it is." },
                    "traceparent": traceparent,
                    "x-publish-id": { "type": "integer", "description": "The worker's own." },
                },
                "required": ["tenant"],
            }),
        ),
        (
            "NotificationHeaders",
            json!({
                "type": "object",
                "properties": { "x-docplanner-tenant": tenant, "traceparent": traceparent },
            }),
        ),
        (
            "Notification",
            json!({
                "type": "object",
                "description": "What Docplanner pushes. Every dialect of its API is read: ids as strings or numbers; \
                    absent, null and empty mean the same. An unknown name is published as notification.unrecognized.",
                "properties": {
                    "name": {
                        "type": "string",
                        "description": "What kind of notification it is.",
                        "examples": kinds.collect::<Vec<_>>(),
                    },
                    "data": {
                        "type": "object",
                        "description": "As Docplanner's API reference describes it for the kind.",
                        "x-personal-data": true,
                    },
                    "created_at": { "type": ["string", "null"], "format": "date-time" },
                },
                "required": ["name", "data"],
            }),
        ),
        (
            "DeadLetterHeaders",
            json!({
                "type": "object",
                "description": "The headers that it came with, and why it is here.",
                "properties": {
                    "x-reason": { "type": "string", "enum": Reason::ALL.map(Reason::as_str) },
                    "x-error": { "type": "string", "description": "Without personal data." },
                    "x-attempts": { "type": "integer", "minimum": 0 },
                    "x-failed-at": { "type": "string", "format": "date-time" },
                    "x-docplanner-tenant": tenant,
                },
                "required": ["x-reason", "x-error", "x-attempts", "x-failed-at"],
            }),
        ),
    ];
    schemas.extend(own.map(|(name, schema)| (name.to_owned(), schema)));
    schemas
}
