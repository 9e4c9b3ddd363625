//! A booking is not where it was: at another address, under another id, or with somebody else.

use docplanner_worker::{
    docplanner::{ApiError, Patience},
    notification::{PaymentStatus, Visit},
    retry::Prospect,
    simulator::{
        api::{Dialect, Fault},
        world::{Address, Booking, BookingStatus, Doctor, Moving},
    },
};

use super::{ADDRESSES, Api, BOOKINGS, PAID, assert_unknown, visit, visit_at};
use crate::support::clinic;

/// A booking that is canceled and says that another one is newer.
fn insert_moved(api: &Api, id: &str, newest: &str) {
    let start_at = "2026-05-01T10:00:00+02:00".parse().unwrap();
    let moving =
        Moving { origin_booking_id: PAID.to_owned(), newest_booking_id: newest.to_owned() };
    let booking = Booking::new(id, clinic::ONLINE_PAYMENT, start_at).canceled("user", start_at);
    let booking = Booking { moving: Some(moving), ..booking };
    api.docplanner.world(|world| world.insert_booking(booking));
}

#[tokio::test]
async fn a_move_at_the_same_address_is_followed() {
    let api = Api::acquainted().await;
    api.docplanner.world(|world| {
        world.move_booking(PAID, "78");
        world.move_booking("78", "79");
        world.set_payment_status("79", "successful");
    });

    let found = api.ask(PAID).await.unwrap();

    assert_eq!(found.visit, visit("79"));
    assert_eq!(found.booking.id, "79");
    assert!(!found.booking.is_canceled());
    assert_eq!(found.payment_status, Some(PaymentStatus::Paid));
    assert_eq!(api.requests(), 2, "the newest one is named at once");
}

#[tokio::test]
async fn a_move_to_another_address_of_the_doctor_is_followed() {
    let api = Api::acquainted().await;
    api.docplanner.world(|world| {
        clinic::ONSITE_PAYMENT.clone_into(&mut world.move_booking(PAID, "78").address_id);
    });

    let found = api.ask(PAID).await.unwrap();

    assert_eq!(found.visit, visit_at(clinic::ONSITE_PAYMENT, "78"));
    assert_eq!(found.booking.id, "78");
    assert_eq!(api.docplanner.count(ADDRESSES), 1);
}

#[tokio::test]
async fn a_move_that_happens_while_the_last_one_is_followed_is_followed_too() {
    let api = Api::acquainted().await;
    api.docplanner.world(|world| world.move_booking(PAID, "78").id.clone());
    let docplanner = (*api.docplanner).clone();
    api.docplanner.on_request("/bookings/78", move |_| {
        docplanner.world(|world| world.move_booking("78", "79").id.clone());
    });

    assert_eq!(api.ask(PAID).await.unwrap().visit, visit("79"));
}

#[tokio::test]
async fn a_booking_that_is_canceled_and_not_moved_is_canceled() {
    let api = Api::acquainted().await;
    api.docplanner.world(|world| world.cancel_booking(PAID));

    let found = api.ask(PAID).await.unwrap();

    assert!(found.booking.is_canceled());
    assert_eq!((found.visit, api.requests()), (visit(PAID), 1));

    api.docplanner.world(|world| world.booking_mut(PAID).unwrap().moving = None);
    assert!(api.ask(PAID).await.unwrap().booking.is_canceled(), "booked before moves were told");
}

#[tokio::test]
async fn a_booking_that_takes_place_is_not_left_for_a_newer_one() {
    let api = Api::acquainted().await;
    insert_moved(&api, PAID, "78");
    api.docplanner.world(|world| {
        world.booking_mut(PAID).unwrap().status = BookingStatus::Booked;
    });

    assert_eq!(api.ask(PAID).await.unwrap().visit, visit(PAID));
    assert_eq!(api.requests(), 1);
}

#[tokio::test]
async fn a_move_to_another_doctor_is_lost() {
    let api = Api::acquainted().await;
    api.docplanner.world(|world| {
        world.insert_doctor(Doctor::new("124", "1", "Ewa", "Nowak"));
        world.insert_address(Address::new("124-1", "124", "1"));
        "124-1".clone_into(&mut world.move_booking(PAID, "78").address_id);
    });

    assert_unknown(&api.ask(PAID).await);

    let addresses = 4;
    assert_eq!(api.docplanner.count("/bookings/78"), addresses, "at each of the old doctor's");
}

