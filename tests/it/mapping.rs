//! The partner's own identifiers in events: imported while workers run, filled in, missing, waited for.

mod detection;
mod hold;

use docplanner_worker::simulator::{api::Options, world::Address};
use serde_json::{Value, json};

use crate::support::{
    Story,
    broker::Published,
    clinic,
    golden::path,
    until,
    worker::{Ran, Worker, run},
};

/// The two addresses of the online-features guide's doctor, and the service that both have.
const REGULAR: &str = "123";
const ONLINE: &str = "234";
const REGULAR_VISIT: &str = "112233";

const HEADER: &str = "kind,address_id,docplanner_id,partner_id,online\n";

/// A clinic whose doctor has the guide's two addresses.
async fn story() -> Story {
    let mut world = clinic::world();
    world.insert_address(Address::new(REGULAR, "123", "1"));
    world.insert_address(Address::new(ONLINE, "123", "1").online());
    Story::begin_with(Options { world, ..Options::default() }).await
}

/// A `slot-booked` notification of one of the doctor's services.
fn booked(booking: &str, address: &str, service: &str) -> Value {
    let mut notification = clinic::slot_booked(booking, address);
    notification["data"]["visit_booking"]["address_service"]["id"] = service.into();
    notification
}

async fn import(story: &Story, content: &str) -> Ran {
    let config = story.config_file();
    let config = config.to_str().unwrap();
    let ran =
        run(&["mapping", "import", "--tenant", "acme", "--config", config, "-"], content).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    ran
}

/// Imports the three tables of the guide, one after the other.
async fn import_guide(story: &Story) {
    for table in ["addresses", "services", "services-online"] {
        let file = path(&format!("mapping/guide-{table}.csv"));
        import(story, &std::fs::read_to_string(file).unwrap()).await;
    }
}

/// Imports facility, doctor, both addresses, and the service at both, online at one.
async fn import_everything(story: &Story) {
    let rows = format!(
        "{HEADER}facility,,1,F,\ndoctor,,123,D,\naddress,,{REGULAR},A,\naddress,,{ONLINE},B,\n\
         service,{REGULAR},{REGULAR_VISIT},S,false\nservice,{ONLINE},{REGULAR_VISIT},T,true\n"
    );
    import(story, &rows).await;
}

/// Waits until a worker has taken note of an import that left so many rows.
async fn until_follows(worker: &Worker, rows: usize) {
    worker.until_logged(&format!("the mapping of acme has changed: {rows} rows")).await;
}

/// The identifiers of address and service, and what is unmapped.
fn identifiers(event: &Published) -> Value {
    let data = &event.body["data"];
    json!([
        data["address"]["partner_id"],
        data["booking"]["service"]["partner_id"],
        data["unmapped"]
    ])
}

