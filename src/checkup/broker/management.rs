//! Questions to RabbitMQ's management API; all of them read only.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::try_join_all;
use lapin::uri::{AMQPScheme, AMQPUri};
use reqwest::{Client, StatusCode, Url};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{broker::Topology, config::BrokerSettings};

/// It only adds to what AMQP tells, so it is not waited for long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The management API as the user in its URL, or else the broker's.
pub(super) struct Management {
    http: Client,
    url: Url,
    uri: AMQPUri,
}

/// What it tells of a topology.
#[derive(Debug, Default)]
pub(super) struct Managed {
    pub(super) version: Option<String>,
    pub(super) queues: Vec<Queue>,
    pub(super) bindings: Vec<Binding>,
}

/// A queue with what is in force for it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Queue {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) policy: Option<String>,
    #[serde(default)]
    pub(super) operator_policy: Option<String>,
    /// What both policies together say. An empty list where they say nothing.
    #[serde(default, rename = "effective_policy_definition")]
    pub(super) definition: Value,
}

/// A binding of an exchange to a queue.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Binding {
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) routing_key: String,
}

#[derive(Deserialize)]
struct Overview {
    rabbitmq_version: Option<String>,
}

impl Management {
    /// At `url`, or else at its usual port on the broker's host.
    pub(super) fn new(settings: &BrokerSettings, url: Option<&Url>) -> Result<Self, String> {
        let uri = settings.uri().map_err(str::to_owned)?;
        let usual = match uri.scheme {
            AMQPScheme::AMQP => ("http", 15672),
            AMQPScheme::AMQPS => ("https", 15671),
        };
        let url = match url {
            Some(url) => url.clone(),
            None => Url::parse(&format!("{}://{}:{}", usual.0, uri.authority.host, usual.1))
                .map_err(|_| "its URL cannot be told from broker.url".to_owned())?,
        };
        let mut http = Client::builder().timeout(REQUEST_TIMEOUT);
        if url.scheme() == "https"
            && (settings.ca_file.is_some() || uri.scheme == AMQPScheme::AMQPS)
        {
            let tls = settings.client_tls().map_err(|error| error.to_string())?;
            http = http.tls_backend_preconfigured(tls.as_ref().clone());
        }
        let http = http.build().map_err(|_| "TLS cannot be used".to_owned())?;
        Ok(Self { http, url, uri })
    }

    /// Everything it tells of the topology; what is not there is left out.
    pub(super) async fn look(&self, vhost: &str, topology: &Topology) -> Result<Managed, String> {
        let overview: Option<Overview> = self.get(&["overview"]).await?;
        let queues = topology.queue_names();
        let queues =
            queues.iter().map(async |name| self.get::<Queue>(&["queues", vhost, name]).await);
        let exchanges = topology.exchange_names();
        let bindings = exchanges.iter().map(async |name| {
            let path = ["exchanges", vhost, name, "bindings", "source"];
            self.get::<Vec<Binding>>(&path).await
        });
        Ok(Managed {
            version: overview.and_then(|overview| overview.rabbitmq_version),
            queues: try_join_all(queues).await?.into_iter().flatten().collect(),
            bindings: try_join_all(bindings).await?.into_iter().flatten().flatten().collect(),
        })
    }

    /// `None`: there is none.
    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, String> {
        let mut url = self.url.clone();
        let host = url.host_str().unwrap_or_default().to_owned();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(path);
        }
        let user = &self.uri.authority.userinfo;
        // reqwest takes those of the URL by itself.
        let is_told = !url.username().is_empty();
        let request = self.http.get(url);
        let request = if is_told {
            request
        } else {
            request.basic_auth(&user.username, Some(&user.password))
        };
        // The error's own text would hold the URL, and with it perhaps a password.
        let port = self.url.port_or_known_default().unwrap_or_default();
        let silent = |_| format!("it does not answer at {host}:{port}");
        let response = request.send().await.map_err(silent)?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let body = response.bytes().await.map_err(silent)?;
                let read = serde_json::from_slice(&body);
                read.map(Some).map_err(|_| format!("its answer at {host}:{port} cannot be read"))
            }
            status => Err(format!("it answers our user with status {}", status.as_u16())),
        }
    }
}
