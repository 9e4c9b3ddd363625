//! Video calls (online-features guide, "Video Consultations"): when to remind of one.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{effects::Reminder, notification::Moment};

/// The reminders of a call that are still to come, each with the moment it is due.
#[must_use]
pub fn reminders(
    start_at: Moment,
    offsets: &[Duration],
    certain: bool,
    now: DateTime<Utc>,
) -> Vec<(DateTime<Utc>, Reminder)> {
    let reminder = |offset: &Duration| {
        let before_seconds = i32::try_from(offset.as_secs()).ok()?;
        let due_at = start_at.to_utc() - *offset;
        (due_at > now).then_some((due_at, Reminder { before_seconds, start_at, certain }))
    };
    offsets.iter().filter_map(reminder).collect()
}

/// What has changed since a reminder was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    /// It is due.
    Due,
    /// The visit is canceled, at another time, over, or has no call.
    Pointless,
}

/// Whether a reminder is to be sent, by what the API says of its booking now: its start and whether there is a call; or
/// by nothing but the reminder, if the API does not tell.
#[must_use]
pub fn still(
    reminder: &Reminder,
    booking: Option<(Option<Moment>, bool, bool)>,
    now: DateTime<Utc>,
) -> Still {
    let pointless = match booking {
        Some((start_at, is_canceled, has_call)) => {
            // A booking that was moved has reminders of its own.
            let moved = start_at.is_some_and(|start_at| start_at != reminder.start_at);
            is_canceled || moved || !has_call
        }
        None => !reminder.certain,
    };
    if pointless || reminder.start_at <= now { Still::Pointless } else { Still::Due }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(time: &str) -> Moment {
        format!("2024-03-04T{time}:00+01:00").parse().unwrap()
    }

    const OFFSETS: [Duration; 2] = [Duration::from_hours(1), Duration::from_mins(10)];

    #[test]
    fn only_reminders_that_lie_in_the_future_are_set() {
        let due = |now: &str| -> Vec<_> {
            reminders(moment("12:00"), &OFFSETS, true, moment(now).to_utc())
                .into_iter()
                .map(|(at, reminder)| (at, reminder.before_seconds))
                .collect()
        };
        let (hour, minutes) = (moment("11:00").to_utc(), moment("11:50").to_utc());
        assert_eq!(due("10:59"), [(hour, 3600), (minutes, 600)]);
        assert_eq!(due("11:00"), [(minutes, 600)]);
        assert_eq!(due("11:50"), []);
        assert_eq!(due("13:00"), []);
    }

    #[test]
    fn a_reminder_is_pointless_once_the_visit_has_changed() {
        let reminder =
            |certain| Reminder { before_seconds: 3600, start_at: moment("12:00"), certain };
        let now = moment("11:00").to_utc();
        let same = Some(moment("12:00"));
        assert_eq!(still(&reminder(true), Some((same, false, true)), now), Still::Due);
        assert_eq!(still(&reminder(false), Some((same, false, true)), now), Still::Due);
        assert_eq!(still(&reminder(true), Some((None, false, true)), now), Still::Due);
        assert_eq!(still(&reminder(true), None, now), Still::Due, "nobody tells otherwise");
        for booking in [
            Some((same, true, true)),
            Some((same, false, false)),
            Some((Some(moment("12:30")), false, true)),
        ] {
            assert_eq!(still(&reminder(true), booking, now), Still::Pointless, "{booking:?}");
        }
        assert_eq!(still(&reminder(false), None, now), Still::Pointless, "there may be no call");
        let late = moment("12:01").to_utc();
        assert_eq!(still(&reminder(true), Some((same, false, true)), late), Still::Pointless);
    }
}
