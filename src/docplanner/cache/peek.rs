//! One look without a trace, for explaining: no lease is taken and nothing is written.

use std::time::Instant;

use deadpool_postgres::Pool;

use super::{Asked, Told, known::Known, shared, statements};
use crate::{
    docplanner::{ApiError, TenantApi, Urgency},
    normalize::AddressFacts,
    notification::Place,
};

/// What a worker without a memory would use, and where it would have it from.
#[derive(Debug, Default)]
pub struct Peeked {
    /// Empty if nobody knows.
    pub facts: AddressFacts,
    /// `database` or `api`.
    pub source: Option<&'static str>,
    /// Why the API could not tell.
    pub api_error: Option<ApiError>,
    /// Why the database could not.
    pub database_error: Option<anyhow::Error>,
}

/// Looks an address up as a worker would that has just started, but alone.
pub async fn peek(pool: &Pool, api: &TenantApi, place: &Place) -> Peeked {
    let Some(asked) = Asked::new(api, place, Urgency::Usual) else {
        return Peeked { api_error: Some(ApiError::NoAddress), ..Peeked::default() };
    };
    let (known, database_error) = match read(pool, &asked).await {
        Ok(known) => (known, None),
        Err(error) => (None, Some(error)),
    };
    let told = |facts, source| Peeked { facts, source: Some(source), ..Peeked::default() };
    if let Some(known) =
        known.as_ref().filter(|known| known.is_fresh(api.flags_ttl, Instant::now()))
    {
        return told(known.facts.clone(), "database");
    }
    let Told { addresses, result } = asked.ask_api().await;
    let answer = addresses.into_iter().find(|(id, _)| id == asked.address);
    let peeked = match (result, answer, known) {
        (Ok(()), Some((_, facts)), _) => told(facts, "api"),
        (Ok(()), None, _) => Peeked { api_error: Some(ApiError::Unreadable), ..Peeked::default() },
        (Err(error), _, Some(known)) if known.serves_instead_of(&error, Instant::now()) => {
            Peeked { api_error: Some(error), ..told(known.facts, "database") }
        }
        (Err(error), ..) => Peeked { api_error: Some(error), ..Peeked::default() },
    };
    Peeked { database_error, ..peeked }
}

async fn read(pool: &Pool, asked: &Asked<'_>) -> anyhow::Result<Option<Known>> {
    let client = pool.get().await?;
    let reading = statements::read(&client, &asked.doctor.tenant, asked.address);
    Ok(tokio::time::timeout(shared::BRIEFLY, reading).await??)
}
