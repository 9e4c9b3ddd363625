//! The printed schema of the events, without the room that it leaves for more: what the worker
//! publishes is exactly what it says.

use std::{collections::BTreeMap, sync::LazyLock};

use docplanner_worker::schema;
use jsonschema::Validator;
use serde_json::{Value, json};

/// One for each type of event, because "none of 21" is no help.
static BY_TYPE: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let mut schema = schema::events();
    for (name, definition) in schema["$defs"].as_object_mut().unwrap() {
        // What stands beside its `allOf` has the rest of the event's keys.
        if name != "Attributes" {
            close(definition);
        }
    }
    let definitions = schema["$defs"].as_object().unwrap();
    let kinds = definitions.iter().filter_map(|(name, definition)| {
        let event_type = definition["properties"]["type"]["const"].as_str()?;
        let one = json!({ "$ref": format!("#/$defs/{name}"), "$defs": definitions });
        Some((event_type.to_owned(), validator(&one)))
    });
    kinds.collect()
});

/// A validator that takes formats seriously.
pub fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

/// Fails if an event is not what the schema says.
pub fn assert_valid(event: &Value) {
    let problems = problems(event);
    assert!(
        problems.is_empty(),
        "{event:#}\nis not what the schema says:\n{}",
        problems.join("\n")
    );
}

/// What is wrong with an event.
pub fn problems(event: &Value) -> Vec<String> {
    let event_type = event["type"].as_str().unwrap_or_default();
    match BY_TYPE.get(event_type) {
        Some(validator) => validator
            .iter_errors(event)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect(),
        None => vec![format!("there is no type {event_type:?}")],
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close);
            if object.get("properties").is_some_and(Value::is_object) && object.contains_key("type")
            {
                object.insert("unevaluatedProperties".into(), false.into());
            }
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}
