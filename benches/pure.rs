//! What the pure steps cost, one by one and together, on notifications of the usual size: `make bench-pure`.
//!
//! `cargo test` runs each of them once, so that they do not rot.

#![expect(
    missing_docs,
    reason = "criterion_main! and criterion_group! write public functions without"
)]

use std::hint::black_box;

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use docplanner_worker::{
    event::Event,
    normalize::{AddressFacts, PartnerIds, TenantProfile, normalize},
    notification::{IdempotencyKey, Notification, Position},
    route::{Route, route},
};

/// The most frequent kind, and the largest one: a move tells two bookings.
const BODIES: [(&str, &[u8]); 2] = [
    (
        "slot-booked",
        include_bytes!("../tests/fixtures/notifications/slot-booked-with-payment-and-video.json"),
    ),
    (
        "booking-moved",
        include_bytes!("../tests/fixtures/notifications/booking-moved-with-payment-and-video.json"),
    ),
];

const TENANT: &str = "acme";

/// What the worker knows beside the notification.
struct Known {
    position: Position,
    facts: AddressFacts,
    partner: PartnerIds,
    profile: TenantProfile,
}

fn known() -> Known {
    let id = |id: &str| Some(id.to_owned());
    Known {
        position: Position { partition_key: "7100005".to_owned(), sequence: 1 },
        facts: AddressFacts {
            online_only: Some(true),
            visit_payment: Some(true),
            post_code: id("00-950"),
            city: id("Warszawa"),
            as_of: None,
        },
        partner: PartnerIds {
            facility: id("clinic-1"),
            doctor: id("D-7"),
            address: id("2"),
            service: id("31"),
            service_online: Some(true),
            previous_service: id("31"),
        },
        profile: TenantProfile {
            id: TENANT.to_owned(),
            domain: "znanylekarz.pl".to_owned(),
            ..TenantProfile::default()
        },
    }
}

// === the steps ===

fn decode(body: &[u8]) -> Notification {
    Notification::decode(body).expect("a fixture can be decoded")
}

/// All that a claim says of a notification: whether it is a duplicate, a conflict, and what it has to wait for.
fn identify(notification: &Notification) -> IdempotencyKey {
    let key = notification.key(TENANT);
    black_box((key.uuid(), notification.content(), notification.chain(TENANT, &key)));
    key
}

fn event(notification: &Notification, key: &IdempotencyKey, known: &Known) -> Event {
    let Known { position, facts, partner, profile } = known;
    normalize(notification, key, position, facts, partner, profile).expect("a fact")
}

fn decide_route(event: &Event, known: &Known) -> Route {
    route(event, &known.facts, &[])
}

fn encode(event: &Event) -> Vec<u8> {
    serde_json::to_vec(event).expect("an event can be encoded")
}

// === the measurements ===

fn pure(criterion: &mut Criterion) {
    let known = known();
    each(criterion, "decode", |body| move || decode(body));
    each(criterion, "key", |body| {
        let notification = decode(body);
        move || identify(&notification)
    });
    each(criterion, "normalize", |body| {
        let notification = decode(body);
        let (key, known) = (notification.key(TENANT), &known);
        move || event(&notification, &key, known)
    });
    each(criterion, "route", |body| {
        let notification = decode(body);
        let event = event(&notification, &notification.key(TENANT), &known);
        let known = &known;
        move || decide_route(&event, known)
    });
    each(criterion, "encode", |body| {
        let notification = decode(body);
        let event = event(&notification, &notification.key(TENANT), &known);
        move || encode(&event)
    });
    each(criterion, "all", |body| {
        let known = &known;
        move || {
            let notification = decode(body);
            let event = event(&notification, &identify(&notification), known);
            (decide_route(&event, known), encode(&event))
        }
    });
}

/// Measures one step on each body; `prepared` gives the step for a body, with all that comes before it done.
fn each<Step, Output>(
    criterion: &mut Criterion,
    name: &str,
    prepared: impl Fn(&'static [u8]) -> Step,
) where
    Step: FnMut() -> Output,
{
    let mut group: BenchmarkGroup<'_, WallTime> = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    for (kind, body) in BODIES {
        let mut step = prepared(black_box(body));
        group.bench_function(BenchmarkId::from_parameter(kind), |bencher| bencher.iter(&mut step));
    }
    group.finish();
}

criterion_group!(benches, pure);
criterion_main!(benches);
