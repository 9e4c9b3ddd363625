//! What others rely on, as documents made from the types: events and queues for consumers, settings
//! for operators and their editors.

mod asyncapi;
mod config;
mod events;
mod example;

use schemars::Schema;
use serde_json::Value;

pub use self::{asyncapi::asyncapi, config::config, events::events};

/// Comments in the code are wrapped; descriptions are not.
fn one_line(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}
