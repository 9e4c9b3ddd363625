//! The mappings of all tenants in memory, so that no delivery waits for the database.
//!
//! A copy is made before the first delivery is taken, and asked for changes every second. A poll needs
//! no connection of its own that could be lost unnoticed, works behind any connection pooler, and is
//! one small query for all tenants together.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    Mapping, Mappings, Named,
    postgres::{changed_since, of_tenants},
};
use crate::{database::Database, normalize::PartnerIds, notification::Notification};

/// How old the copy may be. The question takes well below a millisecond.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A copy of every tenant's mapping.
pub struct MappingCopy {
    tenants: RwLock<HashMap<String, Arc<Mapping>>>,
}

impl MappingCopy {
    /// Reads everything, for as long as that takes, and then, in the returned task, what changes.
    pub async fn load(
        database: Database,
        stop: CancellationToken,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send) {
        // The versions first: what changes while the rows are read is then read again.
        let version = highest(&changed_since(&database, 0).await, 0);
        let all = of_tenants(&database, None).await;
        let rows: usize = all.values().map(|mapping| mapping.rows().len()).sum();
        info!(tenants = all.len(), rows, "read {rows} mappings");
        let copy = Arc::new(Self { tenants: RwLock::default() });
        copy.replace(all);
        let refreshing = Arc::clone(&copy);
        let task = async move {
            stop.run_until_cancelled(refreshing.follow(&database, version)).await;
        };
        (copy, task)
    }

    /// Reads what has changed, again and again. A database that is away leaves the copy as it is.
    async fn follow(&self, database: &Database, mut version: i64) {
        let mut rounds = tokio::time::interval(ASK_EVERY);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let changed = changed_since(database, version).await;
            if changed.is_empty() {
                continue;
            }
            version = highest(&changed, version);
            let tenants: Vec<String> = changed.into_iter().map(|(tenant, _)| tenant).collect();
            let mut mappings = of_tenants(database, Some(&tenants)).await;
            for tenant in &tenants {
                // One without rows is not in the answer.
                let rows = mappings.entry(tenant.clone()).or_default().rows().len();
                info!(tenant, rows, "the mapping of {tenant} has changed: {rows} rows");
            }
            self.replace(mappings);
        }
    }

    fn replace(&self, mappings: HashMap<String, Mapping>) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.extend(mappings.into_iter().map(|(tenant, mapping)| (tenant, Arc::new(mapping))));
    }
}

impl Mappings for MappingCopy {
    fn partner_ids(&self, tenant: &str, notification: &Notification) -> PartnerIds {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let mapping = tenants.get(tenant).cloned();
        drop(tenants);
        mapping.unwrap_or_default().partner_ids(&Named::by(notification))
    }
}

fn highest(changed: &[(String, i64)], floor: i64) -> i64 {
    changed.iter().map(|(_, version)| *version).fold(floor, i64::max)
}
