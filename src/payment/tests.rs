//! The table of outcomes, row by row.

use serde_json::{Value, json};

use super::*;
use crate::notification::Notification;

const TERMS: Terms = Terms { window: Duration::from_mins(90), grace: Duration::from_mins(5) };

fn at(minute: u32) -> DateTime<Utc> {
    format!("2024-03-04T{:02}:{:02}:00Z", 10 + minute / 60, minute % 60).parse().unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "json!(…) reads best in place")]
fn fact(name: &str, data: Value) -> Fact {
    let mut all = json!({
        "facility": { "id": "1" }, "doctor": { "id": "2" }, "address": { "id": "3" },
    });
    all.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    let body = json!({ "name": name, "data": all, "created_at": at(0) });
    Notification::decode(body.to_string().as_bytes()).unwrap().fact
}

fn booked(visit_payment: bool) -> Fact {
    let booking = json!({ "id": "77", "visit_payment": visit_payment, "booked_at": at(0) });
    fact("slot-booked", json!({ "visit_booking": booking }))
}

fn canceled() -> Fact {
    fact("booking-canceled", json!({ "visit_booking": { "id": "77", "visit_payment": true } }))
}

fn moved() -> Fact {
    let old = json!({ "id": "77", "visit_payment": true, "booked_at": at(0) });
    let new = json!({ "id": "78", "visit_payment": true });
    fact("booking-moved", json!({ "old_visit_booking": old, "new_visit_booking": new }))
}

fn status(to: &str) -> Fact {
    let data =
        json!({ "visit_booking": { "id": "77" }, "visit_payment_status": { "status_to": to } });
    fact("booking-payment-status-changed", data)
}

/// What a notification does, in words: the state and its basis, the outcomes published, when to look.
fn told_in_words(fact: &Fact, known: Option<PaymentState>) -> String {
    let known = known.map(|state| Payment { state, basis: None, due_at: Some(at(90)) });
    let told = told(fact, known.as_ref(), TERMS, at(1));
    let state = told.payment.map_or("-", |payment| payment.state.as_str());
    let words =
        |(state, basis): &(PaymentState, Basis)| format!("{} {}", state.as_str(), basis.as_str());
    let outcomes: Vec<_> = told.outcomes.iter().map(words).collect();
    let look = match told.look {
        None => "-".to_owned(),
        Some(Look::Never) => "never".to_owned(),
        Some(Look::AtNewBooking) => "new booking".to_owned(),
        Some(Look::At(when)) => format!("{} min", (when - at(0)).num_minutes()),
    };
    format!("{state} | {} | {look}", outcomes.join(", "))
}

#[test]
fn what_a_notification_does_by_what_is_known() {
    use PaymentState::{ChargedBack, NotPaid, Paid, Pending, Refunded};
    let nothing = "- |  | -";
    for (fact, known, expected) in vec![
        // A booking begins once, and only where somebody has to pay.
        (booked(true), None, "pending |  | 95 min"),
        (booked(false), None, nothing),
        (booked(true), Some(Pending), nothing),
        (booked(true), Some(Paid), nothing),
        // A move carries the payment over, or begins it.
        (moved(), Some(Pending), "- |  | new booking"),
        (moved(), Some(Paid), nothing),
        (moved(), None, "pending |  | 95 min"),
        // A cancellation decides what is pending.
        (canceled(), Some(Pending), "not_paid | not_paid booking_canceled | never"),
        (canceled(), Some(Paid), nothing),
        (canceled(), Some(NotPaid), nothing),
        (canceled(), None, nothing),
        // So does the status, once.
        (status("paid"), Some(Pending), "paid | paid status_event | never"),
        (status("successful"), None, "paid | paid status_event | never"),
        (status("paid"), Some(Paid), nothing),
        (status("paid"), Some(NotPaid), nothing),
        (status("not-paid"), Some(Pending), nothing),
        (status("waiting_for_confirmation"), Some(Pending), nothing),
        (status("half_paid"), Some(Pending), nothing),
        // Money that goes back was paid.
        (status("refunded"), Some(Paid), "refunded | refunded status_event | never"),
        (
            status("refunded"),
            Some(Pending),
            "refunded | paid status_event, refunded status_event | never",
        ),
        (status("charged-back"), Some(Paid), "charged_back | charged_back status_event | never"),
        (
            status("charged_back"),
            None,
            "charged_back | paid status_event, charged_back status_event | never",
        ),
        (
            status("charged_back"),
            Some(Refunded),
            "charged_back | charged_back status_event | never",
        ),
        (canceled(), Some(ChargedBack), nothing),
        // What happens otherwise to a booking decides nothing.
        (
            fact("booking-confirmed", json!({ "visit_booking": { "id": "77" } })),
            Some(Pending),
            nothing,
        ),
    ] {
        assert_eq!(told_in_words(&fact, known), expected, "{:?} when {known:?}", fact.kind());
    }
}

#[test]
fn a_booking_that_does_not_tell_when_it_was_made_is_due_one_window_from_now() {
    let booking = json!({ "id": "77", "visit_payment": true });
    let booked = fact("slot-booked", json!({ "visit_booking": booking }));
    assert_eq!(told_in_words(&booked, None), "pending |  | 96 min");
}

#[test]
fn what_a_look_at_the_api_gives() {
    let booked = |status: &str| {
        let booking = json!({ "visit_booking": { "id": "77", "status": status } });
        match fact("slot-booked", booking) {
            Fact::SlotBooked(booking) => booking,
            other => panic!("{other:?}"),
        }
    };
    let look = |booking: &str, status: Option<&str>, looked_before| {
        let status = status.map(PaymentStatus::from);
        match due(Some((&booked(booking), status.as_ref())), looked_before) {
            Due::Outcome(state, basis) => format!("{} {}", state.as_str(), basis.as_str()),
            Due::LookAgain => "look again".to_owned(),
        }
    };
    for word in ["successful", "paid", "refunded", "charged_back"] {
        assert_eq!(look("booked", Some(word), 0), "paid api_status", "{word}");
    }
    for word in ["failed", "canceled", "cancelled", "not-paid", "not_paid"] {
        assert_eq!(look("booked", Some(word), 0), "not_paid api_status", "{word}");
    }
    for word in ["new", "in_progress", "waiting_for_confirmation", "something_else"] {
        assert_eq!(look("booked", Some(word), 0), "look again", "{word}");
        assert_eq!(look("booked", Some(word), LOOKS_AGAIN), "paid window_elapsed", "{word}");
    }
    assert_eq!(look("booked", None, 0), "paid window_elapsed");
    for word in ["canceled", "CANCELLED", "deleted"] {
        assert_eq!(look(word, Some("paid"), 0), "not_paid api_status", "{word}");
    }
    assert_eq!(due(None, 0), Due::Outcome(PaymentState::Paid, Basis::Notifications));
}
