//! What the stream of notifications is like.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::simulator::notifications::{Mix, one_of_each};
use crate::simulator::world::{BookingStatus, Country, WorldOptions};

fn generate(seed: u64, count: usize, options: GeneratorOptions) -> Vec<Generated> {
    let options = GeneratorOptions { count: Some(count), ..options };
    Generator::new(seed, &World::default(), options).collect()
}

fn rough() -> GeneratorOptions {
    GeneratorOptions {
        duplicates: 0.1,
        reorder: 0.1,
        malformed: 0.05,
        one_of_each: true,
        ..GeneratorOptions::default()
    }
}

fn json(notification: &Generated) -> Value {
    serde_json::from_str(&notification.body).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bodies = |seed| -> Vec<String> {
        generate(seed, 1000, rough()).into_iter().map(|it| it.body).collect()
    };

    assert_eq!(bodies(3), bodies(3));
    assert_ne!(bodies(3), bodies(4));
}

#[test]
fn each_kind_comes_at_least_once_even_in_a_small_world() {
    for world in [World::sample(), World::default()] {
        let told = one_of_each(1, &world, GeneratorOptions::default().start);
        let kinds: BTreeSet<_> = told.iter().map(|it| it.kind).collect();

        assert_eq!(kinds.len(), 17);
        assert!(told.len() < 22, "{}", told.len());
    }
    assert!(one_of_each(1, &World::empty(), GeneratorOptions::default().start).is_empty());
}

#[test]
fn the_realistic_mix_is_mostly_bookings_of_a_kilobyte() {
    let told = generate(1, 5000, GeneratorOptions::default());
    let share = |kind| {
        let count = told.iter().filter(|it| it.kind == kind).count();
        count * 100 / told.len()
    };

    assert!((40..60).contains(&share(Kind::SlotBooked)), "{}", share(Kind::SlotBooked));
    assert!((10..25).contains(&share(Kind::BookingCanceled)));
    assert!((4..12).contains(&share(Kind::BookingMoved)));
    assert!(share(Kind::BookingPaymentStatusChanged) >= 3);
    assert!(share(Kind::SlotBooking) <= 3);
    let bodies = told.iter().filter(|it| it.kind == Kind::SlotBooked).map(|it| it.body.len());
    let sizes: Vec<usize> = bodies.collect();
    let average = sizes.iter().sum::<usize>() / sizes.len();
    assert!((1000..2000).contains(&average), "{average}");
}

#[test]
fn a_mix_of_one_kind_makes_only_what_that_kind_needs() {
    let mix = Mix::none().with(Kind::BookingConfirmed, 1.0);
    let told = generate(1, 500, GeneratorOptions { mix, ..GeneratorOptions::default() });
    let kinds: BTreeSet<_> = told.iter().map(|it| it.kind).collect();

    assert_eq!(kinds, BTreeSet::from([Kind::SlotBooked, Kind::BookingConfirmed]));
}

#[test]
fn every_fact_about_a_booking_follows_from_an_earlier_one() {
    let mut open = BTreeSet::new();
    for it in generate(1, 5000, GeneratorOptions::default()) {
        let booking = it.ids.booking.clone();
        match it.kind {
            Kind::SlotBooked => assert!(open.insert(booking.unwrap())),
            Kind::BookingMoved => {
                assert!(open.remove(&it.ids.previous_booking.unwrap()));
                assert!(open.insert(booking.unwrap()));
            }
            Kind::BookingCanceled => assert!(open.remove(&booking.unwrap())),
            Kind::BookingConfirmed | Kind::PresenceMarked | Kind::BookingPaymentStatusChanged => {
                assert!(open.contains(&booking.unwrap()));
            }
            _ => {}
        }
    }
}

#[test]
fn a_duplicate_tells_the_same_fact_as_an_earlier_notification() {
    let told = generate(1, 5000, GeneratorOptions { reorder: 0.1, ..rough() });
    let duplicates: Vec<_> = told.iter().filter(|it| it.duplicate_of.is_some()).collect();

    assert!((400..600).contains(&duplicates.len()), "{}", duplicates.len());
    for it in &duplicates {
        let original = &told[it.duplicate_of.unwrap()];
        assert!(original.index < it.index);
        assert!(original.duplicate_of.is_none() && original.defect.is_none());
        assert_eq!((it.kind, &it.ids), (original.kind, &original.ids));
        if it.kind.is_told_apart_by_created_at() {
            assert_eq!(json(it)["created_at"], json(original)["created_at"]);
        }
    }
    let same_bytes = duplicates.iter().filter(|it| it.body == told[it.duplicate_of.unwrap()].body);
    let same_bytes = same_bytes.count();
    assert!((150..400).contains(&same_bytes), "{same_bytes}");
    assert!(duplicates.iter().any(|it| it.name == "booking-cancelled"));
}

