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
pub fn default_queue(event: &Event, facts: &AddressFacts) -> &'static str {
    match (event.data.modality, PaymentClass::from(facts.visit_payment)) {
        (Modality::Onsite, PaymentClass::NoPayment) => "partner.onsite",
        (Modality::Onsite, PaymentClass::Payment) => "partner.onsite.payment",
        (Modality::Online, PaymentClass::NoPayment) => "partner.online",
        (Modality::Online, PaymentClass::Payment) => "partner.online.payment",
        (Modality::Unknown, _) | (_, PaymentClass::Unknown) => "partner.unclassified",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        normalize::{PartnerIds, TenantProfile, normalize},
        notification::{Notification, Position},
    };

    /// What is known of the address, the two words of the routing key, and the queue.
    const ROUTES: [(Option<bool>, Option<bool>, &str, &str); 9] = [
        (Some(false), Some(false), "onsite.no_payment", "partner.onsite"),
        (Some(false), Some(true), "onsite.payment", "partner.onsite.payment"),
        (Some(true), Some(false), "online.no_payment", "partner.online"),
        (Some(true), Some(true), "online.payment", "partner.online.payment"),
        (None, Some(false), "unknown.no_payment", "partner.unclassified"),
        (None, Some(true), "unknown.payment", "partner.unclassified"),
        (Some(false), None, "onsite.unknown", "partner.unclassified"),
        (Some(true), None, "online.unknown", "partner.unclassified"),
        (None, None, "unknown.unknown", "partner.unclassified"),
    ];

    #[test]
    fn an_event_is_routed_by_tenant_flags_and_kind() {
        let body = br#"{"name": "break-removed", "data": {"facility": {"id": 1},
            "doctor": {"id": 2}, "address": {"id": 3}, "break": {"id": 4}}}"#;
        let notification = Notification::decode(body).unwrap();
        let tenant = TenantProfile {
            id: "acme".into(),
            domain: "znanylekarz.pl".into(),
            ..TenantProfile::default()
        };
        let partner = PartnerIds::default();
        for (online_only, visit_payment, words, queue) in ROUTES {
            let facts = AddressFacts { online_only, visit_payment, ..AddressFacts::default() };
            let key = notification.key("acme");
            let position = Position { partition_key: "77".into(), sequence: 1 };
            let event = normalize(&notification, &key, &position, &facts, &partner, &tenant);
            let event = event.unwrap();
            let key = routing_key(&event, &facts);
            assert_eq!(key, format!("acme.{words}.break.removed"));
            assert_eq!(default_queue(&event, &facts), queue, "{key}");
        }
    }
}
