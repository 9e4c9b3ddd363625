//! The API as its two documents describe it, and as neither does.

use docplanner_worker::simulator::api::{Dialect, SingleAddress};
use serde_json::Value;

use super::{ADDRESS, ADDRESSES, booked_at, open_addresses};
use crate::support::Story;

/// Two bookings at two addresses that are online and paid: the first finds out how to ask, the
/// second knows it. The queue of both.
async fn check(dialect: Dialect, requests_for_the_first: u64) -> (&'static str, Value) {
    let mut story = Story::begin().await;
    story.docplanner.set_dialect(dialect.clone());
    let docplanner = story.docplanner.handle();
    let asked = || docplanner.count(ADDRESSES) + docplanner.count(ADDRESS);
    let worker = story.worker().await;
    let bookings = booked_at(&open_addresses(&story, 2));

    story.deliver(&bookings[0]).await;
    let first = story.next_event().await;
    assert_eq!(asked(), requests_for_the_first, "{dialect:?}");

    story.deliver(&bookings[1]).await;
    let second = story.next_event().await;
    assert_eq!(asked(), requests_for_the_first + 1, "remembered");
    super::assert_no_retry(&worker).await;
    assert_eq!(first.queue, second.queue);
    (first.queue, first.body["data"]["address"]["visit_payment"].clone())
}

const PAID: (&str, Value) = ("partner.online.payment", Value::Bool(true));

#[tokio::test]
async fn an_api_that_takes_both_payment_scopes_is_asked_once() {
    assert_eq!(check(Dialect::lenient(), 1).await, PAID);
}

#[tokio::test]
async fn an_api_that_knows_the_specification_only() {
    assert_eq!(check(Dialect::spec(), 2).await, PAID);
    let in_items = Dialect { single_address: SingleAddress::InItems, ..Dialect::spec() };
    assert_eq!(check(in_items, 2).await, PAID);
}

#[tokio::test]
async fn an_api_that_knows_the_guide_only() {
    assert_eq!(check(Dialect::source_page(), 3).await, PAID);
    let bare = Dialect { single_address: SingleAddress::Bare, ..Dialect::source_page() };
    assert_eq!(check(bare, 3).await, PAID);
}

#[tokio::test]
async fn an_api_that_knows_no_payment_scope_leaves_payments_unknown() {
    let dialect = Dialect { visit_payment: vec![], ..Dialect::spec() };
    assert_eq!(check(dialect, 4).await, ("partner.unclassified", Value::Null));
}

#[tokio::test]
async fn an_api_that_knows_no_scope_at_all_leaves_the_flags_unknown() {
    let dialect = Dialect { visit_payment: vec![], online_only: vec![], ..Dialect::spec() };
    // Four ways to ask for the list, and five for the address by itself.
    assert_eq!(check(dialect, 9).await, ("partner.unclassified", Value::Null));
}
