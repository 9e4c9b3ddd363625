//! The operator's doctor: what is missing, wrong or unsafe about the servers that the settings name, each with its
//! remedy. It asks and compares; nothing is declared, published, consumed or written.
//!
//! Asking (`broker`, `database`, `tenant`) gives facts; each has a `judge` that makes findings of them, purely.

mod broker;
mod capacity;
mod certificates;
mod database;
mod finding;
mod tenant;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::timeout;

pub use self::{
    certificates::certificates,
    finding::{Finding, Level},
};
use crate::config::{Settings, TenantSettings};

/// How long one server may take for everything that it is asked. A frozen one takes connections and says nothing.
const DEADLINE: Duration = Duration::from_secs(15);

/// How many tenants' APIs are asked at once.
const TENANTS_AT_ONCE: usize = 8;

/// What to look at besides the settings.
#[derive(Debug, Clone, Default)]
pub struct Scope<'s> {
    /// Only this tenant's API.
    pub tenant: Option<&'s str>,
    /// RabbitMQ's management API, where it is not at its usual port on the broker's host.
    pub management_url: Option<reqwest::Url>,
}

/// Asks all servers at once, and tells what was found: broker, database, what both together allow, tenants.
pub async fn connect(settings: &Settings, scope: &Scope<'_>) -> Vec<Finding> {
    crate::tls::install_provider();
    let wanted = |tenant: &&TenantSettings| scope.tenant.is_none_or(|only| only == tenant.id);
    let tenants: Vec<_> = settings.tenants.iter().filter(wanted).collect();
    let asking = stream::iter(&tenants)
        .map(|tenant| within(&tenant.id, tenant::check(tenant)))
        .buffered(TENANTS_AT_ONCE)
        .collect::<Vec<_>>();
    let (broker, database, apis) = tokio::join!(
        timeout(DEADLINE, broker::check(settings, scope.management_url.as_ref())),
        timeout(DEADLINE, database::check(settings, &tenants)),
        asking,
    );
    let broker = broker.unwrap_or_else(|_| broker::Checked::failed(late("broker")));
    let database = database.unwrap_or_else(|_| database::Checked::failed(late("database")));
    let together =
        capacity::judge(&settings.broker, &settings.database, broker.pods, database.room);
    [broker.findings, database.findings, together].into_iter().chain(apis).flatten().collect()
}

/// The findings of one tenant, or that there are none in time.
async fn within(tenant: &str, asking: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    let findings = timeout(DEADLINE, asking).await;
    findings.unwrap_or_else(|_| vec![late(&format!("API of tenant {tenant}"))])
}

fn late(place: &str) -> Finding {
    let told = format!("it did not answer within {DEADLINE:?}");
    Finding::error(
        place,
        told,
        "look whether the server is frozen or overloaded, or the network drops packets",
    )
}
