//! Integration tests: the real worker against a real RabbitMQ and a real PostgreSQL, with
//! Docplanner played by the simulator. One binary, so that everything is linked once.

mod support;

mod api_faults;
mod architecture;
mod bad_input;
mod broker_outages;
mod confirms;
mod crashes;
mod database_outages;
mod dialects;
mod drain;
mod duplicates;
mod happy_path;
mod kinds;
mod poison;
mod restarts;
mod topology_outages;
