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

fn facts(online_only: Option<bool>, visit_payment: Option<bool>) -> AddressFacts {
    AddressFacts { online_only, visit_payment, ..AddressFacts::default() }
}

/// A removed break at an address of which this is known.
fn break_removed(facts: &AddressFacts) -> Event {
    let body = br#"{"name": "break-removed", "data": {"facility": {"id": 1},
        "doctor": {"id": 2}, "address": {"id": 3}, "break": {"id": 4}}}"#;
    let notification = Notification::decode(body).unwrap();
    let tenant = TenantProfile {
        id: "acme".into(),
        domain: "znanylekarz.pl".into(),
        ..TenantProfile::default()
    };
    let key = notification.key("acme");
    let position = Position { partition_key: "77".into(), sequence: 1 };
    normalize(&notification, &key, &position, facts, &PartnerIds::default(), &tenant).unwrap()
}

#[test]
fn an_event_is_routed_by_tenant_flags_and_kind() {
    for (online_only, visit_payment, words, queue) in ROUTES {
        let facts = facts(online_only, visit_payment);
        let event = break_removed(&facts);
        let routing_key = format!("acme.{words}.break.removed");
        assert_eq!(default_queue(&event, &facts), queue, "{routing_key}");
        assert_eq!(route(&event, &facts, &[]), Route::Default { routing_key });
    }
}

fn events(pattern: &str) -> Conditions {
    Conditions { events: Some(kinds_of(pattern)), ..Conditions::default() }
}

fn rule(conditions: Conditions, queue: &str) -> Rule {
    Rule { conditions, target: Target::Queue(queue.into()) }
}

#[test]
fn all_conditions_have_to_hold_and_an_unknown_flag_is_neither_true_nor_false() {
    let online_only = |online_only| Conditions { online_only, ..Conditions::default() };
    let visit_payment = |visit_payment| Conditions { visit_payment, ..Conditions::default() };
    let modality = |modality| Conditions { modality: Some(modality), ..Conditions::default() };
    let (yes, no) = (Some(true), Some(false));
    let two = Conditions { visit_payment: no, ..online_only(yes) };
    for (conditions, online, payment, hold) in [
        (Conditions::default(), None, None, true),
        (online_only(yes), yes, None, true),
        (online_only(yes), no, None, false),
        (online_only(yes), None, yes, false),
        (online_only(no), None, None, false),
        (visit_payment(no), yes, no, true),
        (visit_payment(no), yes, None, false),
        (two.clone(), yes, no, true),
        (two.clone(), yes, yes, false),
        (two, no, no, false),
        (modality(Modality::Onsite), no, None, true),
        (modality(Modality::Unknown), None, None, true),
        (modality(Modality::Online), no, None, false),
        (events("break.*"), None, None, true),
        (events("break.removed"), None, None, true),
        (events("break.created"), None, None, false),
        (events("*"), None, None, true),
    ] {
        let facts = facts(online, payment);
        let told = format!("{conditions:?} of {online:?}, {payment:?}");
        assert_eq!(conditions.hold(&break_removed(&facts), &facts), hold, "{told}");
    }
}

#[test]
fn modality_is_the_events_and_online_only_is_the_addresss() {
    let facts = facts(Some(false), None);
    let mut event = break_removed(&facts);
    event.data.modality = Modality::Online;
    let modality = Some(Modality::Online);
    assert!(Conditions { modality, ..Conditions::default() }.hold(&event, &facts));
    let online_only = Some(true);
    assert!(!Conditions { online_only, ..Conditions::default() }.hold(&event, &facts));
}

#[test]
fn the_first_rule_that_matches_decides() {
    let facts = facts(Some(true), Some(true));
    let rules = [
        rule(events("booking.*"), "bookings"),
        rule(events("break.*"), "breaks"),
        Rule { conditions: Conditions::default(), target: Target::Drop },
    ];
    let target = Target::Queue("breaks".into());
    assert_eq!(route(&break_removed(&facts), &facts, &rules), Route::Rule { number: 1, target });
    let dropped = route(&break_removed(&facts), &facts, &rules[2..]);
    assert!(dropped.is_drop(), "{dropped:?}");
}

#[test]
fn a_pattern_names_all_events_those_of_an_entity_or_one() {
    let count = |pattern| kinds_of(pattern).len();
    assert_eq!(count("*"), EventKind::ALL.len());
    assert_eq!(kinds_of("payment.paid"), [EventKind::PaymentPaid]);
    assert_eq!((count("break.*"), count("address.*"), count("address_service.*")), (3, 3, 3));
    for none in ["", "book*", "booking", "booking.", "*.created", "payment.*.*", "**"] {
        assert_eq!(count(none), 0, "{none}");
    }
}

#[test]
fn a_rule_covers_another_if_it_asks_for_nothing_more() {
    let online = |pattern| Conditions { online_only: Some(true), ..events(pattern) };
    for (first, second, covers) in [
        (Conditions::default(), online("*"), true),
        (events("*"), Conditions::default(), true),
        (events("booking.*"), online("booking.created"), true),
        (online("booking.*"), events("booking.created"), false),
        (events("booking.created"), events("booking.*"), false),
        (online("*"), online("*"), true),
    ] {
        assert_eq!(first.cover(&second), covers, "{first:?} and {second:?}");
    }
}
