//! `/_simulator`: the faults, the requests and the world, for those who run the binary.

use std::sync::{Arc, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::fault::Fault;
use super::server::Shared;
use crate::simulator::world::{Booking, CommercialType, World};

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/requests", get(count_requests).delete(forget_requests))
        .route("/world", get(show_world))
        .route("/addresses/{id}", patch(change_address).delete(remove_address))
        .route("/bookings/{id}", put(put_booking))
        .route("/clients/{id}/secret", put(replace_secret))
        .route("/tokens", delete(expire_tokens))
}

/// What can be changed of an address; what is left out stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressChange {
    is_online_only: Option<bool>,
    visit_payment: Option<bool>,
    commercial_type: Option<CommercialType>,
    name: Option<String>,
}

async fn list_faults(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.faults.all()).into_response()
}

async fn add_fault(State(shared): State<Arc<Shared>>, Json(fault): Json<Fault>) -> Response {
    if let Some(reason) = fault.nonsense() {
        return (StatusCode::UNPROCESSABLE_ENTITY, format!("{reason}\n")).into_response();
    }
    let id = shared.faults.add(fault);
    (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
}

/// Also lets everything go on that hangs.
async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

async fn count_requests(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.log.summary()).into_response()
}

async fn forget_requests(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.log.forget();
    StatusCode::NO_CONTENT
}

async fn show_world(State(shared): State<Arc<Shared>>) -> Response {
    Json(&*shared.world.read().unwrap_or_else(PoisonError::into_inner)).into_response()
}

async fn change_address(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(change): Json<AddressChange>,
) -> Response {
    alter(&shared, |world| {
        let Some(address) = world.address_mut(&id) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        address.is_online_only = change.is_online_only.unwrap_or(address.is_online_only);
        address.visit_payment = change.visit_payment.unwrap_or(address.visit_payment);
        address.commercial_type = change.commercial_type.unwrap_or(address.commercial_type);
        address.name = change.name.or_else(|| address.name.take());
        Json(&*address).into_response()
    })
}

async fn remove_address(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> StatusCode {
    match alter(&shared, |world| world.remove_address(&id)) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

/// Adds or replaces a booking, written as in `/_simulator/world`.
async fn put_booking(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(booking): Json<Booking>,
) -> StatusCode {
    alter(&shared, |world| world.insert_booking(Booking { id, ..booking }));
    StatusCode::NO_CONTENT
}

/// The body is the new secret; the old one is refused from now on.
async fn replace_secret(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    secret: String,
) -> StatusCode {
    if shared.tokens().replace_secret(&id, secret) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn expire_tokens(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.tokens().expire_all();
    StatusCode::NO_CONTENT
}

fn alter<T>(shared: &Shared, change: impl FnOnce(&mut World) -> T) -> T {
    change(&mut shared.world.write().unwrap_or_else(PoisonError::into_inner))
}
