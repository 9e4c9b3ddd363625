//! One thing that goes wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pattern::Pattern;

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
    pub(super) on: Pattern,
    pub(super) effect: Effect,
    /// How many requests are struck; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) times: Option<u32>,
    /// The share of the matching requests that are struck; by default all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) probability: Option<f64>,
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

#[cfg(test)]
mod tests {
    use super::*;

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
