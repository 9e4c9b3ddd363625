//! Integration tests: the real worker against a real RabbitMQ and a real PostgreSQL, with
//! Docplanner played by the simulator. One binary, so that everything is linked once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::needless_pass_by_value, reason = "json!(…) reads best in place")]
#![expect(unreachable_pub, reason = "the harness is written like a library")]

mod support;

mod api_faults;
mod architecture;
mod bad_input;
mod bookings;
mod broker_outages;
mod canary;
mod catalog;
mod cli;
mod confirms;
mod crashes;
mod database_outages;
mod desk;
mod dialects;
mod drain;
mod duplicates;
mod happy_path;
mod kinds;
mod limits;
mod mapping;
mod order;
mod payments;
mod poison;
mod reload;
mod restarts;
mod rolls;
mod routes;
mod schemas;
mod secrets;
mod seeing;
mod shared_flags;
mod timers;
mod topology_outages;
mod watching;
