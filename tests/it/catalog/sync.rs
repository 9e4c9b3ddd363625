//! What a walk stores, asks and tells.

use docplanner_worker::simulator::{
    api::{Client, Dialect, Fault, Options},
    world::{World, WorldOptions},
};
use serde_json::Value;

use super::{LISTS, asked, assert_good, mapping, start_sync, stored, story, sync, world};
use crate::support::{Story, golden::assert_golden, until};

#[tokio::test]
async fn a_walk_stores_what_exists_and_tells_how_much() {
    let story = story().await;

    let ran = sync(&story).await;

    assert_good(&ran);
    assert_golden("catalog/stored.txt", &format!("{}\n", stored(&story).await));
    let (first, rest) = ran.stdout.split_once('\n').unwrap();
    assert!(first.starts_with("tenant acme: walked in "), "{first}");
    assert!(first.ends_with(&format!("; lists read: {LISTS}")), "{first}");
    assert_golden("catalog/summary.txt", rest);
    assert_eq!(ran.stderr, "acme: doctor 13 has no address at facility 139878\n");
}

#[tokio::test]
async fn the_summary_is_told_to_machines() {
    let story = story().await;
    let arguments = ["sync", "--tenant", "acme", "--output", "json"];
    let ran = mapping(&story, &arguments).await;
    assert_good(&ran);
    let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(summary["tenant"], "acme");
    assert_eq!(summary["resumed"], false);
    assert_eq!(summary["lists_read"], LISTS);
    assert_eq!(summary["services"]["exist"], 6);
    assert_eq!(summary["online_consultation"][0]["name"], "konsultacja online");
}

#[tokio::test]
async fn no_name_of_a_person_or_a_place_is_stored() {
    let story = story().await;
    assert_good(&sync(&story).await);
    for table in ["walks", "facilities", "doctors", "addresses", "services"] {
        let query = format!("SELECT string_agg(t::text, ' ') FROM catalog_{table} AS t");
        let text = story.sql(&query).await;
        assert!(text.contains("acme"), "{table} has rows");
        for name in ["Zofia", "Wzorcowa", "Gabinet", "Kolejowa", "Warszawa"] {
            assert!(!text.contains(name), "{name} is in catalog_{table}");
        }
    }
}

#[tokio::test]
async fn every_dialect_gives_the_same_catalog_and_embedded_addresses_save_requests() {
    let pages = Dialect { page_size: Some(1), ..Dialect::spec() };
    let pages_of_all = Dialect { page_size: Some(2), ..Dialect::lenient() };
    let mut all = Vec::new();
    for (dialect, address_lists) in [
        // The first one finds out how to ask.
        (Dialect::spec(), 3 + 1),
        (Dialect::source_page(), 0),
        (Dialect::lenient(), 0),
        (pages, 3 + 1 + 2),
        (pages_of_all, 0),
    ] {
        let story = story().await;
        story.docplanner.set_dialect(dialect.clone());
        assert_good(&sync(&story).await);
        let lists = asked(&story, "/doctors/*/addresses$");
        assert!(lists.abs_diff(address_lists) <= 2, "{lists} lists of addresses: {dialect:?}");
        all.push(stored(&story).await);
    }
    assert!(all.iter().all(|stored| *stored == all[0]), "{all:#?}");
}

#[tokio::test]
async fn a_large_world_is_walked_completely_with_one_request_for_each_list() {
    let options = WorldOptions { seed: 3, facilities: 6, doctors_per_facility: 12, country: None };
    let world = World::generate(&options);
    let counts = [
        world.facilities().count(),
        6 * 12,
        world.addresses().count(),
        world.addresses().map(|address| world.services_of(&address.id).count()).sum(),
    ];
    let story = Story::begin_with(Options { world, ..Options::default() }).await;
    story.docplanner.set_dialect(Dialect::lenient());

    let arguments = ["sync", "--tenant", "acme", "--per-minute", "100000", "--output", "json"];
    let ran = mapping(&story, &arguments).await;

    assert_good(&ran);
    let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
    let told = ["facilities", "doctors", "addresses", "services"]
        .map(|what| usize::try_from(summary[what]["exist"].as_u64().unwrap()).unwrap());
    assert_eq!(told, counts);
    let requests = asked(&story, "GET /api/v3/integration");
    assert_eq!(requests, 2 + 6 + u64::try_from(counts[2]).unwrap());
}

