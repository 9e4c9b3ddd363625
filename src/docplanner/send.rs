//! One request to the API, with its span. The trace is not told to Docplanner: it is none of its business.

use reqwest::{RequestBuilder, Url};
use tracing::Instrument;

use super::{
    ApiError,
    answer::{Answer, classify},
};
use crate::{clock::Clock, traces};

/// Sends a request and reads the answer.
pub(super) async fn send(
    request: RequestBuilder,
    method: &'static str,
    url: &Url,
    clock: Clock,
) -> Result<Answer, ApiError> {
    let span = traces::request(method, url);
    // Boxed: whoever waits for it holds many futures already.
    let answered = Box::pin(async {
        let answer = request.send().await;
        if let Ok(response) = &answer {
            span.record("http.response.status_code", response.status().as_u16());
        }
        classify(answer, clock).await
    });
    let result = answered.instrument(span.clone()).await;
    if let Err(error) = &result {
        traces::failed(&span, error.label());
    }
    result
}
