//! A notification's place in its chain, if it were delivered now.

use serde::Serialize;

use crate::{
    config::Settings,
    database::connect_pool,
    decision::{Call, Known},
    inbox::{self, Preview, Request},
    normalize::{AddressFacts, PartnerIds},
    notification::{Notification, Position},
    payment::Payment,
    tenants::Tenant,
};

/// Its place among the events of its booking, if it were delivered now.
#[derive(Serialize)]
pub(super) struct Order {
    partition_key: String,
    sequence: u32,
    seen: Option<&'static str>,
    error: Option<String>,
    #[serde(skip)]
    last_sequence: u32,
    #[serde(skip)]
    payment: Option<Payment>,
}

/// What a delivery of the notification would ask the inbox.
pub(super) fn request(notification: &Notification, tenant: &Tenant) -> Request {
    let key = notification.key(&tenant.profile.id);
    Request {
        content: notification.content(),
        chain: notification.chain(&tenant.profile.id, &key),
        told_at: notification.created_at,
        retried_at: None,
        tries: false,
        key,
    }
}

impl Order {
    /// Without the database, as if nothing had been delivered before.
    pub(super) async fn look_up(settings: &Settings, request: &Request) -> Self {
        let preview = async {
            let client = connect_pool(&settings.database)?.get().await?;
            anyhow::Ok(inbox::preview(&client, request).await?)
        };
        match preview.await {
            Ok(Preview { position, last_sequence, payment, seen }) => Self {
                partition_key: position.partition_key,
                sequence: position.sequence,
                seen: Some(seen.as_str()),
                error: None,
                last_sequence,
                payment,
            },
            Err(error) => Self {
                partition_key: request.chain.partition_key.clone(),
                sequence: 1,
                seen: None,
                error: Some(format!("{error:#}")),
                last_sequence: 0,
                payment: None,
            },
        }
    }

    /// The place.
    pub(super) fn position(&self) -> Position {
        Position { partition_key: self.partition_key.clone(), sequence: self.sequence }
    }

    /// What was found out, for the decision.
    pub(super) fn known(&self, facts: AddressFacts, partner: PartnerIds) -> Known {
        Known {
            facts,
            partner,
            payment: self.payment.clone(),
            last_sequence: self.last_sequence,
            call: Call::NotAsked,
        }
    }

    /// In one line.
    pub(super) fn in_words(&self) -> String {
        let told = self.seen.map(str::to_owned).or_else(|| self.error.clone());
        format!("{} of {} ({})", self.sequence, self.partition_key, told.unwrap_or_default())
    }
}
