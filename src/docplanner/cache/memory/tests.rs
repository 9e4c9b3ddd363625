use std::sync::Arc;

use super::*;
use crate::docplanner::cache::known::Age;

const TTL: Duration = Duration::from_mins(10);

fn listening() -> Arc<Memory> {
    let memory = Arc::new(Memory::new(10));
    memory.begins();
    memory
}

fn key(address: &str) -> Key {
    Key::new("acme", address)
}

fn asked_at(moment: impl Into<Option<i64>>) -> Known {
    Known {
        facts: AddressFacts { online_only: Some(true), ..AddressFacts::default() },
        age: Age::of(Duration::ZERO, Instant::now()),
        unchanged: true,
        moment: moment.into(),
    }
}

fn learn(memory: &Memory, address: &str, known: Known, mark: Mark) {
    memory.learn(key(address), known, mark, Instant::now());
}

fn is_fresh(memory: &Memory, address: &str) -> bool {
    matches!(memory.usable(&key(address), TTL, Instant::now()), Some(Usable::Fresh(_)))
}

#[test]
fn an_answer_is_fresh_if_it_was_asked_for_after_the_last_change() {
    for known_before in [false, true] {
        for (moment, fresh) in [(4, false), (6, true)] {
            let memory = listening();
            if known_before {
                learn(&memory, "1", asked_at(1), memory.mark());
            }
            let mark = memory.mark();
            memory.hears("5 acme/1");
            learn(&memory, "1", asked_at(moment), mark);
            assert_eq!(is_fresh(&memory, "1"), fresh, "asked for at {moment}, {known_before}");

            // The same notice again, or one that was late, takes nothing away from a newer answer.
            memory.hears("5 acme/1");
            assert_eq!(is_fresh(&memory, "1"), fresh);
        }
    }
}

#[test]
fn a_change_heard_before_the_question_does_not_count_against_what_is_not_here() {
    let memory = listening();
    memory.hears("50 acme/2");
    let mark = memory.mark();
    learn(&memory, "1", asked_at(7), mark);
    assert!(is_fresh(&memory, "1"), "the database knows of every change before");
}

#[test]
fn an_answer_that_the_database_knows_nothing_of_is_fresh_if_nothing_was_heard() {
    for (notice, fresh) in [(None, true), (Some("5 acme/1"), false), (Some("5 acme/2"), false)] {
        let memory = listening();
        let mark = memory.mark();
        if let Some(notice) = notice {
            memory.hears(notice);
        }
        learn(&memory, "1", asked_at(None), mark);
        assert_eq!(is_fresh(&memory, "1"), fresh, "{notice:?}");
        memory.hears("6 acme/1");
        assert!(!is_fresh(&memory, "1"));
    }
}

#[test]
fn nothing_is_believed_that_was_learned_before_a_connection_was_lost() {
    let memory = listening();
    learn(&memory, "1", asked_at(1), memory.mark());
    let before = memory.mark();
    memory.ends();
    assert!(!is_fresh(&memory, "1"), "a notice may be missed now");
    let between = memory.mark();
    memory.begins();
    assert!(!is_fresh(&memory, "1"), "one may have been missed");
    for mark in [before, between] {
        learn(&memory, "1", asked_at(2), mark);
        assert!(!is_fresh(&memory, "1"), "asked for before we listened");
    }
    learn(&memory, "1", asked_at(3), memory.mark());
    assert!(is_fresh(&memory, "1"));
}

#[test]
fn old_facts_do_not_replace_younger_ones_but_say_that_those_are_old() {
    let memory = listening();
    let now = Instant::now();
    learn(&memory, "1", asked_at(None), memory.mark());
    let hour = Duration::from_hours(1);
    let old = Known {
        facts: AddressFacts::default(),
        age: Age::of(hour, now),
        unchanged: false,
        moment: Some(3),
    };
    learn(&memory, "1", old.clone(), memory.mark());
    assert!(!is_fresh(&memory, "1"));
    assert_eq!(memory.known(&key("1")).unwrap().facts.online_only, Some(true));

    learn(&memory, "2", Known { age: Age::of(2 * hour, now), ..old.clone() }, memory.mark());
    learn(&memory, "2", Known { moment: Some(9), ..old }, memory.mark());
    assert_eq!(memory.known(&key("2")).unwrap().moment, Some(9));
}

#[test]
fn who_has_waited_for_an_answer_takes_it_however_short_it_lives() {
    let memory = Arc::new(Memory::new(10));
    let since = Instant::now();
    assert!(!memory.is_new_since(&key("1"), since));
    learn(&memory, "1", asked_at(1), memory.mark());
    assert!(memory.is_new_since(&key("1"), since), "listening or not");
    assert!(!memory.is_new_since(&key("1"), Instant::now() + TTL));
    memory.expire(&key("1"));
    assert!(!memory.is_new_since(&key("1"), since));
}

#[test]
fn a_change_ends_the_patience_with_an_api_that_failed() {
    let memory = listening();
    let error = ApiError::Failed { status: 503 };
    let usable = || memory.usable(&key("1"), Duration::ZERO, Instant::now());
    learn(&memory, "1", asked_at(1), memory.mark());
    assert_eq!(usable(), None);
    memory.failed(&key("1"), &error, Instant::now());
    assert!(matches!(usable(), Some(Usable::Old(_))));
    memory.expire(&key("1"));
    assert_eq!(usable(), None);
    memory.failed(&key("1"), &error, Instant::now());
    memory.hears("2 acme/1");
    assert_eq!(usable(), None);
    assert!(memory.known(&key("1")).is_some(), "kept for when nobody answers");
}

#[test]
fn what_is_used_stays_and_the_rest_is_bounded() {
    let memory = Arc::new(Memory::new(100));
    for nth in 0..1_000 {
        learn(&memory, &nth.to_string(), asked_at(1), memory.mark());
        assert!(memory.known(&key("0")).is_some(), "in use, after {nth} others");
        let state = memory.state();
        assert!(state.young.len() + state.old.len() <= 100, "{nth}");
    }
    assert!(memory.known(&key("1")).is_none());
    assert!(memory.known(&key("999")).is_some());
}

#[test]
fn a_change_told_of_something_forgotten_meanwhile_still_counts() {
    let memory = Arc::new(Memory::new(2));
    memory.begins();
    learn(&memory, "1", asked_at(1), memory.mark());
    let mark = memory.mark();
    memory.hears("5 acme/1");
    for other in ["2", "3", "4"] {
        learn(&memory, other, asked_at(9), memory.mark());
    }
    assert!(memory.known(&key("1")).is_none());
    learn(&memory, "1", asked_at(4), mark);
    assert!(!is_fresh(&memory, "1"));
}

#[test]
fn a_notice_that_is_none_is_not_heard() {
    let memory = listening();
    for payload in ["", "acme/1", "x acme/1", "5"] {
        memory.hears(payload);
    }
    assert_eq!(memory.state().notices, 0);
}
