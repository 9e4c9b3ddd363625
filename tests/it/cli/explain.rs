//! `explain`: what a notification would become.

use docplanner_worker::simulator::api::Fault;
use serde_json::{Value, json};

use super::{with_config, write};
use crate::support::{
    Story,
    broker::INCOMING,
    golden::{assert_golden, assert_golden_json, fixture, notification},
};

#[tokio::test]
async fn a_good_notification_is_explained_up_to_its_event() {
    let mut story = Story::begin().await;
    let config = story.config_file();
    let file =
        write(story.folder(), "n.json", &fixture("notifications/slot-booked-of-the-guide.json"));

    let arguments = ["explain", "--output", "json", file.to_str().unwrap()];
    let ran = with_config(&arguments, &config, "").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let mut explained: Value = serde_json::from_str(&ran.stdout).unwrap();
    let as_of = explained["flags"]["as_of"].take();
    assert!(as_of.is_string(), "{as_of}");
    assert!(explained["flags"]["age_seconds"].take().is_number());
    explained["event"]["data"]["address"]["flags_as_of"].take();
    assert_golden_json("cli/explain.json", &explained);

    let arguments = ["explain", file.to_str().unwrap()];
    let ran = with_config(&arguments, &config, "").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let summary: Vec<_> = ran
        .stdout
        .lines()
        .take_while(|line| !line.starts_with("event "))
        .filter(|line| !line.starts_with("flags "))
        .collect();
    assert_golden("cli/explain.txt", &format!("{}\n", summary.join("\n")));
    let flags = ran.stdout.lines().find(|line| line.starts_with("flags ")).unwrap();
    assert!(flags.contains("online_only true, visit_payment true"), "{flags}");
    assert!(flags.ends_with(" s old, from the API)"), "{flags}");

    assert_nothing_was_done(&mut story).await;
}

async fn assert_nothing_was_done(story: &mut Story) {
    assert!(story.broker.further_events().is_empty());
    assert!(story.broker.further_dead_letters().is_empty());
    assert_eq!(story.broker.depth(INCOMING).await, 0);
    assert_eq!(story.sql("SELECT count(*) FROM inbox").await, "0");
}

