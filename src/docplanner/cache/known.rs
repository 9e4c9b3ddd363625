//! What is known of one address, and what it is good for. Pure: the time comes in as a parameter.

use std::time::{Duration, Instant};

use crate::{docplanner::ApiError, normalize::AddressFacts, retry::Prospect};

/// While the API does not answer, facts of up to this age are used. An address changes its kind
/// about never; a day without the API is a long day.
const STALE_FOR: Duration = Duration::from_hours(24);

/// After a failure, old facts are used for this long without asking again: otherwise each delivery
/// of an address would wait for the same timeout.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(15);

/// Facts, as one source told them at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::docplanner) struct Known {
    pub(in crate::docplanner) facts: AddressFacts,
    pub(in crate::docplanner) age: Age,
    /// No change has been told since they were asked for.
    pub(in crate::docplanner) unchanged: bool,
    /// When they were asked for, in the database's order; `None`: the database was away, and knows
    /// nothing of them.
    pub(in crate::docplanner) moment: Option<i64>,
}

/// How old something is. The database tells an age and never a time, and from then on this process
/// counts by itself: no clock of one machine is compared with another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::docplanner) struct Age {
    was: Duration,
    since: Instant,
}

/// Why the API was asked in vain the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    at: Instant,
    silence: Silence,
}

/// Why the API says nothing of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// It says that there is no such address.
    Gone,
    /// It does not answer.
    Down,
    /// It would answer, and is not asked yet: only what is too old serves meanwhile, not what has changed.
    PutOff,
}

impl Age {
    /// It is as old as `was`, now.
    pub(in crate::docplanner) fn of(was: Duration, now: Instant) -> Self {
        Self { was, since: now }
    }

    pub(in crate::docplanner) fn at(self, now: Instant) -> Duration {
        self.was.saturating_add(now.saturating_duration_since(self.since))
    }
}

impl Failure {
    pub(super) fn of(error: &ApiError, now: Instant) -> Self {
        Self { at: now, silence: Silence::of(error) }
    }
}

impl Known {
    /// Nobody has to be asked.
    pub(in crate::docplanner) fn is_fresh(&self, ttl: Duration, now: Instant) -> bool {
        self.unchanged && self.age.at(now) < ttl
    }

    /// Whether this is what is used instead of an answer when the API gives `error`: whatever its
    /// age if the API says that the address is gone (a cancellation still has to arrive), up to a day old
    /// if it does not answer, and only without a change meanwhile if it is to be asked later.
    pub(in crate::docplanner) fn serves_instead_of(&self, error: &ApiError, now: Instant) -> bool {
        self.serves(Silence::of(error), now)
    }

    /// Whether this is used without asking because the API was just asked in vain.
    pub(super) fn serves_after(&self, failure: Failure, now: Instant) -> bool {
        now.saturating_duration_since(failure.at) < ASK_AGAIN_AFTER
            && self.serves(failure.silence, now)
    }

    fn serves(&self, silence: Silence, now: Instant) -> bool {
        let is_of_today = self.age.at(now) < STALE_FOR;
        match silence {
            Silence::Gone => true,
            Silence::Down => is_of_today,
            Silence::PutOff => is_of_today && self.unchanged,
        }
    }
}

impl Silence {
    fn of(error: &ApiError) -> Self {
        match (error, error.prospect()) {
            (ApiError::OutOfQuota { .. }, _) => Silence::PutOff,
            (_, Prospect::Never(_)) => Silence::Gone,
            (_, Prospect::Later(..) | Prospect::Wait(_) | Prospect::Behind(_)) => Silence::Down,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_mins(10);
    const SECOND: Duration = Duration::from_secs(1);
    const ALMOST_TTL: Duration = Duration::from_secs(10 * 60 - 1);
    const DAY: Duration = Duration::from_hours(24);
    const ALMOST_A_DAY: Duration = Duration::from_secs(24 * 60 * 60 - 1);

    fn aged(was: Duration, unchanged: bool) -> (Known, Instant) {
        let now = Instant::now();
        let facts = AddressFacts::default();
        (Known { facts, age: Age::of(was, now), unchanged, moment: Some(1) }, now)
    }

    #[test]
    fn fresh_is_what_is_young_and_unchanged() {
        for (was, unchanged, later, fresh) in [
            (Duration::ZERO, true, Duration::ZERO, true),
            (Duration::ZERO, true, ALMOST_TTL, true),
            (Duration::ZERO, true, TTL, false),
            (ALMOST_TTL, true, Duration::ZERO, true),
            // The age that another pod's answer had already counts.
            (ALMOST_TTL, true, SECOND, false),
            (Duration::MAX, true, SECOND, false),
            (Duration::ZERO, false, Duration::ZERO, false),
        ] {
            let (known, now) = aged(was, unchanged);
            assert_eq!(known.is_fresh(TTL, now + later), fresh, "{was:?} {unchanged} {later:?}");
        }
    }

    #[test]
    fn what_serves_depends_on_its_age_and_on_how_the_api_failed() {
        let gone = ApiError::Unknown { status: 404 };
        let refused = ApiError::Refused { status: 422 };
        let down = ApiError::Unreachable("no connection");
        let limited = ApiError::Paused { wait: SECOND };
        for (was, error, serves) in [
            (ALMOST_A_DAY, &down, true),
            (DAY, &down, false),
            (ALMOST_A_DAY, &limited, true),
            (DAY, &limited, false),
            (DAY, &gone, true),
            (400 * DAY, &gone, true),
            (400 * DAY, &refused, true),
        ] {
            // That something has changed is no reason to have nothing while nobody answers.
            for unchanged in [true, false] {
                let (known, now) = aged(was, unchanged);
                assert_eq!(known.serves_instead_of(error, now), serves, "{was:?} {error}");
            }
        }
    }

    #[test]
    fn while_the_api_is_not_asked_yet_what_has_changed_does_not_serve() {
        let put_off = ApiError::OutOfQuota { wait: SECOND };
        for (was, unchanged, serves) in
            [(ALMOST_A_DAY, true, true), (DAY, true, false), (SECOND, false, false)]
        {
            let (known, now) = aged(was, unchanged);
            assert_eq!(known.serves_instead_of(&put_off, now), serves, "{was:?} {unchanged}");
            let failure = Failure::of(&put_off, now);
            assert_eq!(known.serves_after(failure, now), serves, "{was:?} {unchanged}");
        }
    }

    #[test]
    fn after_a_failure_the_api_is_left_alone_for_a_while() {
        let down = ApiError::Failed { status: 503 };
        let gone = ApiError::Unknown { status: 403 };
        for (was, error, later, serves) in [
            (SECOND, &down, Duration::ZERO, true),
            (SECOND, &down, Duration::from_secs(14), true),
            (SECOND, &down, ASK_AGAIN_AFTER, false),
            (DAY, &down, Duration::ZERO, false),
            (DAY, &gone, Duration::ZERO, true),
            (DAY, &gone, ASK_AGAIN_AFTER, false),
        ] {
            let (known, now) = aged(was, false);
            let failure = Failure::of(error, now);
            assert_eq!(known.serves_after(failure, now + later), serves, "{was:?} {later:?}");
        }
    }
}
