//! What others rely on, as documents made from the types: events and queues for consumers, settings
//! for operators and their editors.

mod asyncapi;
mod config;
mod events;
mod example;

pub use self::{asyncapi::asyncapi, config::config, events::events};
