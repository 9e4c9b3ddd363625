//! `/livez`, `/readyz` and `/metrics`.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{health::Health, metrics::Metrics};

type Shared = (Arc<Health>, Arc<Metrics>);

/// Binds the address that probes and scrapers use.
///
/// # Errors
///
/// If it is taken, or not ours.
pub async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("http.listen: cannot listen on {listen}"))?;
    // With port 0 the system chooses one; whoever asked for that finds it here.
    let listen = listener.local_addr()?.to_string();
    info!(listen, "probes and metrics on {listen}");
    Ok(listener)
}

/// Serves until stopped.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposition))
        .with_state((health, metrics));
    axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Alive is whose runtime answers and whose tasks are all there. Servers that are away do not matter: a restart
/// would not bring them back.
async fn alive(State((health, _)): State<Shared>) -> impl IntoResponse {
    match health.missing_task() {
        None => (StatusCode::OK, "the process is alive\n".to_owned()),
        Some(task) => (StatusCode::SERVICE_UNAVAILABLE, format!("the task {task} has ended\n")),
    }
}

/// Ready is who consumes; the body says what is missing.
async fn ready(State((health, _)): State<Shared>) -> impl IntoResponse {
    let parts = health.parts();
    let status = if parts.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let line = |name: &str, good: bool| format!("{} {name}\n", if good { "ok  " } else { "down" });
    let body = [
        line("consuming", parts.consuming),
        line("publishing", parts.publishing && !parts.blocked),
        line("database", parts.database),
    ];
    (status, body.concat())
}

async fn exposition(State((health, metrics)): State<Shared>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], metrics.render(health.parts()))
}
