//! Where each of the partner's identifiers comes from.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    cli::migrated_database,
    config::Settings,
    mapping::{self, DatedRow, Key, Mapping, Named, Row},
    normalize::PartnerIds,
    notification::Notification,
};

/// What a notification names, each with its row of the mapping.
#[derive(Serialize)]
pub(super) struct Identifiers {
    named: Vec<Identifier>,
    /// Why the mapping could not be read.
    error: Option<String>,
    #[serde(skip)]
    pub(super) partner_ids: PartnerIds,
}

#[derive(Serialize)]
struct Identifier {
    kind: &'static str,
    address_id: Option<String>,
    docplanner_id: String,
    /// `null`: there is no row.
    partner_id: Option<String>,
    online: Option<bool>,
    changed_at: Option<DateTime<Utc>>,
    age_seconds: Option<i64>,
}

impl Identifiers {
    /// Asks the database for the rows of what is named.
    pub(super) async fn look_up(
        settings: &Settings,
        tenant: &str,
        notification: &Notification,
        now: DateTime<Utc>,
    ) -> Self {
        let rows = async {
            let client = migrated_database(settings).await?;
            anyhow::Ok(mapping::rows_named_by(&client, tenant, notification).await?)
        };
        let (rows, error) = match rows.await {
            Ok(rows) => (rows, None),
            Err(error) => (Vec::new(), Some(format!("{error:#}"))),
        };
        let named = Named::by(notification);
        let identifier = |key: Key<'_>| {
            let found = rows.iter().find(|dated| dated.row.key() == key);
            Identifier::new(key, found, now)
        };
        let identifiers = named.keys().map(identifier).collect();
        let mapping = Mapping::new(rows.iter().map(|dated| dated.row.clone()).collect());
        Self { named: identifiers, error, partner_ids: mapping.partner_ids(&named) }
    }

    /// One line for each.
    pub(super) fn in_words(&self) -> Vec<String> {
        if let Some(error) = &self.error {
            return vec![format!("cannot be read: {error}")];
        }
        self.named.iter().map(Identifier::in_words).collect()
    }
}

impl Identifier {
    fn new(key: Key<'_>, found: Option<&DatedRow>, now: DateTime<Utc>) -> Self {
        let row: Option<&Row> = found.map(|dated| &dated.row);
        let changed_at = found.map(|dated| dated.changed_at);
        Self {
            kind: key.kind.as_str(),
            address_id: (!key.address_id.is_empty()).then(|| key.address_id.to_owned()),
            docplanner_id: key.docplanner_id.to_owned(),
            partner_id: row.map(|row| row.partner_id.clone()),
            online: row.and_then(|row| row.online),
            changed_at,
            age_seconds: changed_at.map(|at| (now - at).num_seconds()),
        }
    }

    fn in_words(&self) -> String {
        let Self { kind, docplanner_id, .. } = self;
        let at = self.address_id.as_ref().map(|id| format!(" at address {id}")).unwrap_or_default();
        let online = self.online.map(|online| format!(", online {online}")).unwrap_or_default();
        match (&self.partner_id, self.age_seconds) {
            (Some(partner_id), Some(age)) => {
                format!("{kind} {docplanner_id}{at} is {partner_id}{online} (row {age} s old)")
            }
            _ => format!("{kind} {docplanner_id}{at} is not mapped"),
        }
    }
}
