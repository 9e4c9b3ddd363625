//! What a notification becomes: events in their order, and what is to be remembered. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    effects::{Effects, NewTimer, Purpose, TimerKind},
    event::{Event, EventKind},
    normalize::{AddressFacts, PartnerIds, TenantProfile, normalize},
    notification::{Booking, Fact, IdempotencyKey, Notification, Place, Position, Visit},
    payment::{self, Basis, Look, Payment, PaymentState, Told},
    private::Private,
    video,
};

/// What was found out for one notification.
#[derive(Debug)]
pub struct Known {
    /// About the address.
    pub facts: AddressFacts,
    /// The partner's own identifiers.
    pub partner: PartnerIds,
    /// How the chain's payment stands.
    pub payment: Option<Payment>,
    /// The last sequence that was given in the chain.
    pub last_sequence: u32,
    /// Whether there is a video call.
    pub call: Call,
}

/// Whether a booking has a video call, beside what the notification says.
#[derive(Debug, Default)]
pub enum Call {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// The API says where it is, or that there is none.
    Asked(Option<Private<String>>),
    /// The API did not tell.
    Failed,
}

/// What a notification becomes.
#[derive(Debug, Default)]
pub struct Decision {
    /// To be published in this order; the first is the notification's own.
    pub events: Vec<Event>,
    /// To be remembered with the completion.
    pub effects: Effects,
}

/// Decides. `None` for a question, which states no fact.
#[must_use]
pub fn decide(
    notification: &Notification,
    key: &IdempotencyKey,
    position: &Position,
    known: &Known,
    tenant: &TenantProfile,
    now: DateTime<Utc>,
) -> Option<Decision> {
    let Known { facts, partner, .. } = known;
    let mut event = normalize(notification, key, position, facts, partner, tenant)?;
    let told = payment::told(&notification.fact, known.payment.as_ref(), tenant.payment, now);
    if !matches!(notification.fact, Fact::PaymentStatusChanged { .. })
        && let Some(payment) = known.payment.as_ref().or(told.payment.as_ref())
    {
        event.tell_payment(payment);
    }
    if let Call::Asked(Some(url)) = &known.call {
        event.tell_call(url);
    }
    let effects = effects(notification, key, &event, known, &told, tenant, now);
    let sequences = known.last_sequence.max(position.sequence) + 1..;
    let outcomes = told.outcomes.iter().zip(sequences);
    let outcomes: Vec<_> = outcomes
        .map(|((state, basis), sequence)| outcome(&event, key, *state, *basis, &told, sequence))
        .collect();
    Some(Decision { events: std::iter::once(event).chain(outcomes).collect(), effects })
}

/// The event that tells how a payment ended, made from another event of the same booking.
fn outcome(
    event: &Event,
    key: &IdempotencyKey,
    state: PaymentState,
    basis: Basis,
    told: &Told,
    sequence: u32,
) -> Event {
    let due_at = told.payment.as_ref().and_then(|payment| payment.due_at);
    let mut outcome = event.and_so(EventKind::of_outcome(state), key, sequence);
    outcome.tell_payment(&Payment { state, basis: Some(basis), due_at });
    outcome
}

fn effects(
    notification: &Notification,
    key: &IdempotencyKey,
    event: &Event,
    known: &Known,
    told: &Told,
    tenant: &TenantProfile,
    now: DateTime<Utc>,
) -> Effects {
    let mut effects = Effects { payment: told.payment.clone(), ..Effects::default() };
    let visit = |booking: &Booking| visit(&notification.place, booking);
    let timer = |nth: &str, due_at, booking: &Booking, purpose| {
        visit(booking).map(|visit| NewTimer {
            id: key.derive(nth),
            tenant: tenant.id.clone(),
            due_at,
            visit,
            purpose,
        })
    };
    match (told.look, notification.fact.booking()) {
        (Some(Look::At(due_at)), Some(booking)) => {
            let purpose = Purpose::Payment { looks: 0, decided: None };
            effects.set.extend(timer("payment", due_at, booking, purpose));
        }
        (Some(Look::AtNewBooking), Some(booking)) => effects.rebook = visit(booking),
        (Some(Look::Never), _) => effects.cancel.push(TimerKind::Payment),
        (Some(_), None) | (None, _) => {}
    }
    if tenant.reminders.is_empty() {
        return effects;
    }
    match &notification.fact {
        Fact::BookingCanceled(_) => effects.cancel.push(TimerKind::Reminder),
        Fact::SlotBooked(booking) | Fact::BookingMoved { new: booking, .. } => {
            effects.cancel.push(TimerKind::Reminder);
            let has_call = event.data.video_call.as_ref().is_some_and(|call| call.url.is_some());
            let may_have_call = has_call || matches!(known.call, Call::Failed);
            if let Some(start_at) = booking.start_at.filter(|_| may_have_call) {
                for (due_at, reminder) in
                    video::reminders(start_at, &tenant.reminders, has_call, now)
                {
                    let nth = format!("reminder {}", reminder.before_seconds);
                    effects.set.extend(timer(&nth, due_at, booking, Purpose::Reminder(reminder)));
                }
            }
        }
        _ => {}
    }
    effects
}

/// Where a booking is found, if the notification says all of it.
fn visit(place: &Place, booking: &Booking) -> Option<Visit> {
    Some(Visit {
        facility_id: place.facility.id.clone()?,
        doctor_id: place.doctor.id.clone()?,
        address_id: place.address.id.clone()?,
        booking_id: booking.id.clone(),
    })
}

/// Where the booking of a notification is found.
#[must_use]
pub fn visit_of(notification: &Notification) -> Option<Visit> {
    visit(&notification.place, notification.fact.booking()?)
}

/// Whether it is worth asking for a video call's address: an online visit begins, and the notification names none.
#[must_use]
pub fn asks_for_call(fact: &Fact, facts: &AddressFacts, tenant: &TenantProfile) -> bool {
    let missing = match fact {
        Fact::SlotBooked(booking) => booking.videocall_url.is_none(),
        Fact::BookingMoved { old, new } => {
            new.videocall_url.is_none() && old.videocall_url.is_none()
        }
        _ => false,
    };
    missing && facts.online_only == Some(true) && tenant.fetch_missing_url
}

/// How long a delivery waits for the address of a video call, at most: its event can do without.
pub const CALL_WAITS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
