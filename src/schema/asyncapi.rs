//! The AsyncAPI document: the exchange, the queues and the messages, from the worker's point of view.

mod messages;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{events, example};
use crate::{
    broker::Topology,
    event::{CONTENT_TYPE, EventKind},
};

const BINDING_VERSION: &str = "0.3.0";

/// Which one it really is, is up to the broker's URL.
const VHOST: &str = "/";

/// The AsyncAPI 3.0 document of a worker that publishes to this exchange, with these queues.
#[must_use]
pub fn asyncapi(exchange: &str, topology: &Topology) -> Value {
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
        "channels": channels(exchange, topology),
        "operations": operations(),
        "components": {
            "messages": messages::messages(),
            "schemas": messages::schemas(),
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

fn channels(exchange: &str, topology: &Topology) -> Map<String, Value> {
    let definitions = topology.definitions(VHOST);
    let list = |name: &str| definitions[name].as_array().cloned().unwrap_or_default();
    let (incoming, dead) = (topology.incoming(), topology.dead());
    let retries = format!("{incoming}.retry.");
    let mut channels = Map::new();
    channels.insert("events".into(), exchange_channel(exchange));
    for queue in list("queues") {
        let name = queue["name"].as_str().unwrap_or_default();
        let (key, description, messages) = if name == incoming {
            let description = "Notifications as Docplanner sends them, put here by a relay.";
            ("notifications", description.to_owned(), messages::refs(["Notification"]))
        } else if name == dead {
            let description =
                "Notifications that were set aside for a person, body and headers unchanged.";
            ("deadLetters", description.to_owned(), messages::refs(["DeadLetter"]))
        } else if name.starts_with(&retries) {
            // The worker's own: nobody else receives from there.
            continue;
        } else {
            let bindings = list("bindings");
            let bindings = bindings.iter().filter(|binding| binding["destination"] == name);
            let keys: Vec<_> = bindings.filter_map(|b| b["routing_key"].as_str()).collect();
            (name, partner_description(&keys), messages::event_refs())
        };
        channels.insert(key.to_owned(), queue_channel(&queue, &description, &messages));
    }
    channels
}

fn partner_description(routing_keys: &[&str]) -> String {
    match routing_keys {
        [] => "Events that a tenant's routes lead to.".to_owned(),
        // The alternate exchange's binding.
        [""] => "Events that no binding took.".to_owned(),
        keys => format!("Events whose routing key matches `{}`.", keys.join("` or `")),
    }
}

/// The topic exchange that events go to.
fn exchange_channel(exchange: &str) -> Value {
    let word = |nth: usize| -> BTreeSet<&str> {
        EventKind::ALL.iter().filter_map(|kind| kind.name().split('.').nth(nth)).collect()
    };
    json!({
        "title": "Events",
        "description": "A topic exchange. The address is the routing key: bind to one tenant, one calendar, one way of \
            payment or one kind of event.",
        "address": "{tenant}.{modality}.{payment}.{entity}.{action}",
        "messages": messages::event_refs(),
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
                "name": exchange,
                "type": "topic",
                "durable": true,
                "autoDelete": false,
                "vhost": VHOST,
            },
            "bindingVersion": BINDING_VERSION,
        } },
    })
}

fn queue_channel(queue: &Value, description: &str, messages: &Value) -> Value {
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
                "vhost": VHOST,
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