#[test]
fn late_notifications_change_places_and_none_is_lost() {
    let in_order = generate(1, 2000, GeneratorOptions::default());
    let options = GeneratorOptions { reorder: 0.1, ..GeneratorOptions::default() };
    let mut reordered = Generator::new(1, &World::default(), options);
    let shuffled: Vec<_> = reordered.by_ref().take(2000).collect();

    let place_of: BTreeMap<_, _> = shuffled.iter().map(|it| (it.body.clone(), it.index)).collect();
    let moved = in_order.iter().filter(|it| place_of.get(&it.body) != Some(&it.index));
    assert!(moved.count() > 200);
    let lost = in_order[..1950].iter().filter(|it| !place_of.contains_key(&it.body));
    assert_eq!(lost.count(), 0);
    assert_eq!(generate(1, 100, GeneratorOptions { reorder: 1.0, ..rough() }).len(), 100);
}

#[test]
fn bad_input_is_marked_and_everything_else_is_json() {
    let told = generate(1, 3000, rough());
    let defects: BTreeSet<_> = told.iter().filter_map(|it| it.defect).collect();

    assert_eq!(defects.len(), Defect::ALL.len());
    for it in told.iter().filter(|it| it.defect.is_none()) {
        assert_eq!(json(it)["name"], it.name.as_str());
    }
    assert!(generate(1, 500, GeneratorOptions::default()).iter().all(|it| it.defect.is_none()));
}

#[test]
fn the_world_follows_when_notifications_are_applied() {
    let mut world = World::default();
    for it in Generator::new(1, &world.clone(), GeneratorOptions::default()).take(3000) {
        it.apply_to(&mut world);
        let status = it.ids.booking.and_then(|id| world.booking(&id).map(|it| it.status));
        match it.kind {
            Kind::BookingCanceled => assert_eq!(status, Some(BookingStatus::Canceled)),
            Kind::SlotBooked | Kind::BookingMoved => {
                assert_eq!(status, Some(BookingStatus::Booked));
            }
            Kind::AddressUnassigned => assert_eq!(world.address(&it.ids.address), None),
            Kind::AddressAssigned => assert!(world.address(&it.ids.address).is_some()),
            _ => {}
        }
    }
}

/// What a worker is told and what it is answered when it asks.
#[test]
fn the_world_has_the_payments_and_video_calls_that_are_told() {
    let mut world = World::default();
    let mut met = BTreeSet::new();
    for it in Generator::new(1, &world.clone(), GeneratorOptions::default()).take(3000) {
        it.apply_to(&mut world);
        let Some(booking) = it.ids.booking.as_ref().and_then(|id| world.booking(id)) else {
            continue;
        };
        let data = &json(&it)["data"];
        let told = match it.kind {
            Kind::SlotBooked | Kind::BookingCanceled => &data["visit_booking"],
            Kind::BookingMoved => &data["new_visit_booking"],
            Kind::BookingPaymentStatusChanged => {
                let paid = data["visit_payment_status"]["status_to"] == "paid";
                assert_eq!(paid, booking.visit_payment_status.as_deref() == Some("successful"));
                continue;
            }
            _ => continue,
        };
        assert_eq!(told["visit_payment"].as_bool(), booking.visit_payment);
        assert_eq!(told["videocall_url"].as_str(), booking.videocall_url.as_deref());
        met.insert((it.kind, booking.visit_payment_status.clone()));
    }
    for (kind, status) in [
        (Kind::SlotBooked, "new"),
        (Kind::BookingMoved, "new"),
        (Kind::BookingMoved, "successful"),
        (Kind::BookingCanceled, "failed"),
        (Kind::BookingCanceled, "canceled"),
    ] {
        assert!(met.contains(&(kind, Some(status.to_owned()))), "{kind:?} {status}");
    }
}

#[test]
fn every_booking_of_a_chain_of_moves_names_the_newest_one() {
    let mut world = World::default();
    let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for it in Generator::new(1, &world.clone(), GeneratorOptions::default()).take(6000) {
        it.apply_to(&mut world);
        if it.kind != Kind::BookingMoved {
            continue;
        }
        let (old, new) = (it.ids.previous_booking.unwrap(), it.ids.booking.unwrap());
        let mut chain = chains.remove(&old).unwrap_or_else(|| vec![old]);
        chain.push(new.clone());
        for id in &chain {
            let moving = world.booking(id).unwrap().moving.as_ref().unwrap();
            assert_eq!((&moving.origin_booking_id, &moving.newest_booking_id), (&chain[0], &new));
        }
        chains.insert(new, chain);
    }
    assert!(chains.values().any(|chain| chain.len() > 2));
}

#[test]
fn times_have_the_offset_of_the_country() {
    let options = WorldOptions { country: Some(Country::Brazil), ..WorldOptions::default() };
    let world = World::generate(&options);

    for it in Generator::new(1, &world, GeneratorOptions::default()).take(50) {
        assert!(json(&it)["created_at"].as_str().unwrap().ends_with("-03:00"));
    }
}

#[test]
fn a_share_of_the_addresses_is_enough() {
    let addresses = |share| {
        let options = GeneratorOptions { addresses: share, ..GeneratorOptions::default() };
        let told = generate(1, 2000, options);
        told.into_iter().map(|it| it.ids.address).collect::<BTreeSet<_>>().len()
    };

    assert_eq!(addresses(1.0), World::default().addresses().count());
    assert_eq!(addresses(0.3), (World::default().addresses().count() * 3).div_ceil(10));
    assert_eq!(addresses(0.0), 1);
}
