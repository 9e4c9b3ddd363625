//! What is known of an address: for how long, until when, and how old it is.

use docplanner_worker::simulator::api::Fault;
use serde_json::{Value, json};

use super::{of, settled, story};
use crate::support::{Story, broker::Published, clinic, until};

/// The patients of this address pay from now on.
fn begin_payments(story: &Story, address: &str) {
    story.docplanner.world(|world| {
        world.address_mut(address).expect("the clinic has it").visit_payment = true;
    });
}

async fn book(story: &mut Story, booking: &str, address: &str) -> Published {
    story.deliver(&clinic::slot_booked(booking, address)).await;
    story.next_event().await
}

fn as_of(event: &Published) -> String {
    event.body["data"]["address"]["flags_as_of"].as_str().expect("flags are known").to_owned()
}

#[tokio::test]
async fn flags_are_used_again_until_they_are_too_old() {
    let mut story = story().await;
    story.settings.tenant.push(r#"flags_ttl = "2s""#.into());
    let _worker = story.worker().await;
    let first = book(&mut story, "b1", clinic::ONLINE).await;
    begin_payments(&story, clinic::ONLINE);

    let mut booked = 1;
    let fresh = until("the flags are asked for again", async || {
        booked += 1;
        let event = book(&mut story, &format!("b{booked}"), clinic::ONLINE).await;
        if event.queue == "partner.online.payment" {
            return Some(event);
        }
        assert_eq!(as_of(&event), as_of(&first), "the age is that of the first answer");
        None
    })
    .await;

    assert!(booked > 2, "some were used again");
    assert!(as_of(&fresh) > as_of(&first));
    assert_eq!(story.docplanner.count(of(clinic::DOCTOR)), 2);
}

#[tokio::test]
async fn a_change_of_the_address_or_its_services_drops_the_flags() {
    let service = json!({ "address_service": {
        "id": "1", "name": "konsultacja", "price": 100, "is_price_from": false, "is_visible": true
    } });
    for (kind, data) in [
        ("address-service-created", &service),
        ("address-service-changed", &service),
        ("address-service-deleted", &service),
        ("address-commercial-type-changed", &json!({ "commercial_type": "premium" })),
        ("address-assigned", &json!({})),
        ("address-unassigned", &json!({})),
    ] {
        let mut story = story().await;
        let _worker = story.worker().await;
        assert_eq!(book(&mut story, "b1", clinic::ONLINE).await.queue, "partner.online");
        begin_payments(&story, clinic::ONLINE);
        assert_eq!(book(&mut story, "b2", clinic::ONLINE).await.queue, "partner.online");

        story.deliver(&clinic::notification(kind, clinic::ONLINE, data.clone())).await;
        assert_eq!(story.next_event().await.queue, "partner.online.payment", "{kind}");

        let after = book(&mut story, "b3", clinic::ONLINE).await;
        assert_eq!(after.queue, "partner.online.payment", "{kind}");
        assert_eq!(story.docplanner.count(of(clinic::DOCTOR)), 2, "{kind}");
    }
}

#[tokio::test]
async fn while_the_api_is_down_old_flags_are_used_and_their_age_told() {
    let mut story = story().await;
    story.settings.tenant.push(r#"flags_ttl = "1ms""#.into());
    let worker = story.worker().await;
    let known = book(&mut story, "b1", clinic::ONLINE).await;
    story.docplanner.fault(Fault::status(503).on(of(clinic::DOCTOR)));
    begin_payments(&story, clinic::ONLINE);

    let stale = book(&mut story, "b2", clinic::ONLINE).await;
    assert_eq!(stale.queue, "partner.online");
    assert_eq!(as_of(&stale), as_of(&known));
    let asked = story.docplanner.count(of(clinic::DOCTOR));

    let again = book(&mut story, "b3", clinic::ONLINE).await;
    assert_eq!(as_of(&again), as_of(&known));
    assert_eq!(story.docplanner.count(of(clinic::DOCTOR)), asked, "not everyone asks in vain");
    assert!(settled(&worker, "retry").await < 1.0);
}

#[tokio::test]
async fn a_change_that_passes_while_the_api_is_down_still_has_the_old_flags() {
    let mut story = story().await;
    let _worker = story.worker().await;
    let known = book(&mut story, "b1", clinic::ONLINE).await;
    story.docplanner.fault(Fault::reset().on(of(clinic::DOCTOR)));

    story.deliver(&clinic::notification("address-assigned", clinic::ONLINE, json!({}))).await;

    let event = story.next_event().await;
    assert_eq!(event.body["data"]["address"]["visit_payment"], Value::Bool(false));
    assert_eq!(as_of(&event), as_of(&known));
}
