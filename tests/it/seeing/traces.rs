//! Traces, as a collector gets them.

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

use crate::support::{
    Story, clinic,
    collector::{Collector, attribute, hex},
    proxy::{ANY, Proxy},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SENDER: &str = "00f067aa0ba902b7";

async fn traced_story() -> (Story, Collector) {
    let collector = Collector::start().await;
    let mut story = Story::begin().await;
    story.settings.more = collector.settings();
    (story, collector)
}

async fn deliver(story: &Story, booking: &str, traceparent: &str) {
    let body = clinic::slot_booked(booking, clinic::ONSITE).to_string();
    story.broker.deliver(body.as_bytes(), &[("traceparent", traceparent)]).await;
}

fn told(span: &Span, key: &str) -> String {
    attribute(&span.attributes, key).unwrap_or_else(|| panic!("{} has no {key}", span.name))
}

fn is_child(child: &Span, parent: &Span) -> bool {
    child.parent_span_id == parent.span_id
}

#[tokio::test]
async fn the_senders_trace_goes_on_through_the_stages_and_onto_the_event() {
    let (mut story, collector) = traced_story().await;
    let worker = story.worker().await;
    deliver(&story, "1", &format!("00-{TRACE}-{SENDER}-01")).await;
    let event = story.next_event().await;
    worker.until_settled("published", 1).await;
    let log = worker.log();
    // What is not sent yet is sent now.
    assert!(worker.stop().await.success());

    let process = collector.span(TRACE, "process docplanner.notifications").await;
    assert_eq!(hex(&process.parent_span_id), SENDER);
    assert_eq!(process.kind(), SpanKind::Consumer);
    for (key, value) in [
        ("messaging.system", "rabbitmq"),
        ("messaging.operation.type", "process"),
        ("messaging.destination.name", "docplanner.notifications"),
        ("tenant", "acme"),
        ("kind", "slot-booked"),
        ("disposition", "published"),
        ("booking_id", "1"),
    ] {
        assert_eq!(told(&process, key), value, "{key}");
    }
    for stage in ["decode", "claim", "look up", "send docplanner.events", "close", "settle"] {
        let stage = collector.span(TRACE, stage).await;
        assert!(is_child(&stage, &process), "{} is a stage", stage.name);
    }

    let send = collector.span(TRACE, "send docplanner.events").await;
    assert_eq!(send.kind(), SpanKind::Producer);
    assert_eq!(told(&send, "messaging.rabbitmq.destination.routing_key"), event.routing_key);
    assert_eq!(told(&send, "messaging.message.id"), event.id());
    let parent = format!("00-{TRACE}-{}-01", hex(&send.span_id));
    assert_eq!(event.header("traceparent"), Some(parent));

    let look_up = collector.span(TRACE, "look up").await;
    let list = "/api/v3/integration/facilities/{id}/doctors/{id}/addresses";
    for name in [format!("GET {list}"), "POST /oauth/v2/token".into()] {
        // The first question may be in a dialect that the API does not know.
        let spans = collector.spans();
        let is_good =
            |span: &&Span| span.name == name && told(span, "http.response.status_code") == "200";
        let request = spans.iter().find(is_good).unwrap();
        assert!(is_child(request, &look_up), "{name}");
        assert_eq!(request.kind(), SpanKind::Client);
        assert_eq!(told(request, "http.request.method"), name.split(' ').next().unwrap());
    }
    let line = log.find("settled: published").unwrap();
    assert!(line.contains(&format!("\"trace_id\":\"{TRACE}\"")), "{line}");
    assert_resource_is_named(&collector);
}

fn assert_resource_is_named(collector: &Collector) {
    for resource in collector.received() {
        let resource = resource.resource.unwrap();
        let told = |key| attribute(&resource.attributes, key).unwrap();
        assert_eq!(told("service.name"), "docplanner-worker");
        assert_eq!(told("service.version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(told("service.instance.id").len(), 36);
    }
}

#[tokio::test]
async fn a_sender_decides_whether_its_trace_is_kept_and_who_has_none_gets_one() {
    let (mut story, collector) = traced_story().await;
    let worker = story.worker().await;
    deliver(&story, "1", &format!("00-{TRACE}-{SENDER}-00")).await;
    let event = story.next_event().await.header("traceparent").unwrap();
    assert!(event.starts_with(&format!("00-{TRACE}-")) && event.ends_with("-00"), "{event}");

    // What does not fit is no trace; and a delivery that fails is one that failed.
    story.broker.deliver(b"nonsense", &[("traceparent", "nonsense")]).await;
    story.next_dead_letter().await;
    worker.until_settled("dead_letter", 1).await;
    assert!(worker.stop().await.success());

    let spans = collector.spans();
    assert!(spans.iter().all(|span| hex(&span.trace_id) != TRACE), "nobody keeps it");
    let failed = spans.iter().find(|span| span.name.starts_with("process ")).unwrap();
    assert!(failed.parent_span_id.is_empty(), "it is the first of its trace");
    assert_eq!(failed.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(told(failed, "error.type"), "malformed");
    let handed_over = spans.iter().find(|span| span.name == "send docplanner.notifications.dead");
    assert_eq!(handed_over.unwrap().trace_id, failed.trace_id);
}

#[tokio::test]
async fn a_timers_event_carries_the_span_that_published_it() {
    let (mut story, collector) = traced_story().await;
    let worker = story.worker().await;
    let booking = clinic::to_be_paid("1");
    story.deliver(&clinic::told("slot-booked", clinic::ONLINE_PAYMENT, booking)).await;
    story.next_event().await;
    worker.until_settled("published", 1).await;
    story.sql("UPDATE timers SET fire_at = now()").await;
    let event = story.next_event().await.header("traceparent").unwrap();
    let trace_id = event.split('-').nth(1).unwrap();
    let fire = collector.span(trace_id, "fire payment").await;
    let send = collector.span(trace_id, "send docplanner.events").await;
    assert!(is_child(&send, &fire));
    assert_eq!(event.split('-').nth(2).unwrap(), hex(&send.span_id));
}

#[tokio::test]
async fn a_collector_that_does_not_answer_costs_spans_and_nothing_else() {
    let collector = Collector::start().await;
    let mut story = Story::begin().await;
    let proxy = Proxy::before(&collector.address()).await;
    story.settings.more = proxy.instead_of(&collector.address(), &collector.settings());
    proxy.stall_requests(ANY);
    let worker = story.worker().await;
    for booking in ["1", "2", "3"] {
        deliver(&story, booking, &format!("00-{TRACE}-{SENDER}-01")).await;
        story.next_event().await;
    }
    worker.until_settled("published", 3).await;
    worker.until_logged("the collector does not take traces").await;
    assert!(worker.metric("spans_total", &["result=\"failed\""]).await > 0.0);
    proxy.flow();
    deliver(&story, "4", &format!("00-{TRACE}-{SENDER}-01")).await;
    worker.until_logged("the collector takes traces again").await;
    proxy.stall_requests(ANY);
    deliver(&story, "5", &format!("00-{TRACE}-{SENDER}-01")).await;
    worker.until_settled("published", 5).await;
    // What cannot be sent keeps nobody from stopping.
    assert!(worker.stop().await.success());
}
