//! docplanner-worker.
#[cfg(feature = "simulator")]
pub mod simulator;
