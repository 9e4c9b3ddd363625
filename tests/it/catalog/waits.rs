//! A walk stays within the tenant's quota: it waits, says so, and does not fail.

use std::time::Duration;

use docplanner_worker::simulator::api::{Fault, RateLimit};

use super::{asked, assert_good, story, sync};

#[tokio::test]
async fn a_quarter_of_a_small_quota_is_left_to_the_workers() {
    let story = story().await;
    story.docplanner.set_rate_limit(Some(RateLimit::new(12, Duration::from_secs(2))));

    let ran = sync(&story).await;

    assert_good(&ran);
    assert!(ran.stderr.contains("acme: waits until "), "{}", ran.stderr);
    assert!(ran.stderr.contains("of 12 requests are left of the quota"), "{}", ran.stderr);
    let statuses = story.docplanner.requests().into_iter().filter_map(|request| request.status);
    assert_eq!(statuses.filter(|status| *status == 429).count(), 0);
}

#[tokio::test]
async fn a_limit_is_waited_for_as_long_as_the_api_says() {
    let second = Duration::from_secs(1);
    for limit in [Fault::status(429).retry_after(second), Fault::status(429).reset_after(second)] {
        let story = story().await;
        story.docplanner.fault(limit.clone().on("/addresses/345/services$").times(1));

        let ran = sync(&story).await;

        assert_good(&ran);
        assert!(ran.stderr.contains(": the API limits our rate\n"), "{}", ran.stderr);
        assert_eq!(asked(&story, "/addresses/345/services$"), 2, "{limit:?}");
    }
}
