//! Spans on their way to a collector (OTLP over HTTP, protobuf).
//!
//! A collector that is slow or away costs nothing but spans: they wait in a bounded queue, and what does not fit is
//! dropped and counted. Not the SDK's own exporter, which counts no drops, needs a thread, and reads settings from
//! the environment.

use std::{fmt, sync::Arc, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanLimits, SpanProcessor},
};
use prost::Message;
use reqwest::{Client, Url, header::CONTENT_TYPE};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{config::TraceSettings, metrics::Metrics};

/// Spans that wait, at about a kilobyte each. A delivery makes about ten.
const QUEUE: usize = 8_192;

/// Spans in one request.
const BATCH: usize = 512;

/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_millis(200);

/// For one request. Meanwhile the queue fills.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// After a request that failed, so that a collector that refuses is not asked without end.
const PAUSE: Duration = Duration::from_secs(1);

/// For what is left when the worker stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Both ends of the queue: the tracer that fills it, and what empties it.
pub struct Exporting {
    /// Makes spans.
    pub tracer: SdkTracer,
    /// Has to run as long as spans are made.
    pub export: Export,
}

/// The task that sends spans.
pub struct Export {
    spans: mpsc::Receiver<SpanData>,
    /// Taken out of the queue for the next request; here, so that whoever is stopped while it waits loses nothing.
    waiting: Vec<SpanData>,
    resource: ResourceAttributesWithSchema,
    http: Client,
    url: Url,
    metrics: Arc<Metrics>,
    failing: bool,
}

/// The exporting of traces, if the settings name a collector. `instance` tells this process from others.
///
/// # Errors
///
/// If the endpoint is no URL, or TLS cannot be set up.
pub fn exporting(
    settings: &TraceSettings,
    instance: Uuid,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Option<Exporting>> {
    let Some(url) = settings.traces_url().map_err(anyhow::Error::msg)? else { return Ok(None) };
    crate::tls::install_provider();
    let http = Client::builder().timeout(REQUEST_TIMEOUT).build()?;
    let (sender, spans) = mpsc::channel(QUEUE);
    let resource = resource(instance);
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
            settings.sample_ratio,
        ))))
        // Or they come from the environment.
        .with_span_limits(SpanLimits::default())
        .with_resource(resource.clone())
        .with_span_processor(Enqueue { sender, metrics: Arc::clone(metrics) })
        .build();
    let tracer = provider.tracer("docplanner-worker");
    let resource = ResourceAttributesWithSchema::from(&resource);
    let metrics = Arc::clone(metrics);
    let waiting = Vec::with_capacity(BATCH);
    let export = Export { spans, waiting, resource, http, url, metrics, failing: false };
    Ok(Some(Exporting { tracer, export }))
}

fn resource(instance: Uuid) -> Resource {
    let attributes = [
        KeyValue::new("service.name", "docplanner-worker"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", instance.to_string()),
    ];
    Resource::builder_empty().with_attributes(attributes).build()
}

/// Puts finished spans into the queue; never waits.
struct Enqueue {
    sender: mpsc::Sender<SpanData>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Enqueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enqueue").finish_non_exhaustive()
    }
}

impl SpanProcessor for Enqueue {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.sender.try_send(span).is_err() {
            self.metrics.spans("dropped", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Export {
    /// Sends until stopped, then what is left, as far as that goes quickly.
    pub async fn run(mut self, stop: CancellationToken) {
        while let Some(batch) = stop.run_until_cancelled(self.batch()).await {
            let sent = self.send(batch).await;
            let pause = tokio::time::sleep(if sent { Duration::ZERO } else { PAUSE });
            stop.run_until_cancelled(pause).await;
        }
        let flush = async {
            self.top_up();
            while !self.waiting.is_empty() {
                let rest = std::mem::take(&mut self.waiting);
                self.send(rest).await;
                self.top_up();
            }
        };
        if tokio::time::timeout(FLUSH_TIMEOUT, flush).await.is_err() {
            warn!("not every span could be sent to the collector in time");
        }
    }

    /// The next spans: those that there are soon after the first one.
    async fn batch(&mut self) -> Vec<SpanData> {
        if self.waiting.is_empty() {
            self.spans.recv_many(&mut self.waiting, BATCH).await;
        }
        if self.waiting.len() < BATCH {
            tokio::time::sleep(LINGER).await;
            self.top_up();
        }
        std::mem::take(&mut self.waiting)
    }

    /// Takes what there is.
    fn top_up(&mut self) {
        while self.waiting.len() < BATCH
            && let Ok(span) = self.spans.try_recv()
        {
            self.waiting.push(span);
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>) -> bool {
        let count = batch.len();
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let request =
            self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/x-protobuf");
        let refusal = match request.body(body).send().await {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers with status {}", answer.status().as_u16())),
            // The error's own text holds the URL, and that may hold a password.
            Err(error) if error.is_timeout() => Some("it does not answer in time".to_owned()),
            Err(_) => Some("it cannot be reached".to_owned()),
        };
        let sent = refusal.is_none();
        self.metrics.spans(if sent { "exported" } else { "failed" }, count);
        match refusal {
            Some(error) if !self.failing => warn!(error, "the collector does not take traces"),
            None if self.failing => info!("the collector takes traces again"),
            Some(_) | None => {}
        }
        self.failing = !sent;
        sent
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Tracer;

    use super::*;
    use crate::health::Parts;

    #[test]
    fn what_has_no_place_in_the_queue_is_dropped_and_counted() {
        let metrics = Arc::new(Metrics::new([]));
        let (sender, mut spans) = mpsc::channel(2);
        let enqueue = Enqueue { sender, metrics: Arc::clone(&metrics) };
        let provider = SdkTracerProvider::builder().with_span_processor(enqueue).build();
        let tracer = provider.tracer("test");
        for name in ["first", "second", "third"] {
            drop(tracer.start(name));
        }
        let names = std::iter::from_fn(|| spans.try_recv().ok()).map(|span| span.name);
        assert_eq!(names.collect::<Vec<_>>(), ["first", "second"]);
        let text = metrics.render(Parts::default());
        assert!(text.contains("spans_total{result=\"dropped\"} 1"), "{text}");
    }
}
