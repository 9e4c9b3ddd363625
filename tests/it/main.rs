//! Integration tests: the real worker against a real RabbitMQ and a real PostgreSQL, with
//! Docplanner played by the simulator. One binary, so that everything is linked once.

mod support;

mod broker_outages;
mod confirms;
mod database_outages;
mod happy_path;
mod restarts;
mod topology_outages;
