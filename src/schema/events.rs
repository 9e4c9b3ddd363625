//! The JSON Schema of the events.

use schemars::{
    JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema,
    transform::RecursiveTransform,
};
use serde_json::{Map, Value, json};

use super::{example, one_line};
use crate::event::{Data, Event, EventKind};

/// The CloudEvents attributes that every kind has.
const ATTRIBUTES: &str = "Attributes";

/// The JSON Schema (2020-12) of all events: one definition for each kind, told apart by `type`.
///
/// It says what is always there, and leaves room for more: keys may be added within a version.
#[must_use]
pub fn events() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let meta_schema = settings.meta_schema.clone();
    let kinds: Vec<_> =
        EventKind::ALL.map(|kind| json!({ "$ref": format!("#/$defs/{}", name(kind)) })).into();
    json!({
        "$schema": meta_schema,
        "$id": "urn:docplanner-worker:events:v1",
        "title": "Events of docplanner-worker",
        "description": "CloudEvents 1.0, JSON, structured mode. Every key of a section is always there; what is not \
            known is null. Date-times keep the offset they came with. What is marked `x-personal-data` identifies a \
            patient, or may.",
        "oneOf": kinds,
        "examples": [example::event()],
        "$defs": definitions(settings),
    })
}

/// The name of a kind's definition.
pub(super) fn name(kind: EventKind) -> String {
    format!("{kind:?}")
}

/// What a kind tells.
pub(super) fn description(kind: EventKind) -> Option<String> {
    let kinds = SchemaGenerator::default().root_schema_for::<EventKind>();
    let kinds = kinds.get("oneOf")?.as_array()?;
    let told = kinds.iter().find(|told| told["const"] == name(kind))?;
    told["description"].as_str().map(str::to_owned)
}

/// The definitions of all kinds and of everything that they refer to.
pub(super) fn definitions(settings: SchemaSettings) -> Map<String, Value> {
    let settings = settings.for_serialize().with_transform(RecursiveTransform(one_line));
    let mut generator = settings.into_generator();
    let mut attributes = Event::json_schema(&mut generator);
    let data = Data::json_schema(&mut generator);
    if let Some(Value::Object(properties)) = attributes.get_mut("properties") {
        properties.remove("data");
    }
    if let Some(Value::Array(required)) = attributes.get_mut("required") {
        required.retain(|name| name != "data");
    }
    attributes.insert("title".into(), "CloudEvents attributes".into());
    attributes.insert("description".into(), "What every event has beside its data.".into());
    let attributes_ref = reference(&generator, ATTRIBUTES);
    let kinds = EventKind::ALL.map(|kind| (name(kind), of_kind(kind, &data, &attributes_ref)));

    let definitions = generator.definitions_mut();
    definitions.remove("Data");
    definitions.insert(ATTRIBUTES.into(), attributes.into());
    definitions.extend(kinds.map(|(name, schema)| (name, schema.into())));
    generator.take_definitions(true)
}

fn reference(generator: &SchemaGenerator, name: &str) -> String {
    format!("#{}/{name}", generator.settings().definitions_path)
}

/// A kind's event: the attributes, and of the sections of `data` those that it has.
fn of_kind(kind: EventKind, data: &Schema, attributes: &str) -> Schema {
    let mut properties = Map::new();
    let mut required = data.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    required.extend(kind.sections().iter().map(|section| Value::from(*section)));
    for section in required.iter().filter_map(Value::as_str) {
        let section_schema = data.get("properties").and_then(|sections| sections.get(section));
        let mut section_schema: Schema =
            section_schema.and_then(|schema| schema.clone().try_into().ok()).unwrap_or_default();
        never_null(&mut section_schema);
        properties.insert(section.to_owned(), section_schema.into());
    }
    json_schema!({
        "title": kind.name(),
        "description": description(kind),
        "type": "object",
        "allOf": [{ "$ref": attributes }],
        "properties": {
            "type": { "const": kind.event_type() },
            "dataschema": { "const": kind.dataschema() },
            "data": { "type": "object", "properties": properties, "required": required },
        },
        "required": ["data"],
    })
}

/// A section that is there is never `null`; only its absence is why it is optional in the type.
fn never_null(schema: &mut Schema) {
    let Some(section) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = section.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            section.insert("type".into(), only);
        }
    }
    let null = json!({ "type": "null" });
    if let Some(Value::Array(options)) = section.remove("anyOf") {
        let options = options.into_iter().filter(|option| *option != null);
        section.extend(options.filter_map(|option| Some(option.as_object()?.clone())).flatten());
    }
}
