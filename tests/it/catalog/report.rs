//! The report before and after the rows are there.

use docplanner_worker::simulator::world::Service;
use serde_json::Value;

use super::{assert_good, mapping, story, sync};
use crate::support::{Story, golden::assert_golden, worker::Ran};

/// The guide's three tables of identifiers, and what it takes to map the rest.
const ROWS: &str = "
    INSERT INTO mappings (tenant, kind, address_id, docplanner_id, partner_id) VALUES
        ('acme', 'facility', '', '139878', 'clinic'),
        ('acme', 'doctor', '', '11', 'dr-11'),
        ('acme', 'doctor', '', '12', 'dr-12'),
        ('acme', 'address', '', '123', '1'),
        ('acme', 'address', '', '234', '2'),
        ('acme', 'service', '123', '112233', '1'),
        ('acme', 'service', '123', '223344', '2'),
        ('acme', 'service', '123', '445566', '3'),
        ('acme', 'service', '234', '112233', '1'),
        ('acme', 'address', '', '345', '3'),
        ('acme', 'address', '', '456', '4'),
        ('acme', 'service', '345', '556677', '1'),
        ('acme', 'service', '456', '667788', '1')";

async fn report(story: &Story, output: &str) -> Ran {
    let ran = mapping(story, &["report", "--output", output]).await;
    assert_eq!(ran.stderr, "");
    ran
}

/// Compares all three forms with golden files, the time of the sync aside.
async fn assert_report(story: &Story, name: &str, code: i32) {
    let table = report(story, "table").await;
    assert_eq!(table.code, code, "{}", table.stdout);
    let widest = table.stdout.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 120, "{widest} columns");
    let (first, rest) = table.stdout.split_once('\n').unwrap();
    assert!(first.starts_with("tenant acme: synced 20"), "{first}");
    assert_golden(&format!("catalog/{name}.txt"), rest);

    let csv = report(story, "csv").await;
    assert_eq!(csv.code, code);
    assert_golden(&format!("catalog/{name}.csv"), &csv.stdout);

    let json = report(story, "json").await;
    assert_eq!(json.code, code);
    let mut value: Value = serde_json::from_str(&json.stdout).unwrap();
    let synced_at = value["tenants"][0]["synced_at"].take();
    assert!(synced_at.is_string());
    let masked = json.stdout.replace(synced_at.as_str().unwrap(), "");
    assert_golden(&format!("catalog/{name}.json"), &masked);
}

#[tokio::test]
async fn before_and_after_the_mapping() {
    let story = story().await;
    assert_good(&sync(&story).await);
    assert_report(&story, "unmapped", 1).await;

    story.sql(ROWS).await;
    assert_report(&story, "advice", 0).await;

    story.docplanner.world(|world| {
        let consultation = Service::new("667789", "456", "konsultacja online");
        world.insert_service(consultation.of_dictionary("1"));
    });
    assert_good(&sync(&story).await);
    story
        .sql(
            "INSERT INTO mappings (tenant, kind, address_id, docplanner_id, partner_id)
             VALUES ('acme', 'service', '456', '667789', '9')",
        )
        .await;
    let ran = report(&story, "table").await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.ends_with("Nothing to do: everything is mapped.\n"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_mapping_that_is_out_of_date() {
    let story = story().await;
    assert_good(&sync(&story).await);
    story.sql(ROWS).await;
    // The doctor has deleted the online calendar and opened it again, and both have one schedule.
    story.sql("UPDATE mappings SET partner_id = '3' WHERE docplanner_id = '456'").await;
    story.docplanner.world(|world| {
        let address = world.remove_address("234").unwrap();
        world.insert_address(docplanner_worker::simulator::world::Address {
            id: "235".to_owned(),
            ..address
        });
    });
    assert_good(&sync(&story).await);
    let since = story.sql("SELECT max(gone_at)::date FROM catalog_addresses").await;
    let ran = report(&story, "table").await;
    assert_eq!(ran.code, 1);
    let (_, to_do) = ran.stdout.split_once("TO DO: ").unwrap();
    assert_golden("catalog/out-of-date.txt", &to_do.replace(&since, "DAY"));
}

#[tokio::test]
async fn one_schedule_for_both_addresses_is_right_where_services_tell_online_visits() {
    let mut story = story().await;
    assert_good(&sync(&story).await);
    story.sql(ROWS).await;
    story.sql("UPDATE mappings SET partner_id = '3' WHERE docplanner_id = '456'").await;
    assert_eq!(report(&story, "table").await.code, 1);
    story.settings.tenant.push(r#"online_detection = "service""#.into());
    let ran = report(&story, "table").await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[tokio::test]
async fn a_tenant_that_was_never_synced() {
    let mut story = story().await;
    story.settings.more = "[[tenants]]\nid = \"other\"\ndomain = \"znanylekarz.pl\"\n\
         client_id = \"x\"\nclient_secret = \"y\"\nfacilities = [\"9\"]\n"
        .into();
    assert_good(&sync(&story).await);
    story.sql(ROWS).await;
    let arguments = ["report", "--tenant", "acme", "--output", "json"];
    assert_eq!(mapping(&story, &arguments).await.code, 0, "the other one is not asked about");
    let ran = report(&story, "table").await;
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("\n\ntenant other: never synced completely\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("! never synced completely (1)"), "{}", ran.stdout);
}