#[tokio::test]
async fn what_no_longer_exists_is_noticed_at_the_end_of_a_complete_walk() {
    let story = story().await;
    assert_good(&sync(&story).await);
    story.docplanner.world(|world| {
        world.remove_address("234");
        world.remove_service("123", "445566");
    });
    let gone = async || {
        story
            .sql(
                "SELECT (SELECT count(*) FROM catalog_addresses WHERE gone_at IS NOT NULL)
                     || ' ' || (SELECT count(*) FROM catalog_services WHERE gone_at IS NOT NULL)",
            )
            .await
    };

    story.docplanner.fault(Fault::status(503).on("/addresses/345/services"));
    let broken_off = mapping(&story, &["sync", "--tenant", "acme", "--patience", "0s"]).await;
    assert_eq!(broken_off.code, 1, "{}", broken_off.stderr);
    assert_eq!(gone().await, "0 0");

    story.docplanner.clear_faults();
    let ran = sync(&story).await;
    assert_good(&ran);
    assert_eq!(gone().await, "1 2", "address 234 with its service, and the USG at address 123");
    assert!(ran.stdout.contains("addresses   3, 1 gone"), "{}", ran.stdout);

    story.docplanner.world(|it| *it = world());
    assert_good(&sync(&story).await);
    assert_eq!(gone().await, "0 0", "it is back");
}

#[tokio::test]
async fn what_the_api_refuses_in_the_middle_is_told_and_left_out() {
    let (services, addresses) = ("/addresses/234/services", "/doctors/12/addresses$");
    let (address, doctor) = ("address 139878 11 234", "doctor 139878 12");
    for (status, path, list, gone) in [
        (404, services, "services of address 234", address),
        (403, services, "services of address 234", address),
        (403, addresses, "addresses of doctor 12 at facility 139878", doctor),
    ] {
        let story = story().await;
        story.docplanner.fault(Fault::status(status).on(path));

        let ran = sync(&story).await;

        assert_good(&ran);
        let told = format!("acme: {list}: the API answers {status}; left out of this walk\n");
        assert!(ran.stderr.contains(&told), "{}", ran.stderr);
        assert!(ran.stdout.contains(&format!("left out: {list} ({status})\n")), "{}", ran.stdout);
        let stored = stored(&story).await;
        assert!(stored.contains("service 123 112233") && !stored.contains(gone), "{stored}");
    }
}

#[tokio::test]
async fn only_the_tenants_own_facilities_are_walked() {
    let mut story = Story::begin().await;
    story.settings.tenant.push(r#"facilities = ["1", "999"]"#.into());
    let ran = sync(&story).await;
    assert_good(&ran);
    assert_eq!(asked(&story, "/facilities/226402"), 0);
    assert!(ran.stderr.contains("facility 999 is in the settings, but"), "{}", ran.stderr);
}

#[tokio::test]
async fn an_api_that_shows_nothing_changes_nothing() {
    let story = story().await;
    assert_good(&sync(&story).await);
    let before = stored(&story).await;
    story.docplanner.world(|world| *world = World::empty());
    let ran = sync(&story).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("nothing is changed"), "{}", ran.stderr);
    assert_eq!(stored(&story).await, before);
}

#[tokio::test]
async fn an_api_that_refuses_the_facilities_ends_a_walk_at_once() {
    let story = story().await;
    story.docplanner.fault(Fault::status(403).on("/facilities$"));
    let ran = sync(&story).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("error: facilities: the API answers 403; "), "{}", ran.stderr);
}

#[tokio::test]
async fn wrong_credentials_end_a_walk_at_once() {
    let options = Options {
        world: world(),
        clients: vec![Client::new("demo", "another secret")],
        ..Options::default()
    };
    let story = Story::begin_with(options).await;
    let ran = sync(&story).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("does not accept our credentials"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_tenant_is_walked_by_one_at_a_time() {
    let story = story().await;
    story.docplanner.fault(Fault::hang().on("/facilities$"));
    let first = start_sync(&story).await;
    until("the first one asks", async || (asked(&story, "/facilities$") > 0).then_some(())).await;

    let second = sync(&story).await;

    assert_eq!(second.code, 1);
    assert!(second.stderr.contains("another `mapping sync`"), "{}", second.stderr);
    story.docplanner.clear_faults();
    assert_good(&first.ended().await);
}

#[tokio::test]
async fn a_tenant_that_is_not_in_the_settings_is_wrong_usage() {
    let story = story().await;
    for command in ["sync", "report"] {
        let ran = mapping(&story, &[command, "--tenant", "nobody"]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        let told = r#"unknown tenant "nobody"; the settings have: acme"#;
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_dictionary_without_the_online_consultation_is_told() {
    let story = story().await;
    story.docplanner.fault(Fault::status(404).on("/integration/services$"));
    let ran = sync(&story).await;
    assert_good(&ran);
    assert!(ran.stderr.contains("dictionary of services: the API answers 404"), "{}", ran.stderr);
    let report = mapping(&story, &["report"]).await;
    assert!(report.stdout.contains("- online consultation service not known"), "{}", report.stdout);
}
