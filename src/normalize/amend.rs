//! What an event is told beside its notification, and the events that follow from it.

use chrono::{Offset, Utc};

use super::PATIENT_ACCESS_BEFORE_START;
use crate::{
    event::{Event, EventKind},
    notification::IdempotencyKey,
    payment::{Payment, PaymentState},
    private::Private,
};

impl Event {
    /// Tells how the payment of its booking stands.
    pub(crate) fn tell_payment(&mut self, payment: &Payment) {
        let Some(told) = &mut self.data.payment else { return };
        told.required = true;
        told.status = Some(payment.state.as_str().to_owned());
        told.basis = payment.basis;
        if let Some(due_at) = payment.due_at {
            let booking = self.data.booking.as_ref();
            let local = booking.and_then(|booking| booking.booked_at.or(booking.start_at));
            let offset = local.map_or(Utc.fix(), |moment| *moment.offset());
            told.due_at = Some(due_at.with_timezone(&offset));
        }
    }

    /// Tells where the video call of its booking is.
    pub(crate) fn tell_call(&mut self, url: &Private<String>) {
        let start_at = self.data.booking.as_ref().and_then(|booking| booking.start_at);
        if let Some(call) = &mut self.data.video_call {
            call.url = Some(url.clone());
            call.patient_access_from = start_at.map(|at| at - PATIENT_ACCESS_BEFORE_START);
        }
    }

    /// Another event about the same booking, which follows from this one.
    pub(crate) fn and_so(&self, kind: EventKind, key: &IdempotencyKey, sequence: u32) -> Event {
        let mut event = self.clone();
        event.kind = kind;
        event.id = key.derive(&kind.event_type());
        event.event_type = kind.event_type();
        event.dataschema = kind.dataschema();
        event.sequence = format!("{sequence:010}");
        event.data.previous_booking = None;
        event.data.presence = None;
        event.data.payment_change = None;
        event
    }
}

impl EventKind {
    /// The event that tells how a payment ended.
    pub(crate) fn of_outcome(state: PaymentState) -> Self {
        match state {
            PaymentState::Paid => EventKind::PaymentPaid,
            // Pending is no outcome; nobody asks.
            PaymentState::Pending | PaymentState::NotPaid => EventKind::PaymentNotPaid,
            PaymentState::Refunded => EventKind::PaymentRefunded,
            PaymentState::ChargedBack => EventKind::PaymentChargedBack,
        }
    }
}
