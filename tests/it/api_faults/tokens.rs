//! One request for the token and one for each address, however many wait.

use std::time::Duration;

use docplanner_worker::simulator::api::Fault;

use super::{
    ADDRESSES, TOKEN, assert_no_retry, booked, booked_at, doctor_of, of, open_addresses, story,
};
use crate::support::{Story, clinic, until};

/// Nobody who comes later finds an answer ready.
fn answer_slowly(story: &Story) {
    story.docplanner.fault(Fault::latency(Duration::from_millis(500)));
}

#[tokio::test]
async fn two_hundred_deliveries_of_one_address_cost_one_request() {
    let mut story = story().await;
    answer_slowly(&story);
    let bookings: Vec<_> =
        (0..200).map(|nth| clinic::slot_booked(&format!("b{nth}"), clinic::ONLINE)).collect();
    story.deliver_all(&bookings).await;

    let worker = story.worker().await;

    story.next_events(200).await;
    assert_eq!(story.docplanner.count(TOKEN), 1);
    assert_eq!(story.docplanner.count(of(clinic::DOCTOR)), 1);
    assert_no_retry(&worker).await;
}

#[tokio::test]
async fn two_hundred_deliveries_of_twenty_addresses_cost_one_token_and_twenty_requests() {
    let mut story = story().await;
    answer_slowly(&story);
    let addresses = open_addresses(&story, 20);
    let bookings: Vec<_> = (0..10)
        .flat_map(|nth| {
            addresses.iter().map(move |address| booked(&format!("b{nth}-{address}"), address))
        })
        .collect();
    story.deliver_all(&bookings).await;

    let worker = story.worker().await;

    story.next_events(200).await;
    assert_eq!(story.docplanner.count(TOKEN), 1);
    assert_eq!(story.docplanner.count(ADDRESSES), 20);
    assert_no_retry(&worker).await;
}

#[tokio::test]
async fn a_token_that_expired_early_is_renewed_once_for_all_who_wait() {
    let mut story = story().await;
    let worker = story.worker().await;
    story.deliver(&clinic::slot_booked("b1", clinic::ONLINE)).await;
    story.next_event().await;
    story.docplanner.expire_tokens();
    answer_slowly(&story);
    let addresses = open_addresses(&story, 20);

    story.deliver_all(&booked_at(&addresses)).await;

    story.next_events(20).await;
    assert_eq!(story.docplanner.count(TOKEN), 2);
    for address in &addresses {
        assert!(story.docplanner.count(of(&doctor_of(address))) <= 2, "repeated once");
    }
    assert_no_retry(&worker).await;
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let mut story = story().await;
    story.docplanner.set_token_lifetime(Duration::from_secs(4));
    story.settings.tenant.push(r#"flags_ttl = "1ms""#.into());
    let worker = story.worker().await;

    let mut booked = 0;
    until("the token is renewed", async || {
        booked += 1;
        story.deliver(&clinic::slot_booked(&format!("b{booked}"), clinic::ONLINE)).await;
        story.next_event().await;
        (story.docplanner.count(TOKEN) == 2).then_some(())
    })
    .await;

    let requests = story.docplanner.requests();
    assert!(requests.iter().all(|request| request.status != Some(401)), "no token was refused");
    assert_no_retry(&worker).await;
}
