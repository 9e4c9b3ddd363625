//! How payments go on after a booking.

use chrono::Duration;
use serde_json::json;

use super::Change;
use super::bodies;
use super::kind::{Kind, Mix};
use super::life::{Fact, Life, Payment, Settlement, Visit};
use crate::simulator::world::Booking;

/// How long Docplanner waits for a payment, by the guide page.
const PAYMENT_WINDOW_MINUTES: i64 = 90;

impl Life {
    /// A payment that is due now, as far as the mix has its kind.
    pub(super) fn settle_due_payment(&mut self, mix: &Mix) -> Option<Fact> {
        while let Some(visit) = self.take_due_visit() {
            let Payment::Pending(_, settlement) = visit.payment else { continue };
            match settlement {
                Settlement::Told if mix.has(Kind::BookingPaymentStatusChanged) => {
                    return Some(self.paid(visit));
                }
                Settlement::Failed if mix.has(Kind::BookingCanceled) => {
                    return Some(self.canceled_unpaid(visit));
                }
                Settlement::Told | Settlement::Silent | Settlement::Failed => {
                    let visit = settled(visit, "successful");
                    self.untold.push(Change::Booking(Box::new(visit.booking.clone())));
                    self.put_visit(visit);
                }
            }
        }
        None
    }
}

impl Life {
    pub(super) fn new_payment(&mut self, booking: &Booking) -> Payment {
        if booking.visit_payment != Some(true) {
            return Payment::None;
        }
        let within = Duration::minutes(self.random.signed_between(2, PAYMENT_WINDOW_MINUTES - 5));
        let after = Duration::minutes(PAYMENT_WINDOW_MINUTES)
            + Duration::seconds(self.random.signed_between(1, 90));
        match self.random.weighted([55.0, 25.0, 20.0].into_iter()) {
            Some(0) => Payment::Pending(self.clock + within, Settlement::Told),
            Some(1) => Payment::Pending(self.clock + within, Settlement::Silent),
            _ => Payment::Pending(self.clock + after, Settlement::Failed),
        }
    }

    fn canceled_unpaid(&mut self, visit: Visit) -> Fact {
        let mut visit = settled(visit, "failed");
        visit.booking = visit.booking.canceled("user", self.now());
        self.booking_fact(Kind::BookingCanceled, &visit, bodies::CHANGED, json!({}))
    }

    pub(super) fn payment_status_changed(&mut self) -> Fact {
        let is_paid = |visit: &Visit| visit.payment == Payment::Paid;
        let is_pending = |visit: &Visit| matches!(visit.payment, Payment::Pending(..));
        if let Some(visit) = self.take_visit(is_pending) {
            return self.paid(visit);
        }
        match self.take_visit(is_paid) {
            Some(visit) => self.paid_back(visit),
            None => self.slot_booked(true),
        }
    }

    fn paid(&mut self, visit: Visit) -> Fact {
        let visit = settled(visit, "successful");
        let from = if self.random.chance(0.2) { "waiting_for_confirmation" } else { "not-paid" };
        let fact = self.payment_fact(&visit, from, "paid");
        self.put_visit(visit);
        fact
    }

    fn paid_back(&mut self, visit: Visit) -> Fact {
        let to = if self.random.chance(0.8) { "refunded" } else { "charged_back" };
        let mut visit = settled(visit, to);
        visit.payment = Payment::None;
        let fact = self.payment_fact(&visit, "paid", to);
        self.put_visit(visit);
        fact
    }

    fn payment_fact(&mut self, visit: &Visit, from: &str, to: &str) -> Fact {
        let changed_at = self.now().to_rfc3339();
        let status = json!({ "status_from": from, "status_to": to, "changed_at": changed_at });
        let more = json!({ "visit_payment_status": status });
        self.booking_fact(Kind::BookingPaymentStatusChanged, visit, bodies::PAYMENT, more)
    }
}

fn settled(mut visit: Visit, status: &str) -> Visit {
    if visit.payment != Payment::None {
        visit.payment = Payment::Paid;
        visit.booking.visit_payment_status = Some(status.to_owned());
    }
    visit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_visit_with_a_payment_is_settled() {
        let start = "2026-05-01T10:00:00+02:00".parse().unwrap();
        let booking = Booking::new("1", "2", start);

        let visit = Visit { place: 0, booking, earlier: Vec::new(), payment: Payment::None };
        let visit = settled(visit, "successful");

        assert_eq!(visit.payment, Payment::None);
        assert_eq!(visit.booking.visit_payment_status, None);
    }
}
