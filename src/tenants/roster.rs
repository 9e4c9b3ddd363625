//! The tenants in force, which may change while the worker runs.

use std::sync::{Arc, PoisonError, RwLock};

use super::Tenants;

/// Tells which tenants there are now. Whoever needs them for more than one step takes a snapshot and keeps to it.
#[derive(Default)]
pub struct Roster(RwLock<Arc<Tenants>>);

impl Roster {
    /// With these tenants for the time being.
    #[must_use]
    pub fn new(tenants: Tenants) -> Self {
        Self(RwLock::new(Arc::new(tenants)))
    }

    /// The tenants now.
    #[must_use]
    pub fn now(&self) -> Arc<Tenants> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts others into force.
    pub fn replace(&self, tenants: Tenants) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tenants);
    }
}
