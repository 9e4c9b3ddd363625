//! The wall clock as a parameter, so that a test can move it.

use chrono::{DateTime, Utc};

/// Tells the time.
pub type Clock = fn() -> DateTime<Utc>;

/// The system's clock.
#[must_use]
pub fn system() -> DateTime<Utc> {
    Utc::now()
}
