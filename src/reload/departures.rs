//! Tenants that are not configured any more, until what was begun for them had its time. Pure.
//!
//! That time is all there is to know. What waits for them in retry queues, and at which pod it comes back, nobody
//! could count; and to keep a tenant costs nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::tenants::Tenant;

/// Who is leaving, and until when.
pub(super) struct Departures {
    /// How long a departure takes.
    pub(super) within: Duration,
    leaving: Vec<(Arc<Tenant>, Instant)>,
}

impl Departures {
    pub(super) fn within(within: Duration) -> Self {
        Self { within, leaving: Vec::new() }
    }

    /// Who was there before and is not any more leaves; who is there again stays. Who begins to leave.
    pub(super) fn begin(
        &mut self,
        before: &[Arc<Tenant>],
        after: &[Arc<Tenant>],
        now: Instant,
    ) -> Vec<Arc<Tenant>> {
        let stays = |tenant: &Tenant| after.iter().any(|it| it.is_of(&tenant.profile.id));
        self.leaving.retain(|(tenant, _)| !stays(tenant));
        let removed: Vec<_> = before.iter().filter(|tenant| !stays(tenant)).cloned().collect();
        self.leaving.extend(removed.iter().map(|it| (Arc::clone(it), now + self.within)));
        removed
    }

    /// Who is leaving.
    pub(super) fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.leaving.iter().map(|(tenant, _)| Arc::clone(tenant)).collect()
    }

    /// The ids of those whose time is over. They are not leaving any more.
    pub(super) fn end(&mut self, now: Instant) -> Vec<String> {
        let gone = self.leaving.extract_if(.., |(_, until)| *until <= now);
        gone.map(|(tenant, _)| tenant.profile.id.clone()).collect()
    }
}
