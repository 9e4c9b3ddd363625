//! Where personal data and credentials must not appear: each of them is a word that occurs nowhere
//! else, they travel on every path, and afterwards everything that is written down is searched.

mod commands;
mod desk;
mod paths;

use docplanner_worker::simulator::api::{Client, Options};
use serde_json::{Value, json};

use crate::support::{Story, clinic};

/// A client secret that is nothing else.
const CLIENT_SECRET: &str = "canary-client-secret-5b1f";
/// As it travels: `demo:…` in base 64.
const BASIC: &str = "ZGVtbzpjYW5hcnktY2xpZW50LXNlY3JldC01YjFm";
const BROKER_PASSWORD: &str = "canary-broker-password-9c3d";
const DATABASE_PASSWORD: &str = "canary-database-password-e07a";

/// Every field of a patient, and what else is private in a booking.
const PRIVATE: [(&str, &str); 10] = [
    ("/patient/name", "Canaryna"),
    ("/patient/surname", "Kanarkówna-Żółć"),
    ("/patient/email", "canary.patient@birds.example"),
    ("/patient/phone", "+48699887766"),
    ("/patient/birth_date", "1931-07-23"),
    ("/patient/nin", "31072398765"),
    ("/patient/gender", "canary-gender"),
    ("/patient/insurance_number", "CANARY-CARD-77"),
    ("/comment", "canary comment: allergic to millet"),
    ("/videocall_url", "https://video.example/canary-room-4711"),
];

/// A story whose API client has the secret of this group.
async fn story() -> Story {
    let clients = vec![Client::new("demo", CLIENT_SECRET)];
    let options = Options { world: clinic::world(), clients, ..Options::default() };
    let mut story = Story::begin_with(options).await;
    story.settings.client_secret = CLIENT_SECRET.into();
    story.settings.log_level = "trace";
    story
}

/// A booking whose every private value is a canary.
fn booked(id: &str) -> Value {
    let mut booking = clinic::booked(id);
    booking["videocall_url"] = Value::Null;
    for (place, value) in PRIVATE {
        *booking.pointer_mut(place).unwrap() = value.into();
    }
    booking
}

fn slot_booked(id: &str, address: &str) -> Value {
    clinic::notification("slot-booked", address, json!({ "visit_booking": booked(id) }))
}

/// What must not be found, with other spellings of it: without its plus, escaped as in a URL or in
/// JSON, a part of it.
fn canaries() -> Vec<String> {
    let values = PRIVATE.iter().map(|(_, value)| (*value).to_owned());
    let parts = ["699887766", "canary", "Canary", "CANARY", "Kanark", "millet", "birds.example"];
    let secrets = [CLIENT_SECRET, BASIC, BROKER_PASSWORD, DATABASE_PASSWORD];
    values.chain(parts.into_iter().chain(secrets).map(str::to_owned)).collect()
}

/// Fails if `text`, which is known as `what`, holds any of the canaries.
fn assert_clean(what: &str, text: &str, canaries: &[String]) {
    for canary in canaries {
        if let Some(at) = text.find(canary.as_str()) {
            let line = text[..at].matches('\n').count();
            let line = text.lines().nth(line).unwrap_or_default();
            panic!("{what} tells {canary:?}: {line}");
        }
    }
}
