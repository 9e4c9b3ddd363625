use super::*;

const HOUR: u64 = 3600;
const RESERVE: f64 = 0.1;

fn at(seconds: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn told(limit: u64, remaining: u64, ends_at: u64) -> Quota {
    Quota { limit, remaining, resets_at: std::time::Instant::now(), ends_at: at(ends_at) }
}

/// How many requests of those who want one each time are granted.
fn granted(window: &mut Window, urgency: Urgency, seconds: std::ops::Range<u64>, each: u64) -> u64 {
    let take = |now| match window.take(each, urgency, RESERVE, at(now)) {
        Grant::Permits(granted) => granted,
        Grant::NotBefore { .. } => 0,
    };
    seconds.map(take).sum()
}

#[test]
fn a_window_is_spent_evenly_and_its_reserve_is_left() {
    let mut window = Window::begun(&told(8000, 8000, HOUR), at(0));
    let at_once = granted(&mut window, Urgency::Usual, 0..1, 8000);
    assert_eq!(at_once, 400, "a burst");
    let first_half = at_once + granted(&mut window, Urgency::Usual, 1..HOUR / 2, 100);
    assert!((3700..=3900).contains(&first_half), "{first_half}");
    let second_half = granted(&mut window, Urgency::Usual, HOUR / 2..HOUR, 100);
    let usual = first_half + second_half;
    assert!((7100..=7200).contains(&usual), "{usual}");
    assert_eq!(granted(&mut window, Urgency::Due, HOUR - 1..HOUR, 8000), 8000 - usual);
}

#[test]
fn what_is_not_spent_early_may_be_spent_late() {
    let mut window = Window::begun(&told(8000, 8000, HOUR), at(0));
    let late = granted(&mut window, Urgency::Usual, HOUR - 600..HOUR, 100);
    assert!(late >= 7000, "{late}");
}

#[test]
fn what_is_due_has_the_reserve_and_waits_for_no_pace() {
    let mut window = Window::begun(&told(100, 10, HOUR), at(0));
    let nothing = window.take(5, Urgency::Usual, RESERVE, at(0));
    let until_the_end = Grant::NotBefore { first: Duration::from_secs(HOUR), each: Duration::ZERO };
    assert_eq!(nothing, until_the_end);
    assert_eq!(window.take(25, Urgency::Due, RESERVE, at(0)), Grant::Permits(10));
    assert_eq!(window.take(1, Urgency::Due, RESERVE, at(0)), until_the_end);
}

#[test]
fn who_has_to_wait_is_told_for_how_long() {
    // After the burst of 10, 900 in the rest of the hour.
    let mut window = Window::begun(&told(1000, 1010 - 100, HOUR), at(0));
    assert_eq!(window.take(90, Urgency::Usual, 0.0, at(0)), Grant::Permits(50));
    let Grant::NotBefore { first, each } = window.take(1, Urgency::Usual, 0.0, at(0)) else {
        panic!("nothing is saved up");
    };
    assert_eq!(first, each);
    assert_eq!(each.as_millis(), 1000 * u128::from(HOUR) / 860);
    assert_eq!(window.take(9, Urgency::Usual, 0.0, at(5)), Grant::Permits(1));
}

#[test]
fn the_lower_number_of_a_window_wins_and_an_old_window_says_nothing() {
    for (known, told, left) in [
        (told(100, 50, HOUR), told(100, 40, HOUR), 40),
        (told(100, 50, HOUR), told(100, 60, HOUR), 50),
        (told(100, 50, HOUR), told(100, 1, HOUR - 1), 50),
        // It moves on: what the API says now is the truth.
        (told(100, 50, HOUR), told(100, 99, HOUR + 1), 99),
    ] {
        let mut window = Window::begun(&known, at(0));
        window.hear(&told, at(1));
        assert_eq!(window.left, left, "{known:?}, then {told:?}");
    }
}

#[test]
fn a_window_after_its_end_begins_anew_with_a_burst() {
    let mut window = Window::begun(&told(100, 50, HOUR), at(0));
    granted(&mut window, Urgency::Usual, 0..1, 50);
    window.hear(&told(100, 99, 2 * HOUR), at(HOUR));
    assert_eq!(window, Window::begun(&told(100, 99, 2 * HOUR), at(HOUR)));
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let mut window = Window::begun(&told(100, 50, HOUR), at(0));
    let before = window.clone();
    window.take(7, Urgency::Usual, RESERVE, at(0));
    window.give_back(7);
    assert_eq!(window, before);
}
