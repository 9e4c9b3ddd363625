//! `online_detection = "service"`: one schedule for both, and the service tells which visit is online.

use serde_json::json;

use super::{HEADER, ONLINE, REGULAR, REGULAR_VISIT, booked, import, import_everything, story};
use crate::support::clinic;

#[tokio::test]
async fn the_mapped_service_decides_and_the_addresss_flag_is_told_as_it_is() {
    let mut story = story().await;
    story.settings.tenant.push(r#"online_detection = "service""#.into());
    import_everything(&story).await;
    import(&story, &format!("{HEADER}service,{REGULAR},9,video,true\nservice,{REGULAR},8,any,\n"))
        .await;
    let worker = story.worker().await;
    // Address and service, then queue, modality, the address's flag and what is unmapped.
    for (address, service, queue, modality, online_only, unmapped) in [
        (REGULAR, REGULAR_VISIT, "partner.onsite", "onsite", false, json!([])),
        (REGULAR, "9", "partner.online", "online", false, json!([])),
        (ONLINE, REGULAR_VISIT, "partner.online", "online", true, json!([])),
        // Mapped without `online`, and not mapped at all: the address tells.
        (REGULAR, "8", "partner.onsite", "onsite", false, json!(["service"])),
        (ONLINE, "7", "partner.online", "online", true, json!(["service"])),
    ] {
        story.deliver(&booked(&format!("{address}-{service}"), address, service)).await;
        let event = story.next_event().await;
        let data = &event.body["data"];
        assert_eq!((event.queue, &data["modality"]), (queue, &json!(modality)), "{service}");
        let word = event.routing_key.split('.').nth(1);
        assert_eq!(word, Some(modality), "{service}");
        assert_eq!(data["address"]["online_only"], online_only, "{service}");
        assert_eq!(data["unmapped"], unmapped, "{service}");
    }

    // What has no service goes by its address.
    let pause = json!({ "break": { "id": "1", "since": null, "till": null } });
    story.deliver(&clinic::notification("break-created", ONLINE, pause)).await;
    let event = story.next_event().await;
    assert_eq!((event.queue, &event.body["data"]["unmapped"]), ("partner.online", &json!([])));
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn without_it_the_address_decides_whatever_the_service_says() {
    let mut story = story().await;
    import(&story, &format!("{HEADER}service,{REGULAR},9,video,true\n")).await;
    let worker = story.worker().await;
    story.deliver(&booked("1", REGULAR, "9")).await;
    let event = story.next_event().await;
    assert_eq!(
        (event.queue, &event.body["data"]["modality"]),
        ("partner.onsite", &json!("onsite"))
    );
    assert_eq!(event.body["data"]["booking"]["service"]["partner_id"], "video");
    assert!(worker.stop().await.success());
}
