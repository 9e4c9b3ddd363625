//! Which letters are meant.

use chrono::{DateTime, Utc};

use super::{Cause, Letter};
use crate::notification::Kind;

/// Everything that is asked for has to be true of a letter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// One of these ids; none: any.
    pub ids: Vec<String>,
    /// This tenant's.
    pub tenant: Option<String>,
    /// Set aside for this.
    pub cause: Option<Cause>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Set aside at this moment or before. A letter without a time is in no such filter.
    pub until: Option<DateTime<Utc>>,
    /// Set aside at this moment or later.
    pub since: Option<DateTime<Utc>>,
}

impl Filter {
    /// Whether every letter is meant.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this letter is meant.
    #[must_use]
    pub fn matches(&self, letter: &Letter) -> bool {
        let failed_at = letter.failed_at;
        (self.ids.is_empty() || self.ids.contains(&letter.id))
            && (self.tenant.is_none() || self.tenant == letter.tenant)
            && self.cause.is_none_or(|cause| cause == letter.cause)
            && (self.kind.is_none() || self.kind == letter.kind)
            && self.until.is_none_or(|until| failed_at.is_some_and(|at| at <= until))
            && self.since.is_none_or(|since| failed_at.is_some_and(|at| since <= at))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::delivery::Reason;

    fn check(filter: &Filter, expected: bool) {
        let letter = Letter {
            id: "0123456789ab".into(),
            tenant: Some("acme".into()),
            cause: Cause::Worker(Reason::Invalid),
            kind: Some(Kind::SlotBooked),
            failed_at: Some(DateTime::UNIX_EPOCH),
            ..Letter::default()
        };
        assert_eq!(filter.matches(&letter), expected, "{filter:?}");
        let matches_an_empty_one = filter.matches(&Letter::default());
        assert_eq!(
            matches_an_empty_one,
            filter.is_any(),
            "{filter:?} and a letter without anything"
        );
    }

    #[test]
    fn each_condition_has_to_be_true_of_a_letter() {
        let any = Filter::default;
        let (noon, second) = (DateTime::UNIX_EPOCH, TimeDelta::seconds(1));
        check(&any(), true);
        check(&Filter { ids: vec!["ba".into(), "0123456789ab".into()], ..any() }, true);
        check(&Filter { ids: vec!["ba".into()], ..any() }, false);
        check(&Filter { tenant: Some("acme".into()), ..any() }, true);
        check(&Filter { tenant: Some("acm".into()), ..any() }, false);
        check(&Filter { cause: Some(Cause::Worker(Reason::Invalid)), ..any() }, true);
        check(&Filter { cause: Some(Cause::DeliveryLimit), ..any() }, false);
        check(&Filter { kind: Some(Kind::SlotBooked), ..any() }, true);
        check(&Filter { kind: Some(Kind::SlotBooking), ..any() }, false);
        check(&Filter { until: Some(noon), since: Some(noon), ..any() }, true);
        check(&Filter { until: Some(noon - second), ..any() }, false);
        check(&Filter { since: Some(noon + second), ..any() }, false);
        let kind = Some(Kind::SlotBooked);
        check(&Filter { kind, tenant: Some("other".into()), ..any() }, false);
    }
}
