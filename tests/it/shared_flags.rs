//! What the API told one worker, all of them know; and what has changed, too.

mod changes;
mod cold_start;
mod kept;
mod lists;

use docplanner_worker::simulator::api::Dialect;
use serde_json::Value;

use crate::support::{Story, broker::Published, clinic, until, worker::Worker};

/// Requests for all addresses of any doctor.
const LISTS: &str = "GET /doctors/*/addresses$";
/// Those, and whatever is below them.
const ANY_ADDRESS: &str = "GET /doctors/*/addresses";

/// A story whose API takes every scope, so that one lookup is one request.
async fn story() -> Story {
    let story = Story::begin().await;
    story.docplanner.set_dialect(Dialect::lenient());
    story
}

/// Requests for addresses so far: lists, and addresses by themselves.
fn asked(story: &Story) -> u64 {
    story.docplanner.count(LISTS) + story.docplanner.count("GET /doctors/*/addresses/*$")
}

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

fn as_of(event: &Published) -> &Value {
    &event.body["data"]["address"]["flags_as_of"]
}

/// How many look-ups came out like this.
async fn looked_up(worker: &Worker, result: &str) -> f64 {
    worker.metric("flags_cache_requests_total", &[&format!("result=\"{result}\"")]).await
}

async fn assert_looked_up(worker: &Worker, result: &str, expected: u32) {
    worker
        .assert_metric("flags_cache_requests_total", &[&format!("result=\"{result}\"")], expected)
        .await;
}

/// Waits until so many statements wait for a lock that the story holds.
async fn until_locked_out(story: &Story, statements: u32) {
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until(&format!("{statements} statements wait"), async || {
        (story.sql(waiting).await.parse::<u32>().unwrap() >= statements).then_some(())
    })
    .await;
}
