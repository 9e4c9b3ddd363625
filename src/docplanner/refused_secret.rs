//! A client secret that the API refuses, while its file may be about to be replaced.
//!
//! Docplanner takes a new secret at one moment, and the file holds it at another. In between nothing is
//! wrong with the deliveries: they wait, which costs no attempt.

use std::time::{Duration, Instant};

use super::ApiError;
use crate::private::Secret;

/// For how long a refused secret is taken for one that is being replaced. Kubernetes brings a new one to
/// the pod within two minutes, an operator who copies secrets from elsewhere perhaps within an hour.
/// After that it is a wrong secret, and costs attempts.
const REPLACED_WITHIN: Duration = Duration::from_hours(1);

/// A secret that was refused is not offered again before this, unless it is another one: a firewall
/// counts requests.
const OFFERED_EVERY: Duration = Duration::from_secs(5);

/// A refusal, until a secret is accepted.
#[derive(Debug)]
pub(super) struct RefusedSecret {
    secret: Secret,
    /// Since when no secret is accepted.
    since: Instant,
    offered_at: Instant,
}

impl RefusedSecret {
    /// `secret` was refused now; `before`: what was known of refusals until then.
    pub(super) fn new(secret: Secret, before: Option<&Self>, now: Instant) -> Self {
        Self { secret, since: before.map_or(now, |before| before.since), offered_at: now }
    }

    /// Whether `secret` may be offered: another one at once, the same one after a while.
    pub(super) fn may_be_offered(&self, secret: &Secret, now: Instant) -> bool {
        *secret != self.secret || self.wait(now).is_zero()
    }

    /// What it means for who needs a token now.
    pub(super) fn error(&self, now: Instant) -> ApiError {
        if now < self.since + REPLACED_WITHIN {
            ApiError::SecretRefused { wait: self.wait(now) }
        } else {
            ApiError::Unauthorized
        }
    }

    fn wait(&self, now: Instant) -> Duration {
        (self.offered_at + OFFERED_EVERY).saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_secret_waits_for_another_one_and_not_for_ever() {
        let (old, new) = (Secret::new("old"), Secret::new("new"));
        let (start, secs) = (Instant::now(), Duration::from_secs);
        let first = RefusedSecret::new(old.clone(), None, start);
        assert!(!first.may_be_offered(&old, start + secs(1)));
        assert!(first.may_be_offered(&new, start + secs(1)));
        assert!(first.may_be_offered(&old, start + secs(5)));
        assert_eq!(first.error(start + secs(1)), ApiError::SecretRefused { wait: secs(4) });

        let again = RefusedSecret::new(old, Some(&first), start + secs(3598));
        assert_eq!(again.error(start + secs(3599)), ApiError::SecretRefused { wait: secs(4) });
        assert_eq!(again.error(start + secs(3600)), ApiError::Unauthorized, "since the first one");
    }
}
