//! Where an event goes: by the tenant's own rules, else by the routing key that the partner's queues are bound by.

use crate::{
    event::{Event, EventKind, Modality, PaymentClass},
    normalize::AddressFacts,
};

/// Where an event goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To the events' exchange, for the queues that are bound there.
    Default {
        /// See [`routing_key`].
        routing_key: String,
    },
    /// Where the first rule of the tenant's says that matches.
    Rule {
        /// Which one, from 0.
        number: usize,
        /// What it says.
        target: Target,
    },
}

/// A rule of a tenant's: events for which the conditions hold go to the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// All of them have to hold.
    pub conditions: Conditions,
    /// Where to.
    pub target: Target,
}

/// Where a rule sends events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Into this queue.
    Queue(String),
    /// To an exchange of somebody else's.
    Exchange {
        /// Its name.
        name: String,
        /// With this routing key.
        routing_key: String,
    },
    /// Nowhere.
    Drop,
}

/// What a rule asks of an event. What is `None` is not asked; a flag that is not known is neither `true` nor `false`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The address's `is_online_only`.
    pub online_only: Option<bool>,
    /// The address's `visit_payment`.
    pub visit_payment: Option<bool>,
    /// How the visit takes place, which the mapping of its service may decide.
    pub modality: Option<Modality>,
    /// Which kinds of event.
    pub events: Option<Vec<EventKind>>,
}

/// The first rule that matches decides; without one, the default routing.
#[must_use]
pub fn route(event: &Event, facts: &AddressFacts, rules: &[Rule]) -> Route {
    match rules.iter().position(|rule| rule.conditions.hold(event, facts)) {
        Some(number) => Route::Rule { number, target: rules[number].target.clone() },
        None => Route::Default { routing_key: routing_key(event, facts) },
    }
}

/// The kinds of event that a pattern names: `*`, `booking.*` or `booking.created`. None, if it is no pattern.
#[must_use]
pub fn kinds_of(pattern: &str) -> Vec<EventKind> {
    let entity =
        pattern.strip_suffix('*').filter(|entity| entity.is_empty() || entity.ends_with('.'));
    let is_meant = |kind: &EventKind| match entity {
        Some(entity) => kind.name().starts_with(entity),
        None => kind.name() == pattern,
    };
    EventKind::ALL.into_iter().filter(is_meant).collect()
}

impl Route {
    /// Whether the event is published at all.
    #[must_use]
    pub fn is_drop(&self) -> bool {
        matches!(self, Route::Rule { target: Target::Drop, .. })
    }
}

impl Conditions {
    fn hold(&self, event: &Event, facts: &AddressFacts) -> bool {
        let is = |wanted: Option<bool>, flag| wanted.is_none() || wanted == flag;
        is(self.online_only, facts.online_only)
            && is(self.visit_payment, facts.visit_payment)
            && self.modality.is_none_or(|modality| modality == event.data.modality)
            && self.events.as_ref().is_none_or(|kinds| kinds.contains(&event.kind))
    }

    /// Whether these hold wherever the others do, so that a rule with the others after one with these is never
    /// reached.
    #[must_use]
    pub fn cover(&self, others: &Self) -> bool {
        fn is<T: Copy + PartialEq>(wanted: Option<T>, other: Option<T>) -> bool {
            wanted.is_none() || wanted == other
        }
        let kinds =
            |conditions: &Self| conditions.events.clone().unwrap_or(EventKind::ALL.to_vec());
        let mine = kinds(self);
        is(self.online_only, others.online_only)
            && is(self.visit_payment, others.visit_payment)
            && is(self.modality, others.modality)
            && kinds(others).iter().all(|kind| mine.contains(kind))
    }
}

/// `{tenant}.{online|onsite|unknown}.{payment|no_payment|unknown}.{entity}.{action}`, so that a
/// queue can be bound to one tenant, one calendar, one way of payment or one kind of event.
#[must_use]
pub fn routing_key(event: &Event, facts: &AddressFacts) -> String {
    let modality = event.data.modality.as_str();
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
mod tests;
