//! What a test can do with a running simulator.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::dialect::Dialect;
use super::fault::Fault;
use super::log::LoggedRequest;
use super::pattern::Pattern;
use super::rate_limit::{Limiter, RateLimit};
use super::server::Shared;
use crate::simulator::world::World;

/// A hold on a running simulator; cheap to clone. It does not keep the simulator running.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
    pub(super) address: SocketAddr,
}

/// Where it is and what it knows.
impl Handle {
    /// `http://127.0.0.1:…`: what stands for `https://www.{domain}`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Looks into the world or changes it, between two requests.
    pub fn world<T>(&self, use_it: impl FnOnce(&mut World) -> T) -> T {
        use_it(&mut self.shared.world.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Speaks another dialect from now on.
    pub fn set_dialect(&self, dialect: Dialect) {
        *self.shared.dialect.write().unwrap_or_else(PoisonError::into_inner) = dialect;
    }

    /// Another limit from now on, with nothing used of it yet.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        *self.shared.limiter.lock().unwrap_or_else(PoisonError::into_inner) = Limiter::new(limit);
    }

    /// From now on the `Date` of its answers is this much ahead; behind, if negative.
    pub fn set_seconds_ahead(&self, seconds: i64) {
        self.shared.seconds_ahead.store(seconds, Ordering::Relaxed);
    }

    /// Every token given so far answers 401 from now on.
    pub fn expire_tokens(&self) {
        self.shared.tokens().expire_all();
    }

    /// From now on this client gets tokens for the new secret only; those it has stay in force.
    ///
    /// # Panics
    ///
    /// If there is no such client.
    pub fn replace_secret(&self, client_id: &str, secret: &str) {
        let known = self.shared.tokens().replace_secret(client_id, secret.to_owned());
        assert!(known, "there is no client {client_id}");
    }

    /// How long tokens live that are given from now on.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.shared.tokens().set_lifetime(lifetime);
    }
}

/// Faults.
impl Handle {
    /// From now on this goes wrong. The first fault that matches a request strikes it; latencies
    /// add up and go with any other.
    ///
    /// # Panics
    ///
    /// If the status or the probability of the fault is none.
    pub fn fault(&self, fault: Fault) {
        if let Some(reason) = fault.nonsense() {
            panic!("a fault that cannot be: {reason}");
        }
        self.shared.faults.add(fault);
    }

    /// Everything goes right again; what hangs is answered.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Answers the requests that hang now; the faults stay.
    pub fn release(&self) {
        self.shared.faults.release();
    }
}

/// Requests. `/_simulator` is not counted.
impl Handle {
    /// The last 50 000 requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log.all()
    }

    /// How many matching requests have arrived.
    pub fn count(&self, requests: impl Into<Pattern>) -> u64 {
        self.shared.log.count(&requests.into())
    }

    /// Counts from zero again.
    pub fn forget_requests(&self) {
        self.shared.log.forget();
    }

    /// Returns once a matching request has arrived, at once if one has already. It may not be
    /// answered yet.
    pub async fn wait_for_request(&self, requests: impl Into<Pattern>) -> LoggedRequest {
        self.shared.log.wait_for(&requests.into(), 1).await
    }

    /// Returns once this many matching requests have arrived, with the last of them.
    pub async fn wait_for_requests(
        &self,
        requests: impl Into<Pattern>,
        count: u64,
    ) -> LoggedRequest {
        self.shared.log.wait_for(&requests.into(), count).await
    }

    /// Runs when the next matching request arrives, before it is answered; once.
    pub fn on_request(
        &self,
        requests: impl Into<Pattern>,
        hook: impl FnOnce(&LoggedRequest) + Send + 'static,
    ) {
        self.shared.log.on_next(requests.into(), Box::new(hook));
    }

    /// Runs whenever a matching request arrives, before it is answered.
    pub fn on_every_request(
        &self,
        requests: impl Into<Pattern>,
        hook: impl Fn(&LoggedRequest) + Send + Sync + 'static,
    ) {
        self.shared.log.on_every(requests.into(), Arc::new(hook));
    }
}
