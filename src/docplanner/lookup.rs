//! Questions as deliveries need them answered: at once, in whatever dialect, after brief retries.

use std::{sync::atomic::Ordering, time::Duration};

use super::{ApiClient, ApiError, client::Question, model, quota::Urgency, scopes::Scopes};
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
        urgency: Urgency,
    ) -> Result<AddressFacts, ApiError> {
        let url = self.resource(&["facilities", facility, "doctors", doctor, "addresses", address]);
        let question = Question::usual("address", &url, urgency);
        let read = |body: &[u8]| model::address(body, address);
        let facts = self.look_up(&question, self.address_scopes(), read).await?;
        Ok(AddressFacts { as_of: Some(self.now()), ..facts })
    }

    /// The same for all addresses of a doctor at a facility, by their ids, for the price of one.
    ///
    /// # Errors
    ///
    /// As for one address; without a request, if this API is known to tell no flags in lists.
    pub async fn doctor_addresses(
        &self,
        facility: &str,
        doctor: &str,
        urgency: Urgency,
    ) -> Result<Vec<(String, AddressFacts)>, ApiError> {
        if self.lists_are_refused.load(Ordering::Relaxed) {
            return Err(ApiError::Refused { status: 400 });
        }
        let url = self.resource(&["facilities", facility, "doctors", doctor, "addresses"]);
        let question = Question::usual("addresses", &url, urgency);
        let scopes = self.address_list_scopes();
        let mut listed = self.look_up(&question, scopes, model::addresses).await?;
        let as_of = Some(self.now());
        for (_, facts) in &mut listed {
            facts.as_of = as_of;
        }
        Ok(listed)
    }

    /// This API refused a list in every dialect, and answered for an address in it. That is worth
    /// remembering; that it refuses both may be because of an id that it cannot read.
    pub(super) fn lists_are_refused(&self) {
        self.lists_are_refused.store(true, Ordering::Relaxed);
    }

    /// Asks a few times. An answer that cannot be read is a failure that may pass. Who has sent a request that failed is
    /// told of that, even if the next one was not allowed: having to wait costs no attempt, and a failed request does.
    pub(super) async fn look_up<T>(
        &self,
        question: &Question<'_>,
        scopes: &Scopes,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, ApiError> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut tries = 1;
        let mut failed = None;
        loop {
            let error = match self.look_up_once(question, scopes, &read).await {
                Ok(told) => return Ok(told),
                Err(error) => error,
            };
            let pause = match error.prospect() {
                Prospect::Later(_, wait) => wait.unwrap_or_default().max(backoff.next_delay()),
                Prospect::Wait(_) | Prospect::Behind(_) => return Err(failed.unwrap_or(error)),
                Prospect::Never(_) => return Err(error),
            };
            if tries == TRIES || pause > LONGEST_PAUSE_IN_PROCESS {
                return Err(error);
            }
            tries += 1;
            failed = Some(error);
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks once.
    pub(super) async fn look_up_once<T>(
        &self,
        question: &Question<'_>,
        scopes: &Scopes,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, ApiError> {
        let answer = self.ask(question, scopes).await?;
        read(&answer.body).ok_or(ApiError::Unreadable)
    }
}
