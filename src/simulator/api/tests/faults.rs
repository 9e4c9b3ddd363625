//! What goes wrong.

use super::*;

#[tokio::test]
async fn statuses_strike_as_often_as_they_should() {
    let (docplanner, reader) = start(Dialect::spec()).await;

    for status in [401, 403, 404, 429, 500, 502, 503, 504] {
        docplanner.fault(Fault::status(status).on("GET /addresses/410151").times(2));
        assert_eq!(reader.status(ADDRESS).await, status);
        assert_eq!(reader.status("/facilities").await, 200);
        assert_eq!(reader.status(ADDRESS).await, status);
        assert_eq!(reader.status(ADDRESS).await, 200);
    }
}

#[tokio::test]
async fn a_429_says_when_to_come_back_only_if_told_to() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    let bare = Fault::status(429).times(1);
    docplanner.fault(bare.clone());
    docplanner.fault(bare.clone().retry_after(Duration::from_secs(7)));
    docplanner.fault(bare.reset_after(Duration::from_mins(5)));

    let answer = reader.get(ADDRESS).await;
    assert!(!answer.headers().contains_key("retry-after"));
    assert!(!answer.headers().contains_key("x-ratelimit-reset"));
    assert_eq!(header(&reader.get(ADDRESS).await, "retry-after"), "7");
    let answer = reader.get(ADDRESS).await;
    assert_eq!(header(&answer, "x-ratelimit-remaining"), "0");
    assert!(header(&answer, "x-ratelimit-reset").contains('T'));
}

#[tokio::test]
async fn the_firewall_answers_html() {
    let (docplanner, reader) = start(Dialect::spec()).await;

    for (code, action) in [(405, "captcha"), (403, "block")] {
        docplanner.fault(Fault::firewall(code).times(1));
        let answer = reader.get(ADDRESS).await;
        assert_eq!(answer.status().as_u16(), code);
        assert_eq!(header(&answer, "x-amzn-waf-action"), action);
        assert!(answer.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_on_the_wire() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let (docplanner, reader) = start(Dialect::spec()).await;
    docplanner.fault(Fault::reset());
    let failure = reader.try_get(ADDRESS).await.unwrap_err();
    assert_eq!(io_kind(&failure), Some(io::ErrorKind::ConnectionReset));

    let mut socket = tokio::net::TcpStream::connect(docplanner.address()).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let failure = socket.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(failure.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(docplanner.requests().last().unwrap().status, None);
}

#[tokio::test]
async fn what_hangs_is_answered_when_it_is_released() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    docplanner.fault(Fault::hang().on("/addresses/*"));

    let mut asked = std::pin::pin!(reader.get(ADDRESS));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut asked).await;
    assert!(early.is_err(), "answered too early");
    assert_eq!(docplanner.count(ADDRESS), 1);

    docplanner.release();
    let answer = tokio::time::timeout(SOON, asked).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn latency_delays_the_answer() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    docplanner.fault(Fault::latency(Duration::from_millis(80)).times(1));

    let start = std::time::Instant::now();
    assert_eq!(reader.status(ADDRESS).await, 200);

    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn bodies_can_be_garbage_cut_short_or_of_another_shape() {
    let (docplanner, reader) = start(Dialect::spec()).await;

    docplanner.fault(Fault::garbage().times(1));
    let answer = reader.get(ADDRESS).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).is_err());

    docplanner.fault(Fault::truncated().times(1));
    let mut answer = reader.get(ADDRESS).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.chunk().await.unwrap().is_some(), "half of the body arrives");
    assert!(answer.chunk().await.is_err());

    docplanner.fault(Fault::wrong_shape().times(1));
    let body = reader.json(ADDRESS).await;
    assert_eq!(body["_items"], "none");
}
