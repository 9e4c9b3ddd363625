//! Whose notification it is: by header, by facility, by being the only one that is left.

use serde_json::json;

use super::with;
use crate::support::{Story, golden::notification};

/// `acme` has no list of facilities; `beta` has facility 226402.
async fn two_tenants() -> Story {
    let mut story = Story::begin().await;
    story.settings.more = tenant(&story, "beta", &["226402"]);
    story
}

/// A section `[[tenants]]` with a list of facilities.
fn tenant(story: &Story, id: &str, facilities: &[&str]) -> String {
    format!(
        "[[tenants]]\nid = {id:?}\ndomain = \"doctoralia.es\"\nbase_url = {:?}\n\
         client_id = \"demo\"\nclient_secret = \"secret\"\nfacilities = {facilities:?}\n",
        story.docplanner.base_url()
    )
}

#[tokio::test]
async fn the_header_tells_the_tenant_and_the_facility_does_where_there_is_none() {
    let mut story = two_tenants().await;
    let worker = story.worker().await;
    for (fixture, header, tenant) in [
        ("slot-booked", Some("beta"), "beta"),
        ("slot-booked-of-the-guide", None, "beta"),
        ("slot-booked-by-doctor", None, "acme"),
    ] {
        let headers: Vec<_> = header.map(|id| ("x-docplanner-tenant", id)).into_iter().collect();
        story.broker.deliver(notification(fixture).to_string().as_bytes(), &headers).await;
        let event = story.next_event().await;
        assert_eq!(event.body["tenant"], tenant, "{fixture}");
        assert_eq!(event.header("tenant").as_deref(), Some(tenant), "{fixture}");
        assert_eq!(event.routing_key.split('.').next(), Some(tenant), "{fixture}");
    }
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn the_same_booking_at_two_tenants_is_two_facts() {
    let mut story = two_tenants().await;
    let worker = story.worker().await;
    let booked = notification("slot-booked").to_string();
    let mut ids = Vec::new();
    for tenant in ["acme", "beta"] {
        story.broker.deliver(booked.as_bytes(), &[("x-docplanner-tenant", tenant)]).await;
        ids.push(story.next_event().await.body["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn a_header_that_names_nobody_does_not_fall_back_to_the_facility() {
    let mut story = two_tenants().await;
    let worker = story.worker().await;
    let booked = notification("slot-booked").to_string();
    story.broker.deliver(booked.as_bytes(), &[("x-docplanner-tenant", "gamma")]).await;

    let dead = story.next_dead_letter().await;
    assert_eq!(dead.header("x-reason").unwrap(), "unknown-tenant");
    let error = "header x-docplanner-tenant names no configured tenant";
    assert_eq!(dead.header("x-error").unwrap(), error);
    assert_eq!(dead.header("x-docplanner-tenant").unwrap(), "gamma");
    assert_eq!(dead.body, booked.as_bytes());
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn a_facility_in_nobodys_list_is_nobodys() {
    let mut story = Story::begin().await;
    story.settings.tenant.push(r#"facilities = ["226402"]"#.into());
    let worker = story.worker().await;
    let not_listed =
        "facility 1 is in no tenant's list, and there is no header x-docplanner-tenant";
    let no_id = "the facility is in no tenant's list, and there is no header x-docplanner-tenant";
    let endless = "Zofia".repeat(40_000);
    let cases = [
        (notification("slot-booked"), not_listed),
        (with("slot-booked", "/data/facility/id", json!("Zofia Wiśniewska")), no_id),
        (with("slot-booked", "/data/facility/id", json!(endless)), no_id),
        (
            notification("terms-updated"),
            "there is neither a header x-docplanner-tenant nor a facility",
        ),
    ];
    for (body, error) in cases {
        story.deliver(&body).await;
        let dead = story.next_dead_letter().await;
        assert_eq!(dead.header("x-reason").unwrap(), "unknown-tenant");
        assert_eq!(dead.header("x-error").unwrap(), error);
        assert_eq!(dead.header("x-docplanner-tenant"), None);
    }
    assert!(worker.stop().await.success());
}
