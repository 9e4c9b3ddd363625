//! Docplanner's API on its bad days, and what each of them costs.

mod cache;
mod dialects;
mod limits;
mod recovery;
mod refusals;
mod tokens;

use docplanner_worker::simulator::{
    api::{Dialect, Fault},
    world::{Address, Doctor},
};
use serde_json::Value;

use crate::support::{Story, clinic, worker::Worker};

/// Requests for a token.
const TOKEN: &str = "POST /oauth/v2/token";
/// Requests for the addresses of any doctor.
const ADDRESSES: &str = "GET /doctors/*/addresses$";
/// Requests for any address by itself.
const ADDRESS: &str = "GET /doctors/*/addresses/*$";

/// Tries within one lookup, before the delivery goes to a retry queue.
const TRIES: u64 = 3;

/// A story whose API takes every scope, so that one lookup is one request.
async fn story() -> Story {
    let story = Story::begin().await;
    story.docplanner.set_dialect(Dialect::lenient());
    story
}

/// Requests for the addresses of one doctor.
fn of(doctor: &str) -> String {
    format!("GET /doctors/{doctor}/addresses$")
}

/// Requests for one address by itself.
fn alone(address: &str) -> String {
    format!("GET /addresses/{address}$")
}

/// The doctor of an address of [`open_addresses`], who has no other.
fn doctor_of(address: &str) -> String {
    format!("9{address}")
}

/// Opens more addresses at the clinic, online and paid, each of a doctor of its own, and tells their ids.
fn open_addresses(story: &Story, count: usize) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|nth| (500 + nth).to_string()).collect();
    story.docplanner.world(|world| {
        for id in &ids {
            let doctor = doctor_of(id);
            world.insert_doctor(Doctor::new(&doctor, "1", "Sample", "Doctor"));
            world.insert_address(Address::new(id, &doctor, "1").online().with_payments());
        }
    });
    ids
}

/// One booking at each of the addresses.
fn booked_at(addresses: &[String]) -> Vec<Value> {
    let booked = |address: &String| booked(&format!("booking-{address}"), address);
    addresses.iter().map(booked).collect()
}

/// A booking at an address of [`open_addresses`].
fn booked(booking: &str, address: &str) -> Value {
    clinic::with_doctor(clinic::slot_booked(booking, address), &doctor_of(address))
}

/// How many deliveries were settled in this way so far.
async fn settled(worker: &Worker, disposition: &str) -> f64 {
    worker.metric("deliveries_total", &[&format!("disposition=\"{disposition}\"")]).await
}

async fn assert_no_retry(worker: &Worker) {
    assert!(settled(worker, "retry").await < 1.0, "no delivery went to a retry queue");
}

/// What the API answers, or does not, at once.
fn quick_faults() -> Vec<Fault> {
    vec![
        Fault::status(500),
        Fault::status(502),
        Fault::status(503),
        Fault::status(504),
        Fault::status(408),
        Fault::status(302),
        Fault::status(429),
        Fault::reset(),
        Fault::garbage(),
        Fault::truncated(),
        Fault::wrong_shape(),
        Fault::firewall(405),
        Fault::firewall(403),
        Fault::firewall(200),
    ]
}
