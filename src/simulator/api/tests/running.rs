//! Who may ask, how much, and what a test can see of it.

use super::*;
use crate::simulator::world::Booking;

#[tokio::test]
async fn a_token_is_given_for_the_right_credentials_only() {
    let docplanner = Simulator::start(Options::default()).await.unwrap();
    let base_url = docplanner.base_url();

    let given = json_of(ask_token(&http(), &base_url, "secret").await).await;
    assert_eq!(given["access_token"].as_str().unwrap().len(), 40);
    assert_eq!(given["expires_in"], 3600);
    assert_eq!(given["token_type"], "bearer");
    assert_eq!(given["scope"], Value::Null);

    let refused = ask_token(&http(), &base_url, "wrong").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json_of(refused).await["error"], "invalid_client");
}

#[tokio::test]
async fn without_a_user_agent_there_is_the_firewall() {
    let docplanner = Simulator::start(Options::default()).await.unwrap();
    http();
    let anonymous = Http::new();

    let answer = ask_token(&anonymous, &docplanner.base_url(), "secret").await;

    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&answer, "x-amzn-waf-action"), "captcha");
    assert!(header(&answer, "content-type").starts_with("text/html"));
}

#[tokio::test]
async fn a_missing_or_expired_token_answers_401() {
    let (docplanner, mut reader) = start(Dialect::spec()).await;
    assert_eq!(reader.status("/facilities").await, 200);

    docplanner.expire_tokens();
    let answer = reader.get("/facilities").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let body = json_of(answer).await;
    assert_eq!(body, json!({ "message": "Authentication credentials could not be found." }));

    docplanner.set_token_lifetime(Duration::ZERO);
    reader = Reader::new(&docplanner).await;
    assert_eq!(reader.status("/facilities").await, 401);
}

#[tokio::test]
async fn the_rate_limit_is_told_and_kept() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    assert!(!reader.get(ADDRESS).await.headers().contains_key("x-ratelimit-limit"));

    docplanner.set_rate_limit(Some(RateLimit::new(2, Duration::from_mins(1)).with_retry_after()));
    let first = reader.get(ADDRESS).await;
    assert_eq!(header(&first, "x-ratelimit-limit"), "2");
    assert_eq!(header(&first, "x-ratelimit-used"), "1");
    assert_eq!(header(&first, "x-ratelimit-remaining"), "1");
    let reset = header(&first, "x-ratelimit-reset");
    assert!(chrono::DateTime::parse_from_rfc3339(reset).unwrap() > chrono::Utc::now());
    assert_eq!(reader.status(ADDRESS).await, 200);

    let refused = reader.get(ADDRESS).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&refused, "x-ratelimit-remaining"), "0");
    let wait: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait));
}

#[tokio::test]
async fn requests_are_counted_and_waited_for() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    let handle = docplanner.handle();
    let waiting = tokio::spawn(async move { handle.wait_for_requests("/addresses/*", 2).await });

    reader.get(ADDRESS).await;
    reader.get("/facilities").await;
    reader.get(&format!("{ADDRESS}?with=address.online_only")).await;

    let seen = tokio::time::timeout(SOON, waiting).await.unwrap().unwrap();
    assert_eq!(seen.operation, Operation::GetAddress);
    assert_eq!(seen.query, "with=address.online_only");
    assert_eq!(docplanner.count("/oauth/v2/token"), 1);
    assert_eq!(docplanner.count("GET /addresses/410151$"), 2);
    assert_eq!(docplanner.requests().len(), 4);
    assert!(docplanner.requests().iter().all(|request| request.status == Some(200)));
}

#[tokio::test]
async fn a_hook_runs_before_the_answer() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    let world = docplanner.handle();
    docplanner.on_request(ADDRESS, move |_| {
        world.world(|world| world.remove_address("410151"));
    });

    assert_eq!(reader.status(ADDRESS).await, 404);
}

