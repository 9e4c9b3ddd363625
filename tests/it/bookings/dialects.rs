//! How to ask is found out once.

use docplanner_worker::{
    docplanner::ApiError,
    notification::PaymentStatus,
    simulator::api::{Dialect, Fault},
};

use super::{Api, BOOKINGS, PAID, VIDEO_CALL};

/// What was asked for, in order, and whether the last answer told the payment and followed a move.
async fn check(dialect: Dialect, scopes: &[&str]) -> (Option<PaymentStatus>, String) {
    let api = Api::speaking(dialect.clone()).await;
    api.docplanner.world(|world| world.set_payment_status(PAID, "successful"));

    let found = api.ask(PAID).await.unwrap();
    let asked: Vec<_> = api
        .docplanner
        .requests()
        .into_iter()
        .filter(|request| request.path.ends_with(PAID))
        .map(|request| request.query.replace("%2C", ",").replace("with=", ""))
        .collect();
    assert_eq!(asked, scopes, "{dialect:?}");
    assert_eq!(found.booking.videocall_url.unwrap().expose(), VIDEO_CALL);

    let before = api.requests();
    assert_eq!(api.ask(PAID).await.unwrap().payment_status, found.payment_status);
    assert_eq!(api.requests(), before + 1, "what it takes is remembered");

    api.docplanner.world(|world| world.move_booking(PAID, "78").id.clone());
    let moved_to = api.ask(PAID).await.unwrap().booking.id;
    (found.payment_status, moved_to)
}

const PAYMENT: Option<PaymentStatus> = Some(PaymentStatus::Paid);

#[tokio::test]
async fn the_specification_tells_the_payment_unasked_and_has_no_scope_for_it() {
    let scopes = ["visit.payment,booking.moving", "booking.moving"];
    assert_eq!(check(Dialect::spec(), &scopes).await, (PAYMENT, "78".to_owned()));
}

#[tokio::test]
async fn the_guide_tells_the_payment_by_scope_and_knows_no_moves() {
    let scopes = ["visit.payment,booking.moving", "booking.moving", "visit.payment"];
    assert_eq!(check(Dialect::source_page(), &scopes).await, (PAYMENT, PAID.to_owned()));
}

#[tokio::test]
async fn an_api_that_takes_both_is_asked_once() {
    let scopes = ["visit.payment,booking.moving"];
    assert_eq!(check(Dialect::lenient(), &scopes).await, (PAYMENT, "78".to_owned()));
    let both = Dialect { booking_moving: vec!["booking.moving"], ..Dialect::source_page() };
    assert_eq!(check(both, &scopes).await, (PAYMENT, "78".to_owned()));
}

#[tokio::test]
async fn an_api_that_takes_neither_is_asked_without() {
    let scopes = ["visit.payment,booking.moving", "booking.moving", "visit.payment", ""];
    let neither = Dialect { booking_moving: vec![], ..Dialect::spec() };
    assert_eq!(check(neither, &scopes).await, (PAYMENT, PAID.to_owned()));
}

/// An API that refuses whatever it is asked for one booking must not make the worker believe that
/// payments have no scope: every later booking would look as if there was nothing known of its money.
#[tokio::test]
async fn a_booking_that_is_refused_in_every_way_tells_nothing_of_the_scopes() {
    let api = Api::speaking(Dialect::source_page()).await;
    api.docplanner.fault(Fault::status(400).on("/bookings/odd"));

    assert_eq!(api.ask("odd").await, Err(ApiError::Refused { status: 400 }));

    assert_eq!(api.docplanner.count("/bookings/odd"), 4);
    assert_eq!(api.ask(PAID).await.unwrap().payment_status, Some(PaymentStatus::New));
    assert_eq!(api.docplanner.count(BOOKINGS), 4 + 3);
}
