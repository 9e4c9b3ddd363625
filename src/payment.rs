//! What becomes of a visit that is paid through the marketplace (online-features guide, "Payments").
//!
//! After booking, the patient has a window of time to pay. Docplanner tells when a payment arrives, and cancels a
//! visit that is not paid; that nothing was told is what says that a visit is paid, so somebody has to look when
//! the window is over. Pure: what was told, what is known, and what the API says give the outcome.

use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::notification::{Booking, Fact, PaymentStatus};

/// What is known of the payment of a chain's visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// How it stands.
    pub state: PaymentState,
    /// Why; `None` while it is pending.
    pub basis: Option<Basis>,
    /// Until when the patient can pay, where the booking tells.
    pub due_at: Option<DateTime<Utc>>,
}

/// How a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentState {
    /// To be paid.
    Pending,
    /// The visit is paid.
    Paid,
    /// It was not paid, and will not take place.
    NotPaid,
    /// The patient got the money back.
    Refunded,
    /// The bank took the money back.
    ChargedBack,
}

/// What an outcome is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// `booking-payment-status-changed` said so.
    StatusEvent,
    /// The API said so when the window was over.
    ApiStatus,
    /// The window is over, and nobody canceled the visit.
    WindowElapsed,
    /// It was canceled before it was paid.
    BookingCanceled,
    /// The window is over, the API does not know the booking any more, and no notification told of a cancellation.
    Notifications,
}

/// The tenant's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long a patient has to pay.
    pub window: Duration,
    /// How much later somebody looks: the cancellation of an unpaid visit takes its time.
    pub grace: Duration,
}

/// What a notification does to the payment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// How it stands then; `None`: as before.
    pub payment: Option<Payment>,
    /// Outcomes to be published after the notification's own event, in this order.
    pub outcomes: Vec<(PaymentState, Basis)>,
    /// When to look; `None`: as before.
    pub look: Option<Look>,
}

/// What becomes of the timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Somebody has to look then.
    At(DateTime<Utc>),
    /// It is decided.
    Never,
    /// Then as before, but under the booking's new id.
    AtNewBooking,
}

/// What a look at the API gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is decided.
    Outcome(PaymentState, Basis),
    /// The payment is on its way: look again after a while.
    LookAgain,
}

/// How often somebody looks again while a payment is on its way. Then the rule of the guide holds: the window is
/// over, and the visit is not canceled.
pub const LOOKS_AGAIN: u32 = 3;

/// What a notification does to the payment that is known so far.
#[must_use]
pub fn told(fact: &Fact, known: Option<&Payment>, terms: Terms, now: DateTime<Utc>) -> Told {
    match fact {
        Fact::SlotBooked(booking) => begin(booking, known, terms, now),
        // A booking that nobody told of before, and that is moved, begins here.
        Fact::BookingMoved { old, new } if known.is_none() => {
            let booked_at = new.booked_at.or(old.booked_at);
            begin(&Booking { booked_at, ..new.clone() }, known, terms, now)
        }
        Fact::BookingMoved { .. } => {
            Told { look: is_pending(known).then_some(Look::AtNewBooking), ..Told::default() }
        }
        Fact::BookingCanceled(_) if is_pending(known) => {
            settle(known, &[(PaymentState::NotPaid, Basis::BookingCanceled)])
        }
        Fact::PaymentStatusChanged { change, .. } => status_changed(&change.to, known),
        // Nothing else that happens decides a payment.
        _ => Told::default(),
    }
}

fn begin(booking: &Booking, known: Option<&Payment>, terms: Terms, now: DateTime<Utc>) -> Told {
    // It may be settled already: the relay may tell of the payment before the booking.
    if booking.visit_payment != Some(true) || known.is_some() {
        return Told::default();
    }
    let due_at = booking.booked_at.map(|at| at.to_utc() + terms.window);
    let payment = Payment { state: PaymentState::Pending, basis: None, due_at };
    let look = Look::At(due_at.unwrap_or(now + terms.window) + terms.grace);
    Told { payment: Some(payment), outcomes: Vec::new(), look: Some(look) }
}

