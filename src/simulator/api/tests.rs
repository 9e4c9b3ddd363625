//! The API over real HTTP.

use std::error::Error as _;
use std::io;
use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::{Client as Http, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::*;

mod faults;
mod resources;
mod running;

const ADDRESS: &str = "/facilities/226402/doctors/161262/addresses/410151";
const SOON: Duration = Duration::from_secs(5);

/// Somebody with a token.
struct Reader {
    http: Http,
    base_url: String,
    token: String,
}

impl Reader {
    async fn new(docplanner: &Simulator) -> Self {
        let (http, base_url) = (http(), docplanner.base_url());
        let answer = ask_token(&http, &base_url, "secret").await;
        let body: Value = json_of(answer).await;
        let token = body["access_token"].as_str().unwrap().to_owned();
        Self { http, base_url, token }
    }

    async fn try_get(&self, path: &str) -> reqwest::Result<Response> {
        let url = format!("{}/api/v3/integration{path}", self.base_url);
        self.http.get(url).bearer_auth(&self.token).send().await
    }

    async fn get(&self, path: &str) -> Response {
        self.try_get(path).await.unwrap()
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }

    async fn json(&self, path: &str) -> Value {
        json_of(self.get(path).await).await
    }

    async fn control(&self, method: Method, path: &str, body: &str) -> Response {
        let url = format!("{}/_simulator{path}", self.base_url);
        let request = self.http.request(method, url).header("content-type", "application/json");
        request.body(body.to_owned()).send().await.unwrap()
    }
}

/// A client needs a TLS provider even for plain HTTP.
fn http() -> Http {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Somebody else may have installed one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Http::builder().user_agent("tests").build().unwrap()
}

async fn ask_token(http: &Http, base_url: &str, secret: &str) -> Response {
    let form = [("grant_type", "client_credentials"), ("scope", "integration")];
    let request = http.post(format!("{base_url}/oauth/v2/token"));
    request.basic_auth("demo", Some(secret)).form(&form).send().await.unwrap()
}

async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn start(dialect: Dialect) -> (Simulator, Reader) {
    let docplanner = Simulator::start(Options { dialect, ..Options::default() }).await.unwrap();
    let reader = Reader::new(&docplanner).await;
    (docplanner, reader)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).unwrap().to_str().unwrap()
}

/// The outermost `io::Error` of a failure.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = cause.source();
    }
    None
}
