//! Where a notification would stand, without claiming it.

use tokio_postgres::Client;

use super::{Request, claims::payment};
use crate::{notification::Position, payment::Payment};

/// What the inbox knows of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The place it has, or would have if it were delivered now.
    pub position: Position,
    /// The last sequence that was given in its chain.
    pub last_sequence: u32,
    /// How the chain's payment stands.
    pub payment: Option<Payment>,
    /// Whether it was delivered before, and what became of it.
    pub seen: Seen,
}

/// What became of a notification so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is new.
    Never,
    /// It is being worked on, or waits for its turn.
    Open,
    /// Its event was published.
    Published,
    /// It was set aside, and others of its chain went on.
    DeadLettered,
}

const PREVIEW: &str = "
    SELECT i.key IS NOT NULL AS known, i.completed_at IS NOT NULL AS published, coalesce(i.dead, false) AS dead,
           coalesce(i.partition_key, c.partition_key) AS partition_key,
           coalesce(i.sequence, 1 + c.last_sequence + (
               SELECT count(*) FROM inbox o
               WHERE o.key = ANY (c.open) AND o.sequence IS NULL AND o.key <> q.key
           )::integer, 1) AS sequence,
           coalesce(c.last_sequence, 0) AS last_sequence, c.payment, c.payment_basis, c.payment_due_at
    FROM (SELECT $1::uuid AS key, $2::uuid AS subject) AS q
    LEFT JOIN inbox i ON i.key = q.key
    LEFT JOIN chains s ON s.subject = q.subject
    LEFT JOIN chains c ON c.subject = coalesce(i.chain, s.continues, s.subject)";

/// Looks without touching.
///
/// # Errors
///
/// If the database refuses, or has no tables yet.
pub async fn preview(client: &Client, request: &Request) -> Result<Preview, tokio_postgres::Error> {
    let row = client.query_one(PREVIEW, &[&request.key.uuid(), &request.chain.subject]).await?;
    let partition_key: Option<String> = row.get("partition_key");
    let sequence = u32::try_from(row.get::<_, i32>("sequence")).unwrap_or(1);
    let seen = match (row.get("known"), row.get("published"), row.get("dead")) {
        (false, ..) => Seen::Never,
        (true, true, _) => Seen::Published,
        (true, false, true) => Seen::DeadLettered,
        (true, false, false) => Seen::Open,
    };
    let partition_key = partition_key.unwrap_or_else(|| request.chain.partition_key.clone());
    Ok(Preview {
        position: Position { partition_key, sequence },
        last_sequence: row.get::<_, i32>("last_sequence").unsigned_abs(),
        payment: payment(&row),
        seen,
    })
}

impl Seen {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Seen::Never => "not delivered before",
            Seen::Open => "delivered before, not finished yet",
            Seen::Published => "published before: another delivery is a duplicate",
            Seen::DeadLettered => "dead-lettered before",
        }
    }
}