#[tokio::test]
async fn stopping_ends_what_hangs_and_frees_the_address() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    docplanner.fault(Fault::hang());
    let listen = docplanner.address();
    let reader = Arc::new(reader);
    let hanging = tokio::spawn({
        let reader = Arc::clone(&reader);
        async move { reader.try_get(ADDRESS).await.map(|_| ()) }
    });
    docplanner.wait_for_request(ADDRESS).await;

    tokio::time::timeout(SOON, docplanner.stop()).await.unwrap();

    assert!(hanging.await.unwrap().is_err());
    assert!(reader.try_get(ADDRESS).await.unwrap_err().is_connect());
    assert!(Simulator::start(Options { listen, ..Options::default() }).await.is_ok());
}

#[tokio::test]
async fn the_control_sets_faults_and_changes_the_world() {
    let (docplanner, reader) = start(Dialect::spec()).await;

    let fault = r#"{"on":"/addresses/410151","effect":{"status":{"code":503}},"times":5}"#;
    let added = reader.control(Method::POST, "/faults", fault).await;
    assert_eq!(added.status(), StatusCode::CREATED);
    assert_eq!(reader.status(ADDRESS).await, 503);
    let listed = json_of(reader.control(Method::GET, "/faults", "").await).await;
    assert_eq!(listed[0]["struck"], 1);
    for wrong in [r#"{"effect":{"status":{"code":42}}}"#, r#"{"effect":"hang","tmes":1}"#] {
        let refused = reader.control(Method::POST, "/faults", wrong).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    reader.control(Method::DELETE, "/faults", "").await;

    let change = r#"{"is_online_only":false}"#;
    let changed = reader.control(Method::PATCH, "/addresses/410151", change).await;
    assert_eq!(json_of(changed).await["visit_payment"], true);
    let path = format!("{ADDRESS}?with=address.online_only");
    assert_eq!(reader.json(&path).await["is_online_only"], false);
    let unknown = reader.control(Method::PATCH, "/addresses/1", change).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);

    let start = "2026-05-01T10:00:00+02:00".parse().unwrap();
    let booking = Booking::new("0", "410151", start).with_payment("failed");
    let booking = serde_json::to_string(&booking).unwrap();
    reader.control(Method::PUT, "/bookings/77", &booking).await;
    let booking = reader.json(&format!("{ADDRESS}/bookings/77")).await;
    assert_eq!(booking["visit_payment_status"], "failed");

    let path = "/clients/demo/secret";
    assert_eq!(reader.control(Method::PUT, path, "new").await.status(), StatusCode::NO_CONTENT);
    let unknown = reader.control(Method::PUT, "/clients/nobody/secret", "new").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let refused = ask_token(&reader.http, &reader.base_url, "secret").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(reader.status(ADDRESS).await, 200, "its token is still in force");

    let counts = json_of(reader.control(Method::GET, "/requests", "").await).await;
    assert_eq!(counts["operations"], json!({ "getToken": 2, "getAddress": 3, "getBooking": 1 }));
    assert_eq!(counts["paths"]["POST /oauth/v2/token"], 2);
    let world = json_of(reader.control(Method::GET, "/world", "").await).await;
    assert_eq!(world["addresses"]["410151"]["is_online_only"], false);
    assert_eq!(docplanner.count("/_simulator"), 0);

    reader.control(Method::DELETE, "/tokens", "").await;
    assert_eq!(reader.status(ADDRESS).await, 401);
}

/// Not a benchmark: it fails only when something is wrong by an order of magnitude.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_many_at_once() {
    let (docplanner, reader) = start(Dialect::spec()).await;
    let reader = Arc::new(reader);
    let ask = |_| {
        let reader = Arc::clone(&reader);
        tokio::spawn(async move {
            for _ in 0..100 {
                assert_eq!(reader.status(ADDRESS).await, 200);
            }
        })
    };

    let started = std::time::Instant::now();
    for task in (0..20).map(ask).collect::<Vec<_>>() {
        task.await.unwrap();
    }

    eprintln!("2000 requests in {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(docplanner.count(ADDRESS), 2000);
}
