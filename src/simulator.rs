//! The stand-in for Docplanner: for tests, demos and benchmarks.
//!
//! [`world`] is what exists: facilities, doctors, addresses, services, bookings. [`api`] serves a
//! world over real HTTP, with the faults an API has on its bad days. [`notifications`] tells what
//! happens in a world, as Docplanner would push it. The same seed gives the same world and the
//! same notifications, byte for byte.
//!
//! Facts about Docplanner come from the public *Integrations API* specification 1.14.0 ("the
//! specification") and from the older guide page *Online features* ("the guide page"), whose
//! names for scopes and fields are still met in the field. See [`api::Dialect`].

pub mod api;
pub mod cli;
pub mod notifications;
mod random;
pub mod world;