#[tokio::test]
async fn one_visit_type_goes_to_two_calendars_with_two_identifiers() {
    let mut story = story().await;
    import_guide(&story).await;
    let worker = story.worker().await;
    for (address, service, queue, expected) in [
        (REGULAR, REGULAR_VISIT, "partner.onsite", json!(["1", "1", ["facility", "doctor"]])),
        (ONLINE, REGULAR_VISIT, "partner.online", json!(["2", "1", ["facility", "doctor"]])),
        (REGULAR, "445566", "partner.onsite", json!(["1", "3", ["facility", "doctor"]])),
        // The guide's clinic offers it at the regular address only.
        (ONLINE, "445566", "partner.online", json!(["2", null, ["facility", "doctor", "service"]])),
    ] {
        story.deliver(&booked(&format!("{address}-{service}"), address, service)).await;
        let event = story.next_event().await;
        assert_eq!((event.queue, identifiers(&event)), (queue, expected), "{address} {service}");
    }
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn a_tenant_without_any_mapping_is_told_what_it_lacks() {
    let mut story = story().await;
    let worker = story.worker().await;
    story.deliver(&booked("1", REGULAR, REGULAR_VISIT)).await;
    let event = story.next_event().await;
    let all = json!([null, null, ["facility", "doctor", "address", "service"]]);
    assert_eq!(identifiers(&event), all);
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn running_workers_follow_an_import_without_a_restart() {
    let mut story = story().await;
    let (one, other) = (story.worker().await, story.worker().await);
    story.deliver(&booked("before", REGULAR, REGULAR_VISIT)).await;
    assert_eq!(identifiers(&story.next_event().await)[0], Value::Null);

    import_everything(&story).await;
    until_follows(&one, 6).await;
    until_follows(&other, 6).await;
    let notifications: Vec<_> =
        (0..40).map(|nth| booked(&format!("after-{nth}"), REGULAR, REGULAR_VISIT)).collect();
    story.deliver_all(&notifications).await;
    for event in story.next_events(40).await {
        assert_eq!(identifiers(&event), json!(["A", "S", []]));
    }
    for worker in [&one, &other] {
        // Both had a share; an event is there before its delivery is settled.
        worker.until_settled("published", 2).await;
    }

    // What is removed is followed too, to the last row.
    let config = story.config_file();
    let replace = ["mapping", "import", "--replace", "--tenant", "acme", "--config"];
    let ran = run(&[&replace[..], &[config.to_str().unwrap(), "-"]].concat(), HEADER).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    until_follows(&one, 0).await;
    until_follows(&other, 0).await;
    story.deliver(&booked("removed", REGULAR, REGULAR_VISIT)).await;
    assert_eq!(identifiers(&story.next_event().await)[1], Value::Null);
    assert!(one.stop().await.success() && other.stop().await.success());
}

#[tokio::test]
async fn a_worker_that_starts_publishes_nothing_before_it_has_read_the_mapping() {
    let mut story = story().await;
    import_everything(&story).await;
    // Reading the mapping waits for this transaction; the rest of the database does not.
    let blocking = story.servers.connect(story.database()).await;
    blocking.batch_execute("BEGIN; LOCK TABLE mappings").await.unwrap();
    story.deliver(&booked("1", ONLINE, REGULAR_VISIT)).await;
    let worker = story.worker_not_ready().await;
    until("the worker asks for the mappings", async || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND wait_event_type = 'Lock' AND query LIKE '%FROM mappings%'";
        (story.sql(waits).await == "1").then_some(())
    })
    .await;
    assert!(!worker.is_ready().await);
    blocking.batch_execute("ROLLBACK").await.unwrap();

    assert_eq!(identifiers(&story.next_event().await), json!(["B", "T", []]));
    worker.until_ready().await;
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn a_worker_follows_imports_again_after_the_database_was_away() {
    let mut story = story().await;
    import_everything(&story).await;
    let direct = story.config_file();
    let direct = std::fs::read_to_string(direct).unwrap();
    let proxy = story.proxy_before_database().await;
    let worker = story.worker().await;
    proxy.take_away();
    worker.until_not_ready().await;

    let config = story.folder().join("direct.toml");
    std::fs::write(&config, direct).unwrap();
    let arguments =
        ["mapping", "import", "--tenant", "acme", "--config", config.to_str().unwrap(), "-"];
    let rows = format!("{HEADER}address,,{REGULAR},C,\n");
    assert_eq!(run(&arguments, &rows).await.code, 0);
    proxy.bring_back();
    until_follows(&worker, 6).await;
    story.deliver(&booked("1", REGULAR, REGULAR_VISIT)).await;
    assert_eq!(identifiers(&story.next_event().await)[0], "C");
    assert!(worker.stop().await.success());
}

#[tokio::test]
async fn both_services_of_a_move_have_the_identifiers_of_its_address() {
    let mut story = story().await;
    import_everything(&story).await;
    let worker = story.worker().await;
    let booking = |id: &str| booked(id, ONLINE, REGULAR_VISIT)["data"]["visit_booking"].clone();
    let bookings = json!({ "old_visit_booking": booking("1"), "new_visit_booking": booking("2") });
    story.deliver(&clinic::notification("booking-moved", ONLINE, bookings)).await;
    let data = story.next_event().await.body["data"].clone();
    assert_eq!(data["facility"]["partner_id"], "F");
    assert_eq!(data["doctor"]["partner_id"], "D");
    assert_eq!(data["booking"]["service"]["partner_id"], "T");
    assert_eq!(data["previous_booking"]["service"]["partner_id"], "T");
    assert_eq!(data["unmapped"], json!([]));
    assert!(worker.stop().await.success());
}