/// Paid and not paid exclude each other, whatever is told later; that the money went back may be told of both.
fn status_changed(to: &PaymentStatus, known: Option<&Payment>) -> Told {
    use PaymentState::{ChargedBack, Paid, Refunded};
    let undecided = known.is_none_or(|payment| payment.state == PaymentState::Pending);
    let status = |state| (state, Basis::StatusEvent);
    match to {
        PaymentStatus::Paid if undecided => settle(known, &[status(Paid)]),
        // What went back was paid before.
        PaymentStatus::Refunded if undecided => settle(known, &[status(Paid), status(Refunded)]),
        PaymentStatus::ChargedBack if undecided => {
            settle(known, &[status(Paid), status(ChargedBack)])
        }
        PaymentStatus::Refunded => settle(known, &[status(Refunded)]),
        PaymentStatus::ChargedBack => settle(known, &[status(ChargedBack)]),
        PaymentStatus::New
        | PaymentStatus::InProgress
        | PaymentStatus::WaitingForConfirmation
        | PaymentStatus::Paid
        | PaymentStatus::NotPaid
        | PaymentStatus::Failed
        | PaymentStatus::Canceled
        | PaymentStatus::Other(_) => Told::default(),
    }
}

/// The payment stands as its last outcome says.
fn settle(known: Option<&Payment>, outcomes: &[(PaymentState, Basis)]) -> Told {
    let payment = outcomes.last().map(|(state, basis)| Payment {
        state: *state,
        basis: Some(*basis),
        due_at: known.and_then(|payment| payment.due_at),
    });
    Told { payment, outcomes: outcomes.to_vec(), look: Some(Look::Never) }
}

fn is_pending(known: Option<&Payment>) -> bool {
    known.is_some_and(|payment| payment.state == PaymentState::Pending)
}

/// What a look at a pending payment gives, once the window and the grace are over. `booking` is what the API says;
/// `None`: it does not know the booking any more.
#[must_use]
pub fn due(booking: Option<(&Booking, Option<&PaymentStatus>)>, looked_before: u32) -> Due {
    let Some((booking, status)) = booking else {
        return Due::Outcome(PaymentState::Paid, Basis::Notifications);
    };
    if booking.is_canceled() {
        return Due::Outcome(PaymentState::NotPaid, Basis::ApiStatus);
    }
    match status.map(PaymentStatus::verdict) {
        Some(Verdict::Paid) => Due::Outcome(PaymentState::Paid, Basis::ApiStatus),
        Some(Verdict::NotPaid) => Due::Outcome(PaymentState::NotPaid, Basis::ApiStatus),
        Some(Verdict::OnItsWay) if looked_before < LOOKS_AGAIN => Due::LookAgain,
        Some(Verdict::OnItsWay) | None => Due::Outcome(PaymentState::Paid, Basis::WindowElapsed),
    }
}

/// What a status at the API means when the window is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The money arrived; it may have gone back since.
    Paid,
    /// It will not arrive.
    NotPaid,
    /// It may still arrive.
    OnItsWay,
}

impl PaymentStatus {
    /// What this status means once the window is over. A word that nobody knows decides nothing.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            PaymentStatus::Paid | PaymentStatus::Refunded | PaymentStatus::ChargedBack => {
                Verdict::Paid
            }
            PaymentStatus::NotPaid | PaymentStatus::Failed | PaymentStatus::Canceled => {
                Verdict::NotPaid
            }
            PaymentStatus::New
            | PaymentStatus::InProgress
            | PaymentStatus::WaitingForConfirmation
            | PaymentStatus::Other(_) => Verdict::OnItsWay,
        }
    }
}

impl PaymentState {
    /// Every state.
    pub const ALL: [PaymentState; 5] = [
        PaymentState::Pending,
        PaymentState::Paid,
        PaymentState::NotPaid,
        PaymentState::Refunded,
        PaymentState::ChargedBack,
    ];

    /// The word in events and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PaymentState::Pending => "pending",
            PaymentState::Paid => "paid",
            PaymentState::NotPaid => "not_paid",
            PaymentState::Refunded => "refunded",
            PaymentState::ChargedBack => "charged_back",
        }
    }

    /// The state of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl Basis {
    /// Every basis.
    pub const ALL: [Basis; 5] = [
        Basis::StatusEvent,
        Basis::ApiStatus,
        Basis::WindowElapsed,
        Basis::BookingCanceled,
        Basis::Notifications,
    ];

    /// The word in events and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Basis::StatusEvent => "status_event",
            Basis::ApiStatus => "api_status",
            Basis::WindowElapsed => "window_elapsed",
            Basis::BookingCanceled => "booking_canceled",
            Basis::Notifications => "notifications",
        }
    }

    /// The basis of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.as_str() == word)
    }
}

#[cfg(test)]
mod tests;
