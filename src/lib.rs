#![doc = include_str!("../README.md")]

pub mod app;
pub mod cli;

// What flows: plain data, no I/O.
pub mod delivery;
pub mod effects;
pub mod event;
pub mod notification;
pub mod private;

// What we decide: pure functions.
pub mod clock;
pub mod decision;
pub mod normalize;
pub mod payment;
pub mod retry;
pub mod route;
pub mod tenants;
pub mod video;

// The story.
pub mod pipeline;
pub mod timers;

// The outside systems: x.rs is the contract, x/ the real thing.
pub mod broker;
pub mod catalog;
pub mod database;
pub mod desk;
pub mod docplanner;
pub mod inbox;
pub mod mapping;
pub mod quarantine;

// Running it.
pub mod config;
pub mod health;
pub mod metrics;
pub mod probes;
pub mod reload;
pub mod rotation;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
pub mod traces;

// What others rely on, as documents.
pub mod schema;

#[cfg(feature = "simulator")]
pub mod simulator;
