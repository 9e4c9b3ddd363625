//! The bad days of an API.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::pattern::Pattern;
use crate::simulator::random::Random;

/// What goes wrong, for which requests, how often.
///
/// ```
/// # use docplanner_worker::simulator::api::Fault;
/// # use std::time::Duration;
/// let twice = Fault::status(503).on("/addresses/111").times(2);
/// let sometimes = Fault::latency(Duration::from_secs(2)).on("GET /bookings").probability(0.1);
/// let limited = Fault::status(429).retry_after(Duration::from_secs(3));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests are struck; by default all of them.
    #[serde(default = "every_request")]
    on: Pattern,
    effect: Effect,
    /// How many requests are struck; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    /// The share of the matching requests that are struck; by default all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// The answer comes late. Other faults apply after the wait.
    Latency {
        /// How late.
        ms: u64,
    },
    /// An error in Docplanner's own form.
    Status {
        /// The HTTP status.
        code: u16,
        /// A `Retry-After` header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u64>,
        /// `X-RateLimit-*` headers that say: nothing left until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reset_after_seconds: Option<u64>,
    },
    /// The HTML page of the web application firewall.
    Firewall {
        /// 405 (a captcha) or 403 (a block).
        code: u16,
    },
    /// The connection is reset (TCP RST) before any byte of an answer.
    Reset,
    /// No answer until the fault is cleared or released; then the usual one.
    Hang,
    /// 200 with a body that is not JSON.
    Garbage,
    /// The usual answer, whose body ends early together with the connection.
    Truncated,
    /// 200 with JSON of another shape.
    WrongShape,
}

fn every_request() -> Pattern {
    Pattern::from("")
}

impl Fault {
    fn new(effect: Effect) -> Self {
        Self { on: every_request(), effect, times: None, probability: None }
    }

    /// The answer comes late. Other faults apply after the wait.
    #[must_use]
    pub fn latency(by: Duration) -> Self {
        Self::new(Effect::Latency { ms: u64::try_from(by.as_millis()).unwrap_or(u64::MAX) })
    }

    /// An error in Docplanner's own form: 401, 403, 404, 429, 500, 502, 503, 504, …
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::new(Effect::Status { code, retry_after_seconds: None, reset_after_seconds: None })
    }

    /// The HTML page of the web application firewall, with 405 (a captcha) or 403 (a block).
    #[must_use]
    pub fn firewall(code: u16) -> Self {
        Self::new(Effect::Firewall { code })
    }

    /// The connection is reset (TCP RST) before any byte of an answer.
    #[must_use]
    pub fn reset() -> Self {
        Self::new(Effect::Reset)
    }

    /// No answer until the fault is cleared or released; then the usual one.
    #[must_use]
    pub fn hang() -> Self {
        Self::new(Effect::Hang)
    }

    /// 200 with a body that is not JSON.
    #[must_use]
    pub fn garbage() -> Self {
        Self::new(Effect::Garbage)
    }

    /// The usual answer, whose body ends early together with the connection.
    #[must_use]
    pub fn truncated() -> Self {
        Self::new(Effect::Truncated)
    }

    /// 200 with JSON of another shape.
    #[must_use]
    pub fn wrong_shape() -> Self {
        Self::new(Effect::WrongShape)
    }

    /// Strikes only these requests.
    #[must_use]
    pub fn on(mut self, requests: impl Into<Pattern>) -> Self {
        self.on = requests.into();
        self
    }

    /// Strikes this often, then never again.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Strikes this share of the requests, chosen by the simulator's seed.
    #[must_use]
    pub fn probability(mut self, share: f64) -> Self {
        self.probability = Some(share);
        self
    }

    /// With a `Retry-After` header, in whole seconds. For [`Fault::status`] only.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        if let Effect::Status { retry_after_seconds, .. } = &mut self.effect {
            *retry_after_seconds = Some(wait.as_secs());
        }
        self
    }

    /// With `X-RateLimit-*` headers that say: nothing left until then. For [`Fault::status`] only.
    #[must_use]
    pub fn reset_after(mut self, wait: Duration) -> Self {
        if let Effect::Status { reset_after_seconds, .. } = &mut self.effect {
            *reset_after_seconds = Some(wait.as_secs());
        }
        self
    }

    /// Why this fault can never happen, if so.
    pub(super) fn nonsense(&self) -> Option<&'static str> {
        let code = match self.effect {
            Effect::Status { code, .. } | Effect::Firewall { code } => code,
            _ => 200,
        };
        if !(200..=599).contains(&code) {
            return Some("`code` is an HTTP status, 200 to 599");
        }
        let is_share = self.probability.is_none_or(|share| (0.0..=1.0).contains(&share));
        (!is_share).then_some("`probability` is a share, 0 to 1")
    }
}

