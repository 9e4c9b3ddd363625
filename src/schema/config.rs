//! The JSON Schema of the settings file.

use std::time::Duration;

use schemars::{Schema, generate::SchemaSettings, json_schema, transform::RecursiveTransform};
use serde_json::{Value, json};

use super::one_line;
use crate::config::Settings;

/// A duration as the settings' parser reads it.
const DURATION: &str = "^\\s*([0-9]+\\s*(ns|nsec|nanos|us|µs|usec|ms|msec|millis|s|sec|secs|second|seconds|m|min|mins|\
    minute|minutes|h|hr|hrs|hour|hours|d|day|days|w|wk|wks|week|weeks|M|month|months|y|yr|yrs|year|years)\\s*)+$";

/// The JSON Schema of the settings file. Draft 7 and without references, because that is what
/// editors understand best.
#[must_use]
pub fn config() -> Value {
    let settings = SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(RecursiveTransform(as_written))
        .with_transform(RecursiveTransform(one_line));
    let mut schema = settings.into_generator().into_root_schema_for::<Settings>();
    schema.insert("$id".into(), "urn:docplanner-worker:settings".into());
    schema.insert("title".into(), "Settings of docplanner-worker".into());
    schema.into()
}

/// From the types to what stands in the file: durations are texts, and TOML knows no null.
fn as_written(schema: &mut Schema) {
    if is_duration(schema) {
        let default = schema.remove("default");
        let description = schema.remove("description");
        *schema =
            json_schema!({ "type": "string", "pattern": DURATION, "examples": ["90m", "500ms"] });
        for (key, value) in [("default", default), ("description", description)] {
            if let Some(value) = value {
                schema.insert(key.into(), value);
            }
        }
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    match schema.remove("default") {
        // What has no default is required.
        None | Some(Value::Null) => {}
        Some(Value::String(empty)) if empty.is_empty() => {}
        Some(default) => {
            schema.insert("default".into(), duration_as_text(default));
        }
    }
}

fn is_duration(schema: &Schema) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.is_some_and(|p| p.len() == 2 && p.contains_key("secs") && p.contains_key("nanos"))
}

/// A duration as its type serializes it becomes one as it is written.
fn duration_as_text(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(duration_as_text).collect(),
        Value::Object(parts) => match (parts.get("secs"), parts.get("nanos")) {
            (Some(Value::Number(secs)), Some(Value::Number(nanos))) => {
                let nanos = nanos.as_u64().and_then(|nanos| u32::try_from(nanos).ok());
                let duration =
                    Duration::new(secs.as_u64().unwrap_or_default(), nanos.unwrap_or_default());
                json!(humantime::format_duration(duration).to_string().replace(' ', ""))
            }
            _ => Value::Object(parts),
        },
        other => other,
    }
}
