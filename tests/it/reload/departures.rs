//! A tenant that is removed: what was begun for it is finished, nothing new is taken.

use docplanner_worker::simulator::api::Fault;

use super::{book_at_beta, tenant, until_reloaded};
use crate::support::{Story, broker::INCOMING, clinic, golden::notification, until};

#[tokio::test]
async fn what_waits_for_a_removed_tenant_is_published_and_what_is_new_is_nobodys() {
    let mut story = Story::begin().await;
    story.settings.broker =
        vec!["retry_delays = [\"200ms\", \"6s\"]\nconfirm_timeout = \"2s\"".into()];
    story.settings.database.push("lease = \"3s\"".into());
    story.settings.tenant.push("facilities = [\"1\"]".into());
    let lines = "facilities = [\"226402\"]\n[tenants.payments]\nwindow = \"2s\"\ngrace = \"0s\"";
    story.settings.more = tenant(&story.docplanner, "beta", lines);
    let worker = story.worker().await;

    // One waits in a retry queue, without a header that says whose it is.
    story.docplanner.fault(Fault::status(503).on("/doctors/161262/"));
    story.deliver(&notification("slot-booked-of-the-guide")).await;
    until("it waits for the last time", async || {
        (story.broker.depth(&format!("{INCOMING}.retry.6s")).await == 1).then_some(())
    })
    .await;
    // Another waits for its payment.
    let mut booking = clinic::to_be_paid("77");
    booking["booked_at"] = chrono::Utc::now().to_rfc3339().into();
    let booked = clinic::told("slot-booked", clinic::ONSITE_PAYMENT, booking).to_string();
    story.broker.deliver(booked.as_bytes(), &[("x-docplanner-tenant", "beta")]).await;
    assert_eq!(story.next_event().await.booking(), "77");

    story.settings.more.clear();
    story.config_file();
    worker.signal("HUP");
    worker.until_logged("leaving: what was begun for beta is finished first").await;
    story.docplanner.clear_faults();
    story.deliver(&notification("slot-booked-of-the-guide")).await;
    let dead = story.next_dead_letter().await;
    assert_eq!(dead.header("x-reason").unwrap(), "unknown-tenant");

    let mut finished = Vec::new();
    for _ in 0..3 {
        let event = story.next_event().await;
        assert_eq!(event.body["tenant"], "beta");
        finished.push((event.booking(), event.body["type"].as_str().unwrap().to_owned()));
    }
    finished.sort();
    let is = |booking: &str, event: &str| (booking.to_owned(), format!("docplanner.{event}.v1"));
    let [waited, its_payment] = ["booking.created", "payment.paid"].map(|it| is("6263715", it));
    assert_eq!(finished, [waited, its_payment, is("77", "payment.paid")]);
    assert!(worker.metrics().await.contains("payments_pending{tenant=\"beta\"}"));

    worker.until_logged("beta is gone").await;
    assert!(!worker.metrics().await.contains("payments_pending{tenant=\"beta\"}"));
    assert!(worker.stop().await.success());
    story.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_tenant_that_comes_back_before_it_is_gone_stays() {
    let mut story = Story::begin().await;
    let beta = tenant(&story.docplanner, "beta", "facilities = [\"226402\"]");
    story.settings.more.clone_from(&beta);
    let worker = story.worker().await;
    book_at_beta(&mut story).await;

    story.settings.more.clear();
    story.config_file();
    worker.signal("HUP");
    until_reloaded(&worker, "applied", 1).await;
    story.settings.more = beta;
    story.config_file();
    worker.signal("HUP");
    until_reloaded(&worker, "applied", 2).await;

    story.docplanner.forget_requests();
    let canceled = notification("booking-canceled").to_string();
    story.broker.deliver(canceled.as_bytes(), &[("x-docplanner-tenant", "beta")]).await;
    assert_eq!(story.next_event().await.body["tenant"], "beta");
    assert_eq!(story.docplanner.count("/oauth/v2/token"), 0, "it kept its client");
    assert!(worker.stop().await.success());
}