/// A fault in force.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Standing {
    id: u64,
    #[serde(flatten)]
    fault: Fault,
    /// Requests struck so far.
    struck: u32,
}

/// What one request suffers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) delay: Duration,
    pub(super) effect: Option<Effect>,
}

/// The faults in force.
pub(super) struct Faults {
    standing: Mutex<List>,
    /// Changes when everything that hangs may go on.
    released: watch::Sender<u64>,
}

struct List {
    faults: Vec<Standing>,
    next_id: u64,
    random: Random,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        let list = List { faults: Vec::new(), next_id: 1, random: Random::new(seed, "faults") };
        Self { standing: Mutex::new(list), released: watch::Sender::new(0) }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, fault: Fault) -> u64 {
        let mut list = self.list();
        let id = list.next_id;
        list.next_id += 1;
        list.faults.push(Standing { id, fault, struck: 0 });
        id
    }

    pub(super) fn all(&self) -> Vec<Standing> {
        self.list().faults.clone()
    }

    pub(super) fn clear(&self) {
        self.list().faults.clear();
        self.release();
    }

    pub(super) fn release(&self) {
        self.released.send_modify(|generation| *generation += 1);
    }

    /// Take it before [`strike`](Self::strike): a release in between is not missed.
    pub(super) fn release_signal(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }

    /// Every matching latency, and the first other fault that matches.
    pub(super) fn strike(&self, method: &str, path: &str) -> Strike {
        let mut strike = Strike::default();
        let List { faults, random, .. } = &mut *self.list();
        for standing in faults.iter_mut().filter(|standing| standing.may_strike(method, path)) {
            let is_latency = matches!(standing.fault.effect, Effect::Latency { .. });
            if strike.effect.is_some() && !is_latency {
                continue;
            }
            if standing.fault.probability.is_some_and(|share| !random.chance(share)) {
                continue;
            }
            standing.struck += 1;
            match standing.fault.effect {
                Effect::Latency { ms } => strike.delay += Duration::from_millis(ms),
                ref effect => strike.effect = Some(effect.clone()),
            }
        }
        strike
    }
}

impl Standing {
    fn may_strike(&self, method: &str, path: &str) -> bool {
        self.fault.times.is_none_or(|times| self.struck < times)
            && self.fault.on.matches(method, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_it_says() {
        let faults = Faults::new(1);
        faults.add(Fault::status(503).on("/addresses/111").times(2));

        let strikes = (0..4).filter(|_| faults.strike("GET", "/addresses/111").effect.is_some());

        assert_eq!(strikes.count(), 2);
        assert_eq!(faults.strike("GET", "/addresses/112"), Strike::default());
    }

    #[test]
    fn latency_adds_to_the_first_other_fault() {
        let faults = Faults::new(1);
        faults.add(Fault::garbage());
        faults.add(Fault::latency(Duration::from_millis(20)));
        faults.add(Fault::reset().times(1));
        faults.add(Fault::latency(Duration::from_millis(30)));

        let strike = faults.strike("GET", "/");

        assert_eq!(strike.delay, Duration::from_millis(50));
        assert_eq!(strike.effect, Some(Effect::Garbage));
        assert_eq!(faults.all()[2].struck, 0, "a fault that did not happen is not used up");
    }

    #[test]
    fn a_probability_strikes_its_share_and_the_same_ones_each_time() {
        let struck = |seed| {
            let faults = Faults::new(seed);
            faults.add(Fault::reset().probability(0.25));
            (0..1000).filter(|_| faults.strike("GET", "/").effect.is_some()).collect::<Vec<u32>>()
        };

        assert!((200..300).contains(&struck(1).len()));
        assert_eq!(struck(1), struck(1));
        assert_ne!(struck(1), struck(2));
    }

    #[test]
    fn faults_are_written_in_json() {
        let text = r#"{"on":"GET /addresses/111","times":2,
            "effect":{"status":{"code":429,"retry_after_seconds":3}}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        let built = Fault::status(429).retry_after(Duration::from_secs(3));
        assert_eq!(fault, built.on("GET /addresses/111").times(2));

        assert_eq!(serde_json::from_str::<Fault>(r#"{"effect":"hang"}"#).unwrap(), Fault::hang());
        assert!(serde_json::from_str::<Fault>(r#"{"effect":"hang","time":2}"#).is_err());
    }
}
