//! What was asked, and who waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::watch;

use super::operation::Operation;
use super::pattern::Pattern;

/// How many requests are kept one by one. Counts are kept for all.
/// Larger costs memory in a long benchmark; smaller makes a long test forget its beginning.
const KEPT_REQUESTS: usize = 50_000;

/// A request as it was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedRequest {
    /// `GET`, …
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As it was sent; empty if there was none.
    pub query: String,
    /// What was asked for.
    pub operation: Operation,
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// What it was answered; `None` while it waits, and for good after a reset.
    pub status: Option<u16>,
}

/// The counts of all requests.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    total: u64,
    operations: BTreeMap<&'static str, u64>,
    paths: BTreeMap<String, u64>,
}

type OnceHook = Box<dyn FnOnce(&LoggedRequest) + Send>;
type EveryHook = Arc<dyn Fn(&LoggedRequest) + Send + Sync>;

enum Hook {
    Once(OnceHook),
    Every(EveryHook),
}

/// The requests so far.
pub(super) struct Log {
    entries: Mutex<Entries>,
    hooks: Mutex<Vec<(Pattern, Hook)>>,
    arrived: watch::Sender<u64>,
}

#[derive(Default)]
struct Entries {
    /// The number of the first one kept.
    first: u64,
    kept: VecDeque<LoggedRequest>,
    counts: BTreeMap<(String, String), u64>,
    operations: BTreeMap<&'static str, u64>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { entries: Mutex::default(), hooks: Mutex::default(), arrived: watch::Sender::new(0) }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request, then runs its hooks; returns its number.
    pub(super) fn arrived(&self, request: &LoggedRequest) -> u64 {
        let number = self.entries().push(request.clone());
        self.arrived.send_modify(|count| *count += 1);
        self.run_hooks(request);
        number
    }

    /// Notes how a request was answered.
    pub(super) fn answered(&self, number: u64, status: u16) {
        let mut entries = self.entries();
        let index = number.checked_sub(entries.first).and_then(|at| usize::try_from(at).ok());
        if let Some(request) = index.and_then(|index| entries.kept.get_mut(index)) {
            request.status = Some(status);
        }
    }

    pub(super) fn all(&self) -> Vec<LoggedRequest> {
        self.entries().kept.iter().cloned().collect()
    }

    pub(super) fn count(&self, pattern: &Pattern) -> u64 {
        let entries = self.entries();
        let matching = entries.counts.iter();
        matching.filter(|((path, method), _)| pattern.matches(method, path)).map(|(_, n)| n).sum()
    }

    pub(super) fn summary(&self) -> Summary {
        let entries = self.entries();
        let mut summary = Summary { operations: entries.operations.clone(), ..Summary::default() };
        for ((path, method), count) in &entries.counts {
            summary.total += count;
            summary.paths.insert(format!("{method} {path}"), *count);
        }
        summary
    }

    pub(super) fn forget(&self) {
        let mut entries = self.entries();
        let first = entries.first + entries.kept.len() as u64;
        *entries = Entries { first, ..Entries::default() };
    }

    /// Returns when this many matching requests have arrived, with the last of them.
    pub(super) async fn wait_for(&self, pattern: &Pattern, count: u64) -> LoggedRequest {
        let mut arrivals = self.arrived.subscribe();
        loop {
            if self.count(pattern) >= count
                && let Some(request) = self.last(pattern)
            {
                return request;
            }
            // The sender lives in `self`, so this cannot fail.
            let _ = arrivals.changed().await;
        }
    }

    fn last(&self, pattern: &Pattern) -> Option<LoggedRequest> {
        let entries = self.entries();
        entries.kept.iter().rev().find(|r| pattern.matches(&r.method, &r.path)).cloned()
    }

    pub(super) fn on_next(&self, pattern: Pattern, hook: OnceHook) {
        self.hooks().push((pattern, Hook::Once(hook)));
    }

    pub(super) fn on_every(&self, pattern: Pattern, hook: EveryHook) {
        self.hooks().push((pattern, Hook::Every(hook)));
    }

    fn hooks(&self) -> MutexGuard<'_, Vec<(Pattern, Hook)>> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs them outside the lock: a hook may use the simulator.
    fn run_hooks(&self, request: &LoggedRequest) {
        let mut due = Vec::new();
        let mut hooks = self.hooks();
        let mut index = 0;
        while index < hooks.len() {
            match &hooks[index] {
                (pattern, _) if !pattern.matches(&request.method, &request.path) => index += 1,
                (_, Hook::Every(hook)) => {
                    due.push(Hook::Every(Arc::clone(hook)));
                    index += 1;
                }
                (_, Hook::Once(_)) => due.push(hooks.remove(index).1),
            }
        }
        drop(hooks);
        for hook in due {
            match hook {
                Hook::Once(hook) => hook(request),
                Hook::Every(hook) => hook(request),
            }
        }
    }
}

impl Entries {
    fn push(&mut self, request: LoggedRequest) -> u64 {
        *self.operations.entry(request.operation.as_str()).or_default() += 1;
        let key = (request.path.clone(), request.method.clone());
        *self.counts.entry(key).or_default() += 1;
        if self.kept.len() == KEPT_REQUESTS {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(request);
        self.first + self.kept.len() as u64 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> LoggedRequest {
        LoggedRequest {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            operation: Operation::GetAddress,
            at: DateTime::UNIX_EPOCH,
            status: None,
        }
    }

    #[test]
    fn old_requests_are_forgotten_and_still_counted() {
        let log = Log::new();
        let first = log.arrived(&request("/addresses/1"));
        for _ in 0..KEPT_REQUESTS {
            log.arrived(&request("/addresses/2"));
        }

        log.answered(first, 200);

        assert_eq!(log.all().len(), KEPT_REQUESTS);
        assert!(log.all().iter().all(|request| request.status.is_none()));
        assert_eq!(log.count(&Pattern::from("/addresses/1")), 1);
    }

    #[tokio::test]
    async fn a_waiter_is_woken_by_the_request_it_waits_for() {
        let log = Arc::new(Log::new());
        let waiter = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.wait_for(&Pattern::from("/addresses/2"), 2).await.path }
        });
        for path in ["/addresses/2", "/addresses/1", "/addresses/2"] {
            tokio::task::yield_now().await;
            log.arrived(&request(path));
        }

        assert_eq!(waiter.await.unwrap(), "/addresses/2");
    }

    #[test]
    fn a_hook_runs_once_or_every_time() {
        let log = Log::new();
        let (sender, ran) = std::sync::mpsc::channel();
        let every = sender.clone();
        log.on_next(Pattern::from("/a"), Box::new(move |_| sender.send("once").unwrap()));
        log.on_every(Pattern::from("/a"), Arc::new(move |_| every.send("every").unwrap()));

        for path in ["/b", "/a", "/a"] {
            log.arrived(&request(path));
        }

        assert_eq!(ran.try_iter().collect::<Vec<_>>(), ["once", "every", "every"]);
    }
}
