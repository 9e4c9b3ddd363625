//! One notification in, one event out.

use crate::support::{Story, clinic};

#[tokio::test]
async fn a_booked_slot_becomes_a_created_booking_in_the_queue_of_its_address() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;

    for (address, queue) in [
        (clinic::ONSITE, "partner.onsite"),
        (clinic::ONSITE_PAYMENT, "partner.onsite.payment"),
        (clinic::ONLINE, "partner.online"),
        (clinic::ONLINE_PAYMENT, "partner.online.payment"),
    ] {
        story.deliver(&clinic::slot_booked(&format!("booking-{address}"), address)).await;
        let event = story.next_event().await;
        assert_eq!(event.queue, queue);
        assert_eq!(event.body["type"], "docplanner.booking.created.v1");
        assert_eq!(event.body["data"]["booking"]["id"], format!("booking-{address}"));
    }

    worker.until_settled("published", 4).await;
    assert!(worker.stop().await.success());
}
