//! What exists at Docplanner: the lists of facilities, doctors, addresses and services.
//!
//! Each call is one try of one question. Who walks through thousands of them decides itself when to
//! wait and when to give up.

use std::time::Duration;

use serde_json::Value;

use super::{
    ApiClient, ApiError,
    client::Question,
    list_model::{self, part},
    scopes::Scopes,
};

/// A country's dictionary has thousands of entries, and nobody's delivery waits for it.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// A doctor in a facility's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDoctor {
    /// Docplanner's id.
    pub id: String,
    /// The doctor's addresses at this facility, if the API told them along with the doctor.
    pub addresses: Option<Vec<ListedAddress>>,
}

/// An address in a doctor's list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedAddress {
    /// Docplanner's id.
    pub id: String,
    /// It is for online consultations only; `None` if the API does not tell.
    pub online_only: Option<bool>,
    /// Its visits are paid through the marketplace; `None` if the API does not tell.
    pub visit_payment: Option<bool>,
}

/// A service in an address's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedService {
    /// The `address_service_id`, valid at its own address only.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its entry in the dictionary of services.
    pub dictionary_id: Option<String>,
}

/// An entry in the country's dictionary of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DictionaryEntry {
    /// Docplanner's id.
    pub id: String,
    /// Its name, in the language of the country.
    pub name: String,
}

impl ApiClient {
    /// The ids of all facilities that this client may see.
    ///
    /// # Errors
    ///
    /// As [`ApiError`] says, after one try.
    pub async fn facilities(&self) -> Result<Vec<String>, ApiError> {
        self.list("facilities", &["facilities"], &Scopes::none(), list_model::facility).await
    }

    /// The doctors of a facility, with their addresses if the API tells them along.
    ///
    /// # Errors
    ///
    /// As [`ApiError`] says, after one try.
    pub async fn doctors(&self, facility: &str) -> Result<Vec<ListedDoctor>, ApiError> {
        let path = ["facilities", facility, "doctors"];
        self.list("doctors", &path, self.doctor_scopes(), list_model::doctor).await
    }

    /// The addresses of a doctor at a facility, with their flags.
    ///
    /// # Errors
    ///
    /// As [`ApiError`] says, after one try.
    pub async fn addresses(
        &self,
        facility: &str,
        doctor: &str,
    ) -> Result<Vec<ListedAddress>, ApiError> {
        let path = ["facilities", facility, "doctors", doctor, "addresses"];
        self.list("addresses", &path, self.address_scopes(), list_model::address).await
    }

    /// The services offered at an address.
    ///
    /// # Errors
    ///
    /// As [`ApiError`] says, after one try.
    pub async fn services(
        &self,
        facility: &str,
        doctor: &str,
        address: &str,
    ) -> Result<Vec<ListedService>, ApiError> {
        let path = ["facilities", facility, "doctors", doctor, "addresses", address, "services"];
        self.list("services", &path, &Scopes::none(), list_model::service).await
    }

    /// The dictionary of services of the tenant's country.
    ///
    /// # Errors
    ///
    /// As [`ApiError`] says, after one try.
    pub async fn dictionary(&self) -> Result<Vec<DictionaryEntry>, ApiError> {
        let none = Scopes::none();
        self.list("dictionary", &["services"], &none, list_model::dictionary_entry).await
    }

    async fn list<T>(
        &self,
        operation: &'static str,
        path: &[&str],
        scopes: &Scopes,
        item: fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, ApiError> {
        let first = self.resource(path);
        let mut url = first.clone();
        let mut all = Vec::new();
        for wanted in 1.. {
            let question = Question {
                operation,
                url: &url,
                urgency: None,
                timeout: Some(LIST_TIMEOUT),
                until: None,
            };
            let answer = self.ask(&question, scopes).await?;
            let part = part(&answer.body, item).ok_or(ApiError::Unreadable)?;
            all.extend(part.items);
            match part.page {
                // An API that repeats a page would be asked for ever.
                Some((page, _)) if page != wanted => return Err(ApiError::Unreadable),
                Some((page, pages)) if page < pages => {
                    url = first.clone();
                    url.query_pairs_mut().append_pair("page", &(page + 1).to_string());
                }
                _ => break,
            }
        }
        Ok(all)
    }
}
