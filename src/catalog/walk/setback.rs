//! What a walk does when a question is not answered.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    catalog::{Step, WhyWait},
    docplanner::ApiError,
    retry::Backoff,
};

/// A firewall forgets a sender after about five minutes, counted from its last request.
const FIREWALL_PAUSE: Duration = Duration::from_mins(5);

/// A firewall that still answers after this many pauses does not go away by waiting: a wrong
/// `base_url`, or an address that is blocked for good.
const FIREWALL_PAUSES: u32 = 3;

/// Where the API limits us and does not say for how long.
const UNTOLD_LIMIT_PAUSE: Duration = Duration::from_mins(1);

/// An API that says "now" and still refuses is not asked in a circle.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// What comes after an answer that was none.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// It does not exist for us; the walk goes on without it.
    LeaveOut(u16),
    /// The same question again, after the wait; `None`: after the one that has begun already.
    AskAgain { wait: Option<Duration>, why: WhyWait },
    /// The API answers others, but not this one; the walk goes on, and cannot be complete.
    SetAside,
    /// This does not get better while we wait.
    GiveUp,
}

/// How it went lately.
#[derive(Debug)]
pub(super) struct Setbacks {
    patience: Duration,
    backoff: Backoff,
    firewalls: u32,
    answered_at: Option<Instant>,
}

