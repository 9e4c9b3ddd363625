//! Bodies that are wrong in any way: reading them ends well, and no error tells about the patient.

use docplanner_worker::notification::Notification;
use proptest::{collection, prelude::*};
use serde_json::{Map, Value, json};

use crate::support::golden::{fixture, names, notification};

/// Fixtures of every shape: damage to the others would tell nothing more, and takes its time.
const DAMAGED: [&str; 5] = [
    "slot-booked",
    "booking-moved",
    "booking-payment-status-changed",
    "presence-marked",
    "waiting-list-joined",
];

/// Any JSON, a few levels deep.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::vec((any_key(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Also keys that mean something.
fn any_key() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 7] =
        ["id", "facility", "address", "patient", "name", "visit_booking", "start_at"];
    prop_oneof![any::<String>(), prop::sample::select(&KNOWN).prop_map(str::to_owned)]
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&body);
    }

    #[test]
    fn any_data_is_read_or_refused(name in any_name(), data in any_json(), created_at in any_json()) {
        let body = json!({"name": name, "data": data, "created_at": created_at});
        let _ = read(body.to_string().as_bytes());
    }
}

fn any_name() -> impl Strategy<Value = String> {
    let names: Vec<String> = names("notifications").into_iter().collect();
    prop::sample::select(names)
        .prop_map(|name| notification(&name)["name"].as_str().unwrap().into())
}

#[test]
fn a_notification_cut_or_scratched_anywhere_is_read_or_refused_without_a_word_of_the_patient() {
    for name in DAMAGED {
        let (body, patients) = (fixture(&format!("notifications/{name}.json")), patients(name));
        for at in 0..body.len() {
            assert_discreet(&body.as_bytes()[..at], &patients);
            for scratch in [b'"', b'0'] {
                let mut scratched = body.clone().into_bytes();
                scratched[at] = scratch;
                assert_discreet(&scratched, &patients);
            }
        }
    }
}

#[test]
fn a_patients_value_in_any_other_place_is_read_or_refused_without_a_word_of_it() {
    for name in DAMAGED {
        let (original, patients) = (notification(name), patients(name));
        for patient in &patients {
            for value in [json!(patient), json!([patient]), json!({ patient: patient })] {
                for place in places(&original) {
                    let mut misplaced = original.clone();
                    *misplaced.pointer_mut(&place).unwrap() = value.clone();
                    assert_discreet(misplaced.to_string().as_bytes(), &patients);
                }
            }
        }
    }
}

#[test]
fn nesting_without_end_is_read_or_refused() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = format!("{}1{}", open.repeat(40_000), close.repeat(40_000));
        for name in ["slot-booked", "brand-new"] {
            let _ = read(format!(r#"{{"name":"{name}","data":{nested}}}"#).as_bytes());
            let _ =
                read(format!(r#"{{"name":"{name}","data":{{"facility":{nested}}}}}"#).as_bytes());
            let _ = read(format!(r#"{{"name":"{name}","data":{{}},"more":{nested}}}"#).as_bytes());
        }
    }
}

/// Everything that happens to a body before it is published.
fn read(body: &[u8]) -> Result<(), String> {
    let notification = Notification::decode(body).map_err(|error| format!("{error} {error:?}"))?;
    let _ = (notification.key("acme"), notification.content(), format!("{notification:?}"));
    Ok(())
}

fn assert_discreet(body: &[u8], patients: &[String]) {
    let Err(error) = read(body) else { return };
    for value in patients {
        assert!(!error.contains(value), "{error:?} tells {value:?}");
    }
}

/// The values of every patient in a notification that are long enough to be recognized.
fn patients(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect_patients(&notification(name), &mut found);
    found
}

fn collect_patients(value: &Value, found: &mut Vec<String>) {
    let Value::Object(object) = value else { return };
    for (key, value) in object {
        match value {
            Value::Object(patient) if key == "patient" => found.extend(texts(patient)),
            _ => collect_patients(value, found),
        }
    }
}

fn texts(patient: &Map<String, Value>) -> impl Iterator<Item = String> {
    patient.values().filter_map(Value::as_str).filter(|text| text.len() > 2).map(str::to_owned)
}

/// JSON pointers to every value.
fn places(value: &Value) -> Vec<String> {
    let Value::Object(object) = value else { return vec![] };
    let mut places = Vec::new();
    for (key, value) in object {
        places.push(format!("/{key}"));
        places.extend(self::places(value).into_iter().map(|place| format!("/{key}{place}")));
    }
    places
}
