//! Not every API has the list, and not every list has the address.

use docplanner_worker::simulator::api::{Fault, Operation};
use serde_json::json;

use super::{LISTS, book, story};
use crate::support::{Story, clinic};

/// Requests for an address by itself.
fn asked_alone(story: &Story) -> usize {
    let requests = story.docplanner.requests();
    requests.iter().filter(|request| request.operation == Operation::GetAddress).count()
}

#[tokio::test]
async fn an_address_that_the_list_does_not_tell_is_asked_for_by_itself() {
    for status in [403, 404, 422] {
        let mut story = story().await;
        story.docplanner.fault(Fault::status(status).on(LISTS));
        let _worker = story.worker().await;

        assert_eq!(book(&mut story, "b1", clinic::ONLINE).await.queue, "partner.online");

        assert_eq!(story.docplanner.count(LISTS), 1, "{status} is not asked again");
        assert_eq!(asked_alone(&story), 1);
        // Of the doctor's other addresses nothing is known.
        assert_eq!(book(&mut story, "b2", clinic::ONSITE).await.queue, "partner.onsite");
        assert_eq!(asked_alone(&story), 2);
    }
}

#[tokio::test]
async fn an_api_that_refuses_lists_in_every_dialect_is_asked_for_none_again() {
    let mut story = story().await;
    story.docplanner.fault(Fault::status(400).on(LISTS));
    let _worker = story.worker().await;

    assert_eq!(book(&mut story, "b1", clinic::ONLINE).await.queue, "partner.online");
    assert_eq!(story.docplanner.count(LISTS), 4, "in four dialects");
    assert_eq!(book(&mut story, "b2", clinic::ONSITE).await.queue, "partner.onsite");

    assert_eq!(story.docplanner.count(LISTS), 4);
    assert_eq!(asked_alone(&story), 2);
}

#[tokio::test]
async fn an_id_that_the_database_cannot_keep_stops_nobody() {
    let mut story = story().await;
    let worker = story.worker().await;
    let long = "1".repeat(9_000);
    for (id, reason) in [("1\0", "invalid"), (&long, "enrichment-failed")] {
        story.deliver(&clinic::slot_booked(reason, id)).await;
        let dead_letter = story.next_dead_letter().await;
        assert_eq!(dead_letter.header("x-reason").as_deref(), Some(reason));
    }
    story.deliver(&clinic::notification("address-unassigned", &long, json!({}))).await;
    assert_eq!(story.next_event().await.queue, "partner.unclassified");
    worker.until_logged("listening to other pods").await;
    assert_eq!(worker.log().find("without the database"), None);
    assert!(worker.is_ready().await);
}