#[tokio::test]
async fn flags_that_the_database_knows_are_explained_from_there_and_nothing_is_written() {
    let mut story = Story::begin().await;
    let worker = story.worker().await;
    let body = fixture("notifications/slot-booked-of-the-guide.json");
    story.broker.deliver(body.as_bytes(), &[]).await;
    let known = story.next_event().await.body["data"]["address"]["flags_as_of"].clone();
    assert!(worker.stop().await.success());
    let config = story.config_file();
    let rows = "SELECT string_agg(f::text, ',') || string_agg(a::text, ',') \
                FROM address_flags f, address_fetches a";
    assert!(story.sql(rows).await.contains("410150"));

    for (age, api, source, text) in [
        ("1 minute", None, "database", " s old, from the database)"),
        ("1 hour", Some(503), "database", " s old, from the database, because the API"),
        ("1 hour", None, "api", " s old, from the API)"),
    ] {
        let age = format!("UPDATE address_flags SET fetched_at = now() - interval '{age}'");
        story.sql(&age).await;
        let before = story.sql(rows).await;
        story.docplanner.clear_faults();
        if let Some(status) = api {
            story.docplanner.fault(Fault::status(status));
        }
        let ran = with_config(&["explain", "--output", "json", "-"], &config, &body).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        let explained: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(explained["flags"]["source"], source);
        assert_eq!(explained["flags"]["error"].is_string(), api.is_some());
        if source == "database" {
            assert_eq!(explained["event"]["data"]["address"]["flags_as_of"], known);
        }
        let ran = with_config(&["explain", "-"], &config, &body).await;
        assert!(ran.stdout.contains(text), "{}", ran.stdout);
        assert_eq!(story.sql(rows).await, before);
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_told_and_the_api_asked() {
    let mut story = Story::begin().await;
    story.settings.database_url = "postgres://worker@127.0.0.1:1/worker".into();
    let config = story.config_file();
    let body = fixture("notifications/slot-booked-of-the-guide.json");
    let ran = with_config(&["explain", "--output", "json", "-"], &config, &body).await;
    assert_eq!(ran.code, 0);
    let explained: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(explained["flags"]["source"], "api");
    assert!(explained["flags"]["database_error"].is_string());
}

#[tokio::test]
async fn the_explained_event_is_the_published_one() {
    let mut story = Story::begin().await;
    let config = story.config_file();
    let worker = story.worker().await;
    for name in ["booking-moved", "presence-marked", "waiting-list-joined", "terms-updated"] {
        let body = fixture(&format!("notifications/{name}.json"));
        let ran = with_config(&["explain", "--output", "json", "-"], &config, &body).await;
        let mut explained: Value = serde_json::from_str(&ran.stdout).unwrap();
        story.broker.deliver(body.as_bytes(), &[]).await;
        let mut event = story.next_event().await;
        assert_eq!(explained["route"]["routing_key"], event.routing_key, "{name}");
        assert_eq!(explained["route"]["queue"], event.queue, "{name}");
        explained["event"]["data"]["address"]["flags_as_of"].take();
        event.body["data"]["address"]["flags_as_of"].take();
        assert_eq!(explained["event"], event.body, "{name}");
    }
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn what_follows_from_a_notification_is_explained() {
    let mut story = Story::begin().await;
    let config = story.config_file();
    let worker = story.worker().await;
    let body = fixture("notifications/booking-payment-status-changed.json");
    let ran = with_config(&["explain", "--output", "json", "-"], &config, &body).await;
    let mut explained: Value = serde_json::from_str(&ran.stdout).unwrap();
    let ran = with_config(&["explain", "-"], &config, &body).await;
    assert!(ran.stdout.contains("payment.paid"), "{}", ran.stdout);
    story.broker.deliver(body.as_bytes(), &[]).await;
    story.next_event().await;
    let mut paid = story.next_event().await;
    assert_eq!(paid.body["type"], "docplanner.payment.paid.v1");
    explained["then"][0]["data"]["address"]["flags_as_of"].take();
    paid.body["data"]["address"]["flags_as_of"].take();
    assert_eq!(explained["then"], serde_json::json!([paid.body]));
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn a_question_is_explained_as_ignored() {
    let story = Story::begin().await;
    let config = story.config_file();
    let body = fixture("notifications/slot-booking.json");
    let ran = with_config(&["explain", "--output", "json", "-"], &config, &body).await;
    let explained: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &explained["kind"]), (0, &json!("slot-booking")));
    assert!(explained["ignored"].as_str().unwrap().contains("question"));
    let ran = with_config(&["explain", "-"], &config, &body).await;
    assert!(ran.stdout.contains("\nignored          a question"), "{}", ran.stdout);
}

#[tokio::test]
async fn what_would_be_set_aside_is_explained_with_reason_and_error_and_exits_with_1() {
    let mut story = Story::begin().await;
    story.settings.tenant.push(r#"facilities = ["226402"]"#.into());
    story.settings.broker.push("max_body_bytes = 4096".into());
    let config = story.config_file();
    let booked = notification("slot-booked");
    let mut invalid = booked.clone();
    invalid["data"]["visit_booking"]["start_at"] = "Zofia".into();
    let large = format!("{booked}{}", " ".repeat(4096));
    for (body, reason, error) in [
        ("{\"name\": Zofia}", "malformed", "expected value at line 1 column 10"),
        (&invalid.to_string(), "invalid", "data.visit_booking.start_at"),
        (&booked.to_string(), "unknown-tenant", "facility 1 is in no tenant's list"),
        (&large, "too-large", "the limit is 4096"),
    ] {
        let ran = with_config(&["explain", "--output", "json", "-"], &config, body).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{reason}");
        let explained: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(explained["dead_letter"]["reason"], reason);
        let told = explained["dead_letter"]["error"].as_str().unwrap();
        assert!(told.contains(error) && !told.contains("Zofia"), "{told}");

        let ran = with_config(&["explain", "-"], &config, body).await;
        let line = format!("dead letter      {reason}: {told}\n");
        assert_eq!(ran.code, 1);
        assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    }
}

#[tokio::test]
async fn the_tenant_can_be_told_as_the_header_would() {
    let mut story = Story::begin().await;
    story.settings.tenant.push(r#"facilities = ["226402"]"#.into());
    let config = story.config_file();
    let body = fixture("notifications/slot-booked.json");
    for (tenant, code) in [("acme", 0), ("nobody", 1)] {
        let arguments = ["explain", "--tenant", tenant, "--output", "json", "-"];
        let ran = with_config(&arguments, &config, &body).await;
        let explained: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((ran.code, explained["tenant"] == "acme"), (code, code == 0), "{tenant}");
    }
}

#[tokio::test]
async fn an_unknown_kind_nested_without_end_is_explained_too() {
    let story = Story::begin().await;
    let config = story.config_file();
    let nested = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let body = format!(r#"{{"name": "brand-new", "data": {nested}}}"#);
    let ran = with_config(&["explain", "-"], &config, &body).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("notification.unrecognized"), "{}", ran.stdout);
}

#[tokio::test]
async fn flags_that_cannot_be_had_are_explained_as_unknown() {
    let story = Story::begin().await;
    story.docplanner.world(|world| world.remove_address("111"));
    let config = story.config_file();
    let body = fixture("notifications/slot-booked.json");
    let ran = with_config(&["explain", "--output", "json", "-"], &config, &body).await;
    let explained: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(explained["flags"]["online_only"], Value::Null);
    let error = explained["flags"]["error"].as_str().unwrap();
    assert!(error.contains("status 404"), "{error}");
    assert_eq!(explained["route"]["queue"], "partner.unclassified");
}

/// Imports rows for the tenant.
async fn import(story: &Story, rows: &str) {
    let rows = format!("kind,address_id,docplanner_id,partner_id,online\n{rows}");
    let import = ["mapping", "import", "--tenant", "acme", "-"];
    let ran = with_config(&import, &story.config_file(), &rows).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[tokio::test]
async fn each_identifier_is_explained_with_the_row_that_it_comes_from() {
    let mut story = Story::begin().await;
    story.settings.tenant.push(r#"online_detection = "service""#.into());
    let rows = "doctor,,161262,D-7,\nservice,410150,243665,S-3,false\nservice,1,243665,other,\n";
    import(&story, rows).await;
    let config = story.config_file();
    let body = fixture("notifications/slot-booked-of-the-guide.json");

    let ran = with_config(&["explain", "--output", "json", "-"], &config, &body).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let explained: Value = serde_json::from_str(&ran.stdout).unwrap();
    let named = explained["mapping"]["named"].as_array().unwrap();
    let of = |kind: &str| named.iter().find(|named| named["kind"] == kind).unwrap();
    assert_eq!(named.len(), 4);
    assert_eq!(of("doctor")["partner_id"], "D-7");
    assert!(of("doctor")["changed_at"].is_string() && of("doctor")["age_seconds"].is_number());
    let service = of("service");
    assert_eq!((&service["partner_id"], &service["online"]), (&json!("S-3"), &json!(false)));
    assert_eq!(service["address_id"], "410150");
    assert_eq!(of("address")["partner_id"], Value::Null);
    let event = &explained["event"]["data"];
    assert_eq!(event["booking"]["service"]["partner_id"], "S-3");
    assert_eq!(event["unmapped"], json!(["facility", "address"]));
    assert_eq!(explained["route"]["queue"], "partner.onsite.payment", "by the service");
    assert!(explained["route"]["rule"].as_str().unwrap().contains("service's mapping"));

    let ran = with_config(&["explain", "-"], &config, &body).await;
    for line in [
        "mapping          facility 226402 is not mapped\n",
        "mapping          doctor 161262 is D-7 (row ",
        "mapping          service 243665 at address 410150 is S-3, online false (row ",
    ] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
}

#[tokio::test]
async fn what_would_be_held_is_explained_as_a_dead_letter_until_it_is_mapped() {
    let mut story = Story::begin().await;
    story.settings.more = "[tenants.mapping]\non_missing = \"hold\"\n".into();
    let body = fixture("notifications/break-created.json");
    import(&story, "facility,,1,F,\ndoctor,,123,D,\n").await;
    let explain = ["explain", "--output", "json", "-"];
    let ran = with_config(&explain, &story.config_file(), &body).await;
    let explained: Value = serde_json::from_str(&ran.stdout).unwrap();
    let dead_letter = json!({ "reason": "unmapped", "error": "not mapped: address 111" });
    assert_eq!((ran.code, &explained["dead_letter"]), (1, &dead_letter));
    assert_eq!((&explained["event"], &explained["route"]), (&Value::Null, &Value::Null));
    assert_eq!(explained["mapping"]["named"][1]["partner_id"], "D");

    import(&story, "address,,111,A,\n").await;
    let ran = with_config(&explain, &story.config_file(), &body).await;
    let explained: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &explained["dead_letter"]), (0, &Value::Null));
    assert_eq!(explained["event"]["data"]["address"]["partner_id"], "A");
}

#[tokio::test]
async fn a_mapping_that_cannot_be_read_is_explained_as_such() {
    let mut story = Story::begin().await;
    story.settings.database_url = "postgres://worker@127.0.0.1:1/worker".into();
    let body = fixture("notifications/slot-booked.json");
    let ran = with_config(&["explain", "-"], &story.config_file(), &body).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let line = "mapping          cannot be read: cannot connect to the database";
    assert!(ran.stdout.contains(line), "{}", ran.stdout);
}