impl Setbacks {
    pub(super) fn new(patience: Duration) -> Self {
        let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15));
        Self { patience, backoff, firewalls: 0, answered_at: None }
    }

    /// The API has answered.
    pub(super) fn over(&mut self, now: Instant) {
        self.backoff.reset();
        self.firewalls = 0;
        self.answered_at = Some(now);
    }

    /// What to do after this error. `failing_since`: since when the API has not answered this very
    /// question; `is_paused`: an answer to another question has begun a pause already.
    pub(super) fn after(
        &mut self,
        error: &ApiError,
        step: &Step,
        failing_since: Option<Instant>,
        is_paused: bool,
        now: Instant,
    ) -> Next {
        let again = |wait: Duration, why| Next::AskAgain { wait: Some(wait), why };
        match error {
            ApiError::Unknown { status } if *step != Step::Facilities => Next::LeaveOut(*status),
            ApiError::RateLimited { wait } => {
                again(wait.unwrap_or(UNTOLD_LIMIT_PAUSE).max(SHORTEST_PAUSE), WhyWait::RateLimit)
            }
            ApiError::Paused { wait } | ApiError::OutOfQuota { wait } => {
                again((*wait).max(SHORTEST_PAUSE), WhyWait::RateLimit)
            }
            ApiError::Firewall { .. } if is_paused => {
                Next::AskAgain { wait: None, why: WhyWait::Firewall }
            }
            ApiError::Firewall { .. } if self.firewalls == FIREWALL_PAUSES => Next::GiveUp,
            ApiError::Firewall { .. } => {
                self.firewalls += 1;
                again(FIREWALL_PAUSE, WhyWait::Firewall)
            }
            ApiError::Unreachable(_) | ApiError::Failed { .. } | ApiError::Unreadable => {
                match failing_since {
                    Some(since) if now - since < self.patience => {}
                    Some(since) if self.answered_at.is_some_and(|at| since < at) => {
                        return Next::SetAside;
                    }
                    Some(_) => return Next::GiveUp,
                    None => {}
                }
                let wait = (!is_paused).then(|| self.backoff.next_delay());
                Next::AskAgain { wait, why: WhyWait::Trouble(error.clone()) }
            }
            ApiError::Unknown { .. }
            | ApiError::Unauthorized
            | ApiError::SecretRefused { .. }
            | ApiError::Refused { .. }
            | ApiError::NoAddress
            // A walk paces itself, and is nobody's delivery.
            | ApiError::Resting { .. }
            | ApiError::Crowded => Next::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_mins(2);

    fn services() -> Step {
        Step::Services { facility: "1".into(), doctor: "2".into(), address: "3".into() }
    }

    fn after(error: &ApiError, step: &Step, failing_for: Option<Duration>) -> String {
        let now = Instant::now() + Duration::from_hours(1);
        let since = failing_for.map(|time| now - time);
        match Setbacks::new(PATIENCE).after(error, step, since, false, now) {
            Next::LeaveOut(status) => format!("left out, {status}"),
            Next::AskAgain { wait, why: WhyWait::Trouble(_) } => {
                assert!(wait.is_some_and(|wait| wait < Duration::from_secs(1)));
                "asked again".to_owned()
            }
            Next::AskAgain { wait, why } => format!("{why:?} {:?}", wait.unwrap_or_default()),
            Next::SetAside => "set aside".to_owned(),
            Next::GiveUp => "given up".to_owned(),
        }
    }

    #[test]
    fn an_answer_that_was_none_is_waited_for_left_out_or_fatal() {
        let minutes = Duration::from_mins;
        let (services, facilities) = (services(), Step::Facilities);
        let (failed, unknown) =
            (ApiError::Failed { status: 503 }, ApiError::Unknown { status: 404 });
        for (error, step, failing_for, expected) in [
            (unknown.clone(), &services, None, "left out, 404"),
            (unknown.clone(), &Step::Dictionary, None, "left out, 404"),
            (unknown, &facilities, None, "given up"),
            (failed.clone(), &services, None, "asked again"),
            (failed.clone(), &services, Some(minutes(1)), "asked again"),
            (failed, &services, Some(PATIENCE), "given up"),
            (ApiError::Unreachable("no connection"), &facilities, None, "asked again"),
            (ApiError::Unreadable, &services, Some(minutes(3)), "given up"),
            (ApiError::RateLimited { wait: None }, &services, None, "RateLimit 60s"),
            (ApiError::RateLimited { wait: Some(minutes(0)) }, &services, None, "RateLimit 1s"),
            (ApiError::RateLimited { wait: Some(minutes(9)) }, &services, None, "RateLimit 540s"),
            (
                ApiError::Paused { wait: minutes(50) },
                &services,
                Some(minutes(3)),
                "RateLimit 3000s",
            ),
            (ApiError::Firewall { status: 405 }, &services, None, "Firewall 300s"),
            (ApiError::Unauthorized, &facilities, None, "given up"),
            (ApiError::Refused { status: 400 }, &services, None, "given up"),
        ] {
            assert_eq!(after(&error, step, failing_for), expected, "{error:?} {step:?}");
        }
    }

    #[test]
    fn a_firewall_is_waited_for_three_times_in_a_row() {
        let (mut setbacks, step) = (Setbacks::new(PATIENCE), services());
        let met = |setbacks: &mut Setbacks, is_paused| {
            let firewall = ApiError::Firewall { status: 405 };
            setbacks.after(&firewall, &step, None, is_paused, Instant::now())
        };
        for _ in 0..FIREWALL_PAUSES {
            assert_ne!(met(&mut setbacks, false), Next::GiveUp);
            assert_ne!(met(&mut setbacks, true), Next::GiveUp, "others that were under way");
        }
        assert_eq!(met(&mut setbacks, false), Next::GiveUp);
        setbacks.over(Instant::now());
        assert_ne!(met(&mut setbacks, false), Next::GiveUp);
    }

    #[test]
    fn a_question_that_alone_is_not_answered_is_set_aside() {
        let (mut setbacks, start) = (Setbacks::new(PATIENCE), Instant::now());
        let later = start + PATIENCE;
        let failed = ApiError::Failed { status: 500 };
        let mut next = |since| setbacks.after(&failed, &services(), Some(since), false, later);
        assert_eq!(next(start), Next::GiveUp, "nothing is answered");
        setbacks.over(start + PATIENCE / 2);
        let mut next = |since| setbacks.after(&failed, &services(), Some(since), false, later);
        assert_eq!(next(start), Next::SetAside);
    }
}
