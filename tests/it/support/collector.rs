//! An OpenTelemetry collector that keeps what it gets (OTLP over HTTP, protobuf).

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span},
};
use prost::Message;

use super::until;

pub struct Collector {
    address: String,
    received: Arc<Mutex<Vec<ResourceSpans>>>,
}

impl Collector {
    pub async fn start() -> Self {
        let received: Arc<Mutex<Vec<ResourceSpans>>> = Arc::default();
        let written = Arc::clone(&received);
        let take = async move |body: Bytes| {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            written.lock().unwrap().extend(request.resource_spans);
        };
        let routes = Router::new().route("/v1/traces", post(take));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, received }
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// The section of the settings that names it.
    pub fn settings(&self) -> String {
        format!("[traces]\nendpoint = \"http://{}\"\n", self.address)
    }

    /// Everything that was received, as it came.
    pub fn received(&self) -> Vec<ResourceSpans> {
        self.received.lock().unwrap().clone()
    }

    pub fn spans(&self) -> Vec<Span> {
        let scopes = self.received().into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The span of this name in this trace, once it is there.
    pub async fn span(&self, trace_id: &str, name: &str) -> Span {
        until(&format!("span {name:?} is received"), async || self.find(trace_id, name)).await
    }

    fn find(&self, trace_id: &str, name: &str) -> Option<Span> {
        let is_it = |span: &Span| hex(&span.trace_id) == trace_id && span.name == name;
        self.spans().into_iter().find(is_it)
    }
}

/// An id as it is written.
pub fn hex(id: &[u8]) -> String {
    use std::fmt::Write;
    id.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// An attribute as text.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}
