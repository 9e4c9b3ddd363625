//! Who waits how long, and what is asked meanwhile.

use std::time::{Duration, Instant};

use docplanner_worker::{
    docplanner::{ApiError, Urgency},
    simulator::api::{Dialect, Fault},
};

use super::{Api, BOOKINGS, PAID, assert_unknown, visit};
use crate::support::clinic;

/// Longer than anything takes that does not wait.
const PLENTY: Duration = Duration::from_secs(30);
/// Shorter than the time that a request is given by itself.
const SHORT: Duration = Duration::from_millis(300);
/// What is cut after `SHORT` has ended by now, on a loaded machine too.
const CUT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_few_tries_are_made_at_what_may_pass() {
    let api = Api::acquainted().await;
    api.docplanner.fault(Fault::status(503).on(BOOKINGS).times(2));
    assert_eq!(api.ask(PAID).await.unwrap().visit, visit(PAID));
    assert_eq!(api.requests(), 3);

    api.docplanner.fault(Fault::wrong_shape().on(BOOKINGS));
    assert_eq!(api.ask(PAID).await, Err(ApiError::Unreadable));
    assert_eq!(api.requests(), 3 + 3);
    assert_eq!((api.counted("server_error"), api.counted("ok")), ("2".into(), "5".into()));
}

#[tokio::test]
async fn every_way_in_which_a_request_for_a_booking_ends_is_counted_from_the_start() {
    let api = Api::begin().await;
    for status in ["ok", "unreachable", "rate_limited", "firewall", "server_error", "unknown"] {
        assert_eq!(api.counted(status), "0", "{status}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed() {
    let api = Api::acquainted().await;
    api.docplanner.expire_tokens();

    assert_eq!(api.ask(PAID).await.unwrap().visit, visit(PAID));
}

#[tokio::test]
async fn once_is_one_try() {
    let api = Api::acquainted().await;
    api.docplanner.fault(Fault::status(503).on(BOOKINGS).times(1));

    assert_eq!(api.ask_once(PAID, PLENTY).await, Err(ApiError::Failed { status: 503 }));
    assert_eq!(api.requests(), 1);
    assert_eq!(api.ask_once(PAID, PLENTY).await.unwrap().visit, visit(PAID));
}

#[tokio::test]
async fn once_neither_follows_nor_searches() {
    let api = Api::acquainted().await;
    api.docplanner.world(|world| {
        clinic::ONSITE.clone_into(&mut world.move_booking(PAID, "78").address_id);
    });

    let found = api.ask_once(PAID, PLENTY).await.unwrap();
    assert!(found.booking.is_canceled());
    assert_eq!(found.visit, visit(PAID));
    assert_unknown(&api.ask_once("78", PLENTY).await);

    assert_eq!(api.docplanner.requests().len(), 2);
}

#[tokio::test]
async fn once_finds_out_how_to_ask_within_its_time() {
    let api = Api::speaking(Dialect::source_page()).await;
    assert_eq!(api.ask_once(PAID, PLENTY).await.unwrap().visit, visit(PAID));
    assert_eq!(api.requests(), 3);
}

#[tokio::test]
async fn once_ends_in_time_whoever_does_not_answer() {
    for silent in [BOOKINGS, "POST /oauth/v2/token"] {
        let api = Api::begin().await;
        api.docplanner.fault(Fault::hang().on(silent));

        let begun = Instant::now();
        let answer = api.ask_once(PAID, SHORT).await;

        assert!(matches!(answer, Err(ApiError::Unreachable(_))), "{answer:?}");
        assert!((SHORT..CUT).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        assert_eq!(api.counted("unreachable"), "1");
        api.docplanner.clear_faults();
        assert_eq!(api.ask(PAID).await.unwrap().visit, visit(PAID), "nothing is left behind");
    }
}

/// The time is for all of it: a dialect that is found out in three requests is not given it thrice.
#[tokio::test]
async fn once_gives_all_requests_together_its_time() {
    let api = Api::speaking(Dialect::source_page()).await;
    api.docplanner.fault(Fault::latency(SHORT * 2 / 3).on(BOOKINGS));

    let begun = Instant::now();
    let answer = api.ask_once(PAID, SHORT).await;

    assert!(matches!(answer, Err(ApiError::Unreachable(_))), "{answer:?}");
    assert!(begun.elapsed() < CUT);
    assert!(api.requests() < 3);
}

#[tokio::test]
async fn a_limit_is_obeyed_by_all_who_share_the_client() {
    let api = Api::acquainted().await;
    let minute = Duration::from_mins(1);
    api.docplanner.fault(Fault::status(429).retry_after(minute).on(BOOKINGS).times(1));

    assert_eq!(api.ask(PAID).await, Err(ApiError::RateLimited { wait: Some(minute) }));

    let paused = |error| matches!(error, Err(ApiError::Paused { wait }) if wait <= minute);
    assert!(paused(api.ask(PAID).await.map(drop)));
    assert!(paused(api.ask_once(PAID, PLENTY).await.map(drop)));
    assert!(paused(api.client.address("1", "123", clinic::ONLINE, Urgency::Usual).await.map(drop)));
    assert_eq!(api.docplanner.requests().len(), 1);
}
