//! Addresses as deliveries need them: at once, in whatever dialect, after brief retries.

use std::{sync::atomic::Ordering, time::Duration};

use super::{ApiClient, ApiError, client::Question, model, scopes::Scopes};
use crate::{
    normalize::AddressFacts,
    retry::{Backoff, Prospect},
};

/// Tries within one lookup. What still fails then goes to a retry queue and frees its place.
const TRIES: u32 = 3;

/// A wait longer than this is not sat out in process.
const LONGEST_PAUSE_IN_PROCESS: Duration = Duration::from_secs(2);

impl ApiClient {
    /// The flags of one address, and where it is.
    ///
    /// # Errors
    ///
    /// After brief retries, if the API does not answer, limits us or does not know the address.
    pub async fn address(
        &self,
        facility: &str,
        doctor: &str,
        address: &str,
    ) -> Result<AddressFacts, ApiError> {
        let path = ["facilities", facility, "doctors", doctor, "addresses", address];
        let read = |body: &[u8]| model::address(body, address);
        let facts = self.look_up("address", &path, self.address_scopes(), read).await?;
        Ok(AddressFacts { as_of: Some((self.clock)()), ..facts })
    }

    /// The same for all addresses of a doctor at a facility, by their ids, for the price of one.
    ///
    /// # Errors
    ///
    /// As for one address. An API that takes no such question is not asked a second time.
    pub async fn doctor_addresses(
        &self,
        facility: &str,
        doctor: &str,
    ) -> Result<Vec<(String, AddressFacts)>, ApiError> {
        if self.lists_refused.load(Ordering::Relaxed) {
            return Err(ApiError::Refused { status: 400 });
        }
        let path = ["facilities", facility, "doctors", doctor, "addresses"];
        let scopes = self.address_list_scopes();
        let listed = self.look_up("addresses", &path, scopes, model::addresses).await;
        if let Err(ApiError::Refused { status: 400 }) = listed {
            self.lists_refused.store(true, Ordering::Relaxed);
        }
        let mut listed = listed?;
        let as_of = Some((self.clock)());
        for (_, facts) in &mut listed {
            facts.as_of = as_of;
        }
        Ok(listed)
    }

    async fn look_up<T>(
        &self,
        operation: &'static str,
        path: &[&str],
        scopes: &Scopes,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, ApiError> {
        let url = self.resource(path);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut tries = 1;
        loop {
            let answered =
                self.ask(&Question { operation, url: &url, timeout: None }, scopes).await;
            let told = answered.and_then(|it| read(&it.body).ok_or(ApiError::Unreadable));
            let error = match told {
                Ok(told) => return Ok(told),
                Err(error) => error,
            };
            let pause = match error.prospect() {
                Prospect::Later(_, wait) => wait.unwrap_or_default().max(backoff.next_delay()),
                Prospect::Never(_) | Prospect::Wait(_) | Prospect::Behind(_) => return Err(error),
            };
            if tries == TRIES || pause > LONGEST_PAUSE_IN_PROCESS {
                return Err(error);
            }
            tries += 1;
            tokio::time::sleep(pause).await;
        }
    }
}