#[tokio::test]
async fn a_booking_whose_address_changed_is_found_at_another_one() {
    let api = Api::acquainted().await;
    api.docplanner.world(|world| {
        clinic::ONSITE.clone_into(&mut world.booking_mut(PAID).unwrap().address_id);
    });
    assert_eq!(api.ask(PAID).await.unwrap().visit, visit_at(clinic::ONSITE, PAID));

    api.docplanner.world(|world| world.remove_address(clinic::ONLINE_PAYMENT));
    assert_eq!(api.ask(PAID).await.unwrap().visit, visit_at(clinic::ONSITE, PAID), "404, not 403");
}

#[tokio::test]
async fn a_move_is_followed_from_where_the_booking_was_found() {
    let api = Api::acquainted().await;
    api.docplanner.world(|world| {
        clinic::ONSITE.clone_into(&mut world.booking_mut(PAID).unwrap().address_id);
        world.move_booking(PAID, "78");
    });

    assert_eq!(api.ask(PAID).await.unwrap().visit, visit_at(clinic::ONSITE, "78"));

    assert_eq!(api.docplanner.count(ADDRESSES), 1);
    assert_eq!(api.docplanner.count("/bookings/78"), 1);
}

#[tokio::test]
async fn a_booking_that_nobody_knows_costs_a_bounded_number_of_requests() {
    let api = Api::acquainted().await;
    api.docplanner.world(|world| {
        for nth in 500..550 {
            world.insert_address(Address::new(&nth.to_string(), "123", "1"));
        }
    });

    assert_eq!(api.ask("unheard-of").await, Err(ApiError::Unknown { status: 404 }));

    assert_eq!((api.requests(), api.docplanner.count(ADDRESSES)), (1 + 8, 1));
}

#[tokio::test]
async fn a_doctor_that_nobody_knows_has_no_bookings() {
    let api = Api::acquainted().await;
    let elsewhere = Visit { doctor_id: "999".to_owned(), ..visit(PAID) };

    assert_unknown(&api.ask_at(&elsewhere, Patience::Usual).await);
    assert_eq!(api.requests(), 1);
}

#[tokio::test]
async fn bookings_that_name_each_other_end_where_they_meet() {
    let api = Api::acquainted().await;
    insert_moved(&api, PAID, "78");
    insert_moved(&api, "78", "79");
    insert_moved(&api, "79", PAID);

    let found = api.ask(PAID).await.unwrap();

    assert!(found.booking.is_canceled());
    assert_eq!((found.visit, api.requests()), (visit("79"), 3));
}

#[tokio::test]
async fn a_chain_without_an_end_is_no_answer() {
    let api = Api::acquainted().await;
    insert_moved(&api, PAID, "1");
    for nth in 1..30 {
        insert_moved(&api, &nth.to_string(), &(nth + 1).to_string());
    }

    assert_eq!(api.ask(PAID).await, Err(ApiError::Unreadable));

    assert_eq!(api.requests(), 1 + 4);
}

/// An answer that may pass must not be taken for "not here": the search would end in `Unknown`,
/// after which nobody asks again.
#[tokio::test]
async fn a_failure_on_the_way_is_a_failure_and_not_an_unknown_booking() {
    for fault in [Fault::status(503), Fault::firewall(403), Fault::garbage(), Fault::reset()] {
        for on in ["/bookings/78", "GET /addresses$"] {
            let api = Api::speaking(Dialect::lenient()).await;
            api.docplanner.world(|world| {
                clinic::ONSITE.clone_into(&mut world.move_booking(PAID, "78").address_id);
            });
            api.docplanner.fault(fault.clone().on(on));

            let error = api.ask(PAID).await.unwrap_err();

            let may_pass = matches!(error.prospect(), Prospect::Later(..));
            assert!(may_pass, "{fault:?} on {on}: {error:?}");
            assert!(api.docplanner.count(BOOKINGS) <= 1 + 3);
        }
    }
}
