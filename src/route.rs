//! Where an event goes: the routing key that the partner's queues are bound by.

use crate::{
    event::{Event, Modality, PaymentClass},
    normalize::AddressFacts,
};

/// `{tenant}.{online|onsite|unknown}.{payment|no_payment|unknown}.{entity}.{action}`, so that a
/// queue can be bound to one tenant, one calendar, one way of payment or one kind of event.
#[must_use]
pub fn routing_key(event: &Event, facts: &AddressFacts) -> String {
    let modality = match event.data.modality {
        Modality::Online => "online",
        Modality::Onsite => "onsite",
        Modality::Unknown => "unknown",
    };
    let payment = match PaymentClass::from(facts.visit_payment) {
        PaymentClass::Payment => "payment",
        PaymentClass::NoPayment => "no_payment",
        PaymentClass::Unknown => "unknown",
    };
    format!("{}.{modality}.{payment}.{}", event.tenant, event.kind.name())
}

/// The partner's queue that the default bindings put an event into.
#[must_use]
pub fn default_queue(facts: &AddressFacts) -> &'static str {
    match (Modality::from(facts.online_only), PaymentClass::from(facts.visit_payment)) {
        (Modality::Onsite, PaymentClass::NoPayment) => "partner.onsite",
        (Modality::Onsite, PaymentClass::Payment) => "partner.onsite.payment",
        (Modality::Online, PaymentClass::NoPayment) => "partner.online",
        (Modality::Online, PaymentClass::Payment) => "partner.online.payment",
        (Modality::Unknown, _) | (_, PaymentClass::Unknown) => "partner.unclassified",
    }
}
