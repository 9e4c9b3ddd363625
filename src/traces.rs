//! What a delivery goes through, as OpenTelemetry spans: the trace of whoever sent the notification goes on here,
//! and on with each event.
//!
//! Spans are made by `tracing` with the target [`TARGET`]. Unless traces are configured nobody listens to it, and a
//! span costs a look at a flag. No span holds personal data: its fields are the words of metrics, and ids.

mod export;

use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use self::export::{Export, Exporting, exporting};

/// The target of all spans, and of nothing else: no module is called so, or its log lines would be filtered with them.
pub const TARGET: &str = "docplanner_worker::spans";

/// A step of a delivery or a timer, by its name.
macro_rules! stage {
    ($name:literal) => {
        tracing::info_span!(target: $crate::traces::TARGET, $name)
    };
}
pub(crate) use stage;

/// A delivery, from its arrival to its settlement. Its empty fields are told at the end, and by [`failed`].
pub fn process(queue: &str, message_id: Option<&str>, traceparent: Option<&str>) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "process",
        otel.name = format!("process {queue}"),
        otel.kind = "consumer",
        otel.status_code = tracing::field::Empty,
        messaging.system = "rabbitmq",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = queue,
        messaging.message.id = message_id,
        error.type = tracing::field::Empty,
        tenant = tracing::field::Empty,
        kind = tracing::field::Empty,
        disposition = tracing::field::Empty,
        attempts = tracing::field::Empty,
        key = tracing::field::Empty,
        booking_id = tracing::field::Empty,
    );
    continue_from(&span, traceparent);
    span
}

/// A timer, from being due to its end.
pub fn fire(kind: &'static str, tenant: &str, booking_id: &str) -> Span {
    tracing::info_span!(
        target: TARGET,
        "fire",
        otel.name = format!("fire {kind}"),
        tenant,
        kind,
        booking_id,
        result = tracing::field::Empty,
    )
}

/// A message on its way to the broker, until it is confirmed. An empty exchange is the default one, whose routing
/// keys are queues.
pub fn send(exchange: &str, routing_key: &str, message_id: Option<&str>) -> Span {
    let destination = if exchange.is_empty() { routing_key } else { exchange };
    tracing::info_span!(
        target: TARGET,
        "send",
        otel.name = format!("send {destination}"),
        otel.kind = "producer",
        otel.status_code = tracing::field::Empty,
        messaging.system = "rabbitmq",
        messaging.operation.name = "send",
        messaging.operation.type = "send",
        messaging.destination.name = destination,
        messaging.rabbitmq.destination.routing_key = routing_key,
        messaging.message.id = message_id,
        error.type = tracing::field::Empty,
    )
}

/// A request to Docplanner.
pub fn request(method: &'static str, url: &reqwest::Url) -> Span {
    tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = format!("{method} {}", template(url.path())),
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.response.status_code = tracing::field::Empty,
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        url.template = template(url.path()),
        url.path = url.path(),
        error.type = tracing::field::Empty,
    )
}

/// Marks a span as failed, by the word in metrics.
pub fn failed(span: &Span, error: &str) {
    span.record("otel.status_code", "ERROR").record("error.type", error);
}

/// What the event is to carry: the span as a parent. `None` while traces are off.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    let context = context(span)?;
    let (trace_id, span_id) = (context.trace_id(), context.span_id());
    Some(format!("00-{trace_id}-{span_id}-{:02x}", context.trace_flags().to_u8()))
}

/// Which trace a delivery belongs to, for its log line: the span's, or, while traces are off, its sender's.
#[must_use]
pub fn trace_id(span: &Span, traceparent: Option<&str>) -> Option<String> {
    let context = context(span).or_else(|| remote(traceparent?))?;
    Some(context.trace_id().to_string())
}

/// A path of the API with names in place of ids: collections and ids take turns.
fn template(path: &str) -> String {
    const RESOURCES: &str = "/integration/";
    let Some((before, resources)) = path.split_once(RESOURCES) else { return path.to_owned() };
    let named = resources.split('/').enumerate().map(|(nth, part)| match nth % 2 {
        0 => part,
        _ => "{id}",
    });
    format!("{before}{RESOURCES}{}", named.collect::<Vec<_>>().join("/"))
}

fn continue_from(span: &Span, traceparent: Option<&str>) {
    if span.is_disabled() {
        return;
    }
    if let Some(remote) = traceparent.and_then(remote) {
        // It fails for a span that has begun, which this one has not.
        let _ = span.set_parent(Context::new().with_remote_span_context(remote));
    }
}

fn context(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context().span().span_context().clone();
    context.is_valid().then_some(context)
}

/// The sender's span (W3C Trace Context). Later versions may add fields at the end; what is wrong begins a new trace.
fn remote(traceparent: &str) -> Option<SpanContext> {
    let mut fields = traceparent.split('-');
    let mut hex = |digits: usize| {
        let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        fields.next().filter(|field| field.len() == digits && field.bytes().all(is_hex))
    };
    let version = hex(2).filter(|version| *version != "ff")?;
    let trace_id = TraceId::from_hex(hex(32)?).ok()?;
    let span_id = SpanId::from_hex(hex(16)?).ok()?;
    let flags = u8::from_str_radix(hex(2)?, 16).ok()?;
    if version == "00" && fields.next().is_some() {
        return None;
    }
    let sampled = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    let context = SpanContext::new(trace_id, span_id, sampled, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_senders_span_is_read_if_it_is_one() {
        let good = remote(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!(good.trace_id().to_string(), TRACE);
        assert_eq!(good.span_id().to_string(), SPAN);
        assert!(good.is_sampled() && good.is_remote());
        assert!(!remote(&format!("00-{TRACE}-{SPAN}-00")).unwrap().is_sampled());
        assert!(remote(&format!("01-{TRACE}-{SPAN}-03-more")).unwrap().is_sampled());
        for wrong in [
            String::new(),
            "nonsense".into(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}é-{SPAN}-01"),
        ] {
            assert_eq!(remote(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ids_are_not_part_of_a_requests_name() {
        let paths = [
            ("/oauth/v2/token", "/oauth/v2/token"),
            ("/api/v3/integration/services", "/api/v3/integration/services"),
            (
                "/proxy/api/v3/integration/facilities/1/doctors/123/addresses",
                "/proxy/api/v3/integration/facilities/{id}/doctors/{id}/addresses",
            ),
            ("/api/v3/integration/facilities/1", "/api/v3/integration/facilities/{id}"),
        ];
        for (path, expected) in paths {
            assert_eq!(template(path), expected);
        }
    }

    #[test]
    fn while_traces_are_off_an_event_has_no_span_and_a_log_line_its_senders_trace() {
        let span = process("in", None, Some(&format!("00-{TRACE}-{SPAN}-01")));
        assert!(span.is_disabled());
        assert_eq!(traceparent(&span), None);
        assert_eq!(trace_id(&span, Some(&format!("00-{TRACE}-{SPAN}-01"))).unwrap(), TRACE);
        assert_eq!(trace_id(&span, None), None);
    }
}
