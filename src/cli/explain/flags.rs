//! What is known of the address, where it is from, and how old it is.

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    config::Settings,
    database::connect_pool,
    docplanner::{Peeked, peek},
    normalize::AddressFacts,
    notification::Place,
    retry::chain,
    tenants::Tenant,
};

/// The address's flags as a worker would use them that has just started.
#[derive(Serialize)]
pub(super) struct Flags {
    online_only: Option<bool>,
    visit_payment: Option<bool>,
    as_of: Option<DateTime<Utc>>,
    age_seconds: Option<i64>,
    /// `database` or `api`.
    source: Option<&'static str>,
    /// Why the API could not tell.
    error: Option<String>,
    /// Why the database could not.
    database_error: Option<String>,
}

impl Flags {
    /// In the database, then at the API; writes nothing. Also what the event is made with.
    pub(super) async fn look_up(
        settings: &Settings,
        tenant: &Tenant,
        place: &Place,
        now: DateTime<Utc>,
    ) -> anyhow::Result<(Self, AddressFacts)> {
        let pool = connect_pool(&settings.database).context("database")?;
        let peeked = peek(&pool, &tenant.api, place).await;
        let Peeked { facts, source, api_error, database_error } = peeked;
        let flags = Self {
            online_only: facts.online_only,
            visit_payment: facts.visit_payment,
            as_of: facts.as_of,
            age_seconds: facts.as_of.map(|at| (now - at).num_seconds()),
            source,
            error: api_error.as_ref().map(|error| chain(error)),
            database_error: database_error.map(|error| format!("{error:#}")),
        };
        Ok((flags, facts))
    }

    /// In one line.
    pub(super) fn in_words(&self) -> String {
        let word = |flag: Option<bool>| flag.map_or("unknown".to_owned(), |flag| flag.to_string());
        let (online, payment) = (word(self.online_only), word(self.visit_payment));
        let source = if self.source == Some("api") { "API" } else { "database" };
        let mut told = match (self.age_seconds, &self.error) {
            (Some(age), None) => format!("{age} s old, from the {source}"),
            (Some(age), Some(error)) => format!("{age} s old, from the {source}, because {error}"),
            (None, Some(error)) => error.clone(),
            (None, None) => "not known".to_owned(),
        };
        if let Some(error) = &self.database_error {
            told = format!("{told}; the database does not tell: {error}");
        }
        format!("online_only {online}, visit_payment {payment} ({told})")
    }
}
