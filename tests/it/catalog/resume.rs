//! A walk that was interrupted goes on where it was.

use std::time::Duration;

use docplanner_worker::simulator::api::Fault;

use super::{LISTS, asked, assert_good, mapping, start_sync, stored, story, sync};
use crate::support::{Story, until, worker::Ran};

/// Lists of services, the last ones of a walk.
const SERVICES: &str = "/addresses/*/services$";
/// The list that does not come.
const MISSING: &str = "/addresses/345/services$";

/// Waits until all but the missing list are stored.
async fn until_the_rest_is_stored(story: &Story) {
    until("three of four addresses are read", async || {
        let read = story.sql("SELECT count(*) FROM catalog_addresses WHERE listed = 1").await;
        (read == "3").then_some(())
    })
    .await;
}

/// Everything was asked once, except what was missing.
fn assert_nothing_is_asked_twice(story: &Story) {
    for list in ["/facilities$", "/integration/services$", "/addresses/123/services$"] {
        assert_eq!(asked(story, list), 1, "{list}");
    }
    assert_eq!(asked(story, SERVICES), 3 + asked(story, MISSING));
}

async fn complete_catalog() -> String {
    let story = story().await;
    assert_good(&sync(&story).await);
    stored(&story).await
}

#[tokio::test]
async fn a_walk_that_was_interrupted_or_killed_goes_on_and_asks_nothing_twice() {
    for (signal, code) in [("INT", 1), ("TERM", 1), ("KILL", -1)] {
        let story = story().await;
        story.docplanner.fault(Fault::hang().on(MISSING));
        let first = start_sync(&story).await;
        until_the_rest_is_stored(&story).await;

        first.signal(signal);
        let first = first.ended().await;
        assert_eq!((first.code, first.stdout.as_str()), (code, ""), "{signal}");
        if code == 1 {
            assert!(first.stderr.contains("interrupted; the same command goes on"), "{signal}");
        }
        story.docplanner.clear_faults();
        let second = sync(&story).await;

        assert_good(&second);
        let told = format!("{} of its lists are read already", LISTS - 1);
        assert!(second.stderr.contains(&told), "{}", second.stderr);
        assert!(second.stdout.contains("goes on with an interrupted one; lists read: 1\n"));
        assert_eq!(asked(&story, MISSING), 2, "{signal}");
        assert_nothing_is_asked_twice(&story);
        assert_eq!(stored(&story).await, complete_catalog().await);
    }
}

/// `mapping sync` that does not wait long for an API that is away.
async fn impatient_sync(story: &Story, patience: &str) -> Ran {
    mapping(story, &["sync", "--tenant", "acme", "--patience", patience]).await
}

#[tokio::test]
async fn an_api_that_goes_down_ends_the_walk_and_its_return_goes_on() {
    let story = story().await;
    let docplanner = story.docplanner.handle();
    story.docplanner.on_request("/doctors/12/addresses$", move |_| {
        docplanner.fault(Fault::status(503));
    });
    let first = impatient_sync(&story, "1s").await;
    assert_eq!((first.code, first.stdout.as_str()), (1, ""));
    assert!(first.stderr.contains("the API answered with status 503"), "{}", first.stderr);
    assert!(first.stderr.contains("the same command goes on from here"), "{}", first.stderr);

    story.docplanner.clear_faults();
    assert_good(&sync(&story).await);

    let requests = story.docplanner.requests();
    let answered = requests.iter().filter(|request| request.status == Some(200));
    let mut lists: Vec<_> = answered.map(|request| &request.path).collect();
    lists.retain(|path| !path.contains("/oauth/"));
    assert_eq!(lists.len(), LISTS, "each list was answered once: {lists:#?}");
    assert_eq!(stored(&story).await, complete_catalog().await);
}

#[tokio::test]
async fn a_list_that_alone_is_not_answered_does_not_stop_the_others() {
    let story = story().await;
    assert_good(&sync(&story).await);
    story.docplanner.world(|world| world.remove_service("123", "445566"));
    story.docplanner.fault(Fault::status(500).on(MISSING));
    // So that there is something to answer after the first failure.
    let late = Duration::from_millis(700);
    story.docplanner.fault(Fault::latency(late).on("/doctors/11/addresses$"));

    let first = impatient_sync(&story, "3s").await;

    assert_eq!((first.code, first.stdout.as_str()), (1, ""));
    let told = "acme: services of address 345: the API answered with status 500; set aside";
    assert!(first.stderr.contains(told), "{}", first.stderr);
    assert!(first.stderr.contains("1 of the lists could not be read"), "{}", first.stderr);
    let read = story.sql("SELECT count(*) FROM catalog_addresses WHERE listed = 2").await;
    assert_eq!(read, "3");
    assert!(stored(&story).await.contains("445566"), "not gone before a complete walk");

    story.docplanner.clear_faults();
    let second = sync(&story).await;
    assert_good(&second);
    assert!(second.stdout.contains("; lists read: 1\n"), "{}", second.stdout);
    assert!(!stored(&story).await.contains("445566"));
}

#[tokio::test]
async fn an_api_that_is_away_for_a_moment_is_asked_again() {
    for fault in [
        Fault::status(503),
        Fault::reset(),
        Fault::garbage(),
        Fault::truncated(),
        Fault::wrong_shape(),
    ] {
        let story = story().await;
        story.docplanner.fault(fault.clone().on(MISSING).times(2));
        let ran = sync(&story).await;
        assert_good(&ran);
        assert_eq!(asked(&story, MISSING), 3, "{fault:?}");
        assert_eq!(ran.stderr.matches("acme: waits until ").count(), 1, "{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_walk_begins_anew_when_asked_or_when_the_interrupted_one_is_old() {
    let story = story().await;
    story.docplanner.fault(Fault::status(503).on(MISSING));
    let broken_off = async || impatient_sync(&story, "0s").await;
    assert_eq!(broken_off().await.code, 1);
    story.sql("UPDATE catalog_walks SET started_at = started_at - interval '25 hours'").await;
    let old = broken_off().await;
    assert!(old.stderr.contains("acme: begins anew: the interrupted walk is from "));
    assert_eq!(asked(&story, "/facilities$"), 2);

    story.docplanner.clear_faults();
    assert_good(&mapping(&story, &["sync", "--tenant", "acme", "--restart"]).await);
    assert_eq!(asked(&story, "/facilities$"), 3);

    assert_good(&sync(&story).await);
    assert_eq!(asked(&story, "/facilities$"), 4, "after a complete walk the next one is a new one");
}
