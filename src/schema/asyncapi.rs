//! The AsyncAPI document: the exchange, the queues and the messages, from the worker's point of view.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{events, example};
use crate::{
    broker::Topology,
    config::BrokerSettings,
    delivery::Reason,
    event::{CONTENT_TYPE, EventKind},
    notification::Kind,
};

const BINDING_VERSION: &str = "0.3.0";

/// The AsyncAPI 3.0 document of a worker with these settings.
#[must_use]
pub fn asyncapi(settings: &BrokerSettings) -> Value {
    let topology = Topology::new(settings);
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:docplanner-worker",
        "info": {
            "title": "docplanner-worker",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Consumes Docplanner's notifications, and publishes one normalized CloudEvent for each \
                fact. A consumer of the partner's receives from the queues `partner.*`, or binds a queue of its own to \
                the exchange. Deliveries may repeat: an event is known by its `id`, which is also the property \
                `message_id`. Events of one `partitionkey` are published in the order of their `sequence`.",
            "license": {
                "name": "Apache-2.0 OR MIT",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
            "tags": [{ "name": "cloudevents" }, { "name": "rabbitmq" }],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "amqp": server("amqp", "5672", "RabbitMQ."),
            "amqps": server("amqps", "5671", "RabbitMQ with TLS."),
        },
        "channels": channels(settings, &topology),
        "operations": operations(),
        "components": {
            "messages": messages(),
            "schemas": schemas(),
        },
    })
}

fn server(protocol: &str, port: &str, description: &str) -> Value {
    json!({
        "host": "{host}:{port}",
        "protocol": protocol,
        "protocolVersion": "0.9.1",
        "description": description,
        "variables": {
            "host": { "description": "The broker.", "default": "127.0.0.1" },
            "port": { "description": "Its port.", "default": port },
        },
    })
}

fn channels(settings: &BrokerSettings, topology: &Topology) -> Map<String, Value> {
    let definitions = topology.definitions("/");
    let queues = || definitions["queues"].as_array().into_iter().flatten();
    let queue = |name: &str| queues().find(|queue| queue["name"] == name);
    let bound = |name: &str| {
        let bindings = definitions["bindings"].as_array().into_iter().flatten();
        let bindings = bindings.filter(|binding| binding["destination"] == name);
        bindings.filter_map(|binding| binding["routing_key"].as_str()).collect::<Vec<_>>()
    };
    let mut channels = Map::new();
    channels.insert("events".into(), exchange(settings));
    for partner in queues().filter_map(|queue| queue["name"].as_str()) {
        let keys = bound(partner);
        if keys.is_empty() {
            continue;
        }
        let description = match keys.concat().as_str() {
            "" => "Events that no binding took.".to_owned(),
            _ => format!("Events whose routing key matches `{}`.", keys.join("` or `")),
        };
        let channel = queue_channel(queue(partner), &description, &event_messages());
        channels.insert(partner.to_owned(), channel);
    }
    let (incoming, dead) = (topology.incoming(), topology.dead());
    let description = "Notifications as Docplanner sends them, put here by a relay.";
    let channel = queue_channel(queue(incoming), description, &message_refs(["Notification"]));
    channels.insert("notifications".into(), channel);
    let description = "Notifications that were set aside for a person, body and headers unchanged.";
    let channel = queue_channel(queue(&dead), description, &message_refs(["DeadLetter"]));
    channels.insert("deadLetters".into(), channel);
    channels
}

/// The topic exchange that events go to.
fn exchange(settings: &BrokerSettings) -> Value {
    let word = |nth: usize| -> BTreeSet<&str> {
        EventKind::ALL.iter().filter_map(|kind| kind.name().split('.').nth(nth)).collect()
    };
    json!({
        "title": "Events",
        "description": "A topic exchange. The address is the routing key: bind to one tenant, one calendar, one way of \
            payment or one kind of event.",
        "address": "{tenant}.{modality}.{payment}.{entity}.{action}",
        "messages": event_messages(),
        "parameters": {
            "tenant": {
                "description": "Whose event it is.",
                "examples": ["acme"],
                "location": "$message.payload#/tenant",
            },
            "modality": {
                "description": "How the visit takes place.",
                "enum": ["online", "onsite", "unknown"],
                "location": "$message.payload#/data/modality",
            },
            "payment": {
                "description": "Whether visits at the address are paid through the marketplace.",
                "enum": ["payment", "no_payment", "unknown"],
            },
            "entity": { "description": "What it is about.", "enum": word(0) },
            "action": { "description": "What happened.", "enum": word(1) },
        },
        "bindings": { "amqp": {
            "is": "routingKey",
            "exchange": {
                "name": settings.exchange,
                "type": "topic",
                "durable": true,
                "autoDelete": false,
                "vhost": "/",
            },
            "bindingVersion": BINDING_VERSION,
        } },
    })
}

fn queue_channel(queue: Option<&Value>, description: &str, messages: &Value) -> Value {
    let queue = queue.unwrap_or(&Value::Null);
    json!({
        "title": queue["name"],
        "description": description,
        "address": queue["name"],
        "messages": messages,
        "bindings": { "amqp": {
            "is": "queue",
            "queue": {
                "name": queue["name"],
                "durable": true,
                "exclusive": false,
                "autoDelete": false,
                "vhost": "/",
            },
            "bindingVersion": BINDING_VERSION,
        } },
        "x-queue-arguments": queue["arguments"],
    })
}

fn operations() -> Value {
    json!({
        "receiveNotification": {
            "action": "receive",
            "title": "Receive a notification",
            "summary": "Takes a notification, and acknowledges it when its events are confirmed.",
            "channel": { "$ref": "#/channels/notifications" },
            "bindings": { "amqp": { "ack": true, "bindingVersion": BINDING_VERSION } },
        },
        "sendEvent": {
            "action": "send",
            "title": "Publish an event",
            "summary": "Publishes each event persistent, mandatory and confirmed.",
            "channel": { "$ref": "#/channels/events" },
            "bindings": { "amqp": {
                "deliveryMode": 2,
                "mandatory": true,
                "timestamp": true,
                "bindingVersion": BINDING_VERSION,
            } },
        },
        "sendDeadLetter": {
            "action": "send",
            "title": "Set a notification aside",
            "summary": "Hands over what cannot become an event, with the reason.",
            "channel": { "$ref": "#/channels/deadLetters" },
            "bindings": { "amqp": {
                "deliveryMode": 2,
                "mandatory": true,
                "bindingVersion": BINDING_VERSION,
            } },
        },
    })
}

fn message_refs<'m>(names: impl IntoIterator<Item = &'m str>) -> Value {
    let messages = names
        .into_iter()
        .map(|name| (name.to_owned(), json!({ "$ref": format!("#/components/messages/{name}") })));
    Value::Object(messages.collect())
}

fn event_messages() -> Value {
    message_refs(EventKind::ALL.map(events::name).iter().map(String::as_str))
}

fn messages() -> Map<String, Value> {
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
fn schemas() -> Map<String, Value> {
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
