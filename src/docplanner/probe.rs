//! A look at the API: whether it answers this client, and what it tells. About four requests, all of them GET.

use chrono::TimeDelta;
use serde_json::Value;

use super::{
    ApiClient, ApiError, Quota,
    client::Question,
    list_model::{self, part},
    model,
    scopes::Scopes,
};
use crate::normalize::AddressFacts;

/// What a look has seen.
#[derive(Debug)]
pub struct Probe {
    /// The facilities that the client may see.
    pub facilities: Result<Vec<String>, ApiError>,
    /// An address of the facility that was asked for, or else of the first one; `None` if that has none.
    pub sample: Result<Option<Sample>, ApiError>,
    /// What is left of the rate limit, if there is one.
    pub quota: Option<Quota>,
    /// How much the API's clock is ahead of ours, if it told the time.
    pub ahead: Option<TimeDelta>,
}

/// An address as the API tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its facility.
    pub facility: String,
    /// Its id.
    pub address: String,
    /// What the API tells of it.
    pub facts: AddressFacts,
    /// The scopes that the API took.
    pub scopes: &'static str,
}

impl ApiClient {
    /// Looks once; what fails is not tried again. `facility`: whose address is wanted.
    pub async fn probe(&self, facility: Option<&str>) -> Probe {
        let facilities = self.facilities().await;
        let first = || facilities.as_ref().ok().and_then(|all| all.first()).map(String::as_str);
        let sample = match (facility.or_else(first), &facilities) {
            (Some(facility), _) => self.sample(facility).await,
            (None, Ok(_)) => Ok(None),
            (None, Err(error)) => Err(error.clone()),
        };
        Probe { facilities, sample, quota: self.quota(), ahead: self.ahead() }
    }

    async fn sample(&self, facility: &str) -> Result<Option<Sample>, ApiError> {
        let doctors = ["facilities", facility, "doctors"];
        let Some(doctor) = self.first_id("doctors", &doctors).await? else { return Ok(None) };
        let addresses = ["facilities", facility, "doctors", &doctor, "addresses"];
        let Some(id) = self.first_id("addresses", &addresses).await? else { return Ok(None) };
        let url = self.resource(&["facilities", facility, "doctors", &doctor, "addresses", &id]);
        let answer = self.ask(&question("address", &url), self.address_scopes()).await?;
        let facts = model::address(&answer.body, &id).ok_or(ApiError::Unreadable)?;
        let scopes = self.address_scopes().taken();
        Ok(Some(Sample { facility: facility.to_owned(), address: id, facts, scopes }))
    }

    /// The first of a list, without more than its first page.
    async fn first_id(
        &self,
        operation: &'static str,
        path: &[&str],
    ) -> Result<Option<String>, ApiError> {
        let url = self.resource(path);
        let answer = self.ask(&question(operation, &url), &Scopes::none()).await?;
        let id: fn(&Value) -> Option<String> = list_model::facility;
        let part = part(&answer.body, id).ok_or(ApiError::Unreadable)?;
        Ok(part.items.into_iter().next())
    }
}

/// Whoever looks wants to be told how the API is, and has a deadline of its own.
fn question<'q>(operation: &'static str, url: &'q reqwest::Url) -> Question<'q> {
    Question { operation, url, urgency: None, timeout: None, until: None }
}
