//! How old the first message of a queue can be. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// A dead letter is not looked at more often.
const PEEK_PAUSE: TimeDelta = TimeDelta::seconds(30);

/// What was known of the first message is believed for so long, because the queue may shrink and grow unseen between
/// two looks at its depth. Not shorter: each peek counts as a delivery, and the broker drops a message at the queue's
/// delivery limit.
const PEEK_HOLDS: TimeDelta = TimeDelta::hours(1);

/// The first message of a queue, as far as it can be told from outside.
#[derive(Debug, PartialEq)]
pub(super) struct Head {
    /// When the first look was.
    first_look: DateTime<Utc>,
    /// Nothing in the queue was put there earlier, if that is known.
    since: Option<DateTime<Utc>>,
    /// How many messages there were.
    messages: u32,
    /// Until when `since` is sure, while nothing is taken out.
    sure_until: Option<DateTime<Utc>>,
    peeked_at: Option<DateTime<Utc>>,
}

impl Head {
    /// Of a queue that nothing is known of: until something is, what waits there is taken to have come now.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self { first_look: now, since: None, messages: 0, sure_until: None, peeked_at: None }
    }

    /// The queue was seen.
    pub(super) fn seen(&mut self, messages: u32, now: DateTime<Utc>) {
        if messages == 0 {
            self.since = Some(now);
            self.sure_until = Some(now + PEEK_HOLDS);
        } else if messages < self.messages {
            self.sure_until = None;
        }
        self.messages = messages;
    }

    /// A message that had come at this time was taken out, and the rest came later.
    pub(super) fn is_not_older_than(&mut self, taken: DateTime<Utc>) {
        self.since = self.since.max(Some(taken));
    }

    /// Whether only a look at the message itself can tell.
    pub(super) fn wants_peek(&self, now: DateTime<Utc>) -> bool {
        let may = self.peeked_at.is_none_or(|at| now - at >= PEEK_PAUSE);
        self.messages > 0 && may && self.sure_until.is_none_or(|until| until < now)
    }

    /// Somebody has looked at the message; `None`: it does not tell, or was gone.
    pub(super) fn peeked(&mut self, since: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        self.peeked_at = Some(now);
        if since.is_some() {
            self.since = since;
            self.sure_until = Some(now + PEEK_HOLDS);
        }
    }

    /// How long it has waited at most.
    pub(super) fn age(&self, now: DateTime<Utc>) -> Duration {
        if self.messages == 0 {
            return Duration::ZERO;
        }
        (now - self.since.unwrap_or(self.first_look)).to_std().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_waits_in_a_queue_that_was_empty_came_since() {
        let mut head = Head::new(at(0));
        head.seen(0, at(5));
        assert_eq!(head.age(at(5)), secs(0));
        head.seen(2, at(10));
        assert_eq!(head.age(at(10)), secs(5));
        assert!(!head.wants_peek(at(10)), "that is known without a look at the message");
    }

    #[test]
    fn who_takes_the_messages_out_knows_how_old_the_next_one_can_be() {
        let mut head = Head::new(at(0));
        head.seen(9, at(60));
        assert_eq!(head.age(at(60)), secs(60), "it grows while nothing is taken");
        head.is_not_older_than(at(-60));
        assert_eq!(head.age(at(60)), secs(120), "it was there before this process");
        head.is_not_older_than(at(50));
        assert_eq!(head.age(at(60)), secs(10));
        head.is_not_older_than(at(20));
        assert_eq!(head.age(at(60)), secs(10), "a notification that was sent again tells nothing");
    }

    #[test]
    fn a_dead_letter_is_looked_at_when_nothing_else_tells_and_seldom() {
        let mut head = Head::new(at(0));
        head.seen(3, at(0));
        assert!(head.wants_peek(at(0)), "they were there before this process");
        head.peeked(Some(at(-500)), at(0));
        assert_eq!(head.age(at(10)), secs(510));
        head.seen(4, at(40));
        assert!(!head.wants_peek(at(40)), "the first one is still the first one");
        head.seen(3, at(45));
        assert!(head.wants_peek(at(45)), "somebody took the first one");
        head.peeked(None, at(45));
        assert!(!head.wants_peek(at(74)) && head.wants_peek(at(75)), "after a pause");
        head.peeked(Some(at(70)), at(75));
        assert!(!head.wants_peek(at(3675)) && head.wants_peek(at(3676)), "and once an hour");
    }
}
