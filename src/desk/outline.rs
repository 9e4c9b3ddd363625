//! A body without what is private: its structure, the values that are known to say nothing about a patient, and
//! of all others type and length.
//!
//! Known are places *and* forms: whatever stands where an id, a moment or a word belongs is shown only if it is
//! one, because a broken notification may have anything anywhere.

use chrono::DateTime;
use serde_json::{Map, Value};

use crate::notification::{Kind, PaymentStatus, presentable_id};

/// What belongs to a place.
#[derive(Clone, Copy)]
enum Form {
    KindName,
    Id,
    Moment,
    Word,
    Number,
    Flag,
    PaymentStatus,
    /// Never shown.
    Private,
}

/// What belongs under a name. Names that no notification uses are not shown: a key can be somebody's name, too.
fn form(key: &str) -> Option<Form> {
    Some(match key {
        "id" | "service_id" | "plan_id" | "newest_booking_id" => Form::Id,
        "created_at" | "start_at" | "end_at" | "booked_at" | "canceled_at" | "changed_at"
        | "since" | "till" => Form::Moment,
        "status" | "booked_by" | "canceled_by" | "presence" | "commercial_type" => Form::Word,
        "status_from" | "status_to" => Form::PaymentStatus,
        "duration" | "price" => Form::Number,
        "is_price_from" | "is_default" | "is_visible" | "visit_payment" => Form::Flag,
        _ if PRIVATE.contains(&key) || OBJECTS.contains(&key) => Form::Private,
        _ => return None,
    })
}

const PRIVATE: [&str; 15] = [
    "name",
    "surname",
    "email",
    "phone",
    "birth_date",
    "nin",
    "gender",
    "insurance_number",
    "comment",
    "videocall_url",
    "street",
    "post_code",
    "city_name",
    "description",
    "plan",
];

/// What is told of their fields is told by the fields' own names.
const OBJECTS: [&str; 14] = [
    "data",
    "facility",
    "doctor",
    "address",
    "address_service",
    "visit_booking",
    "old_visit_booking",
    "new_visit_booking",
    "visit_payment_status",
    "break",
    "patient",
    "insurance",
    "moving",
    "_links",
];

/// The words of `status`, `booked_by`, `canceled_by`, `presence` and `commercial_type`.
const WORDS: [&str; 12] = [
    "booked",
    "canceled",
    "cancelled",
    "moved",
    "user",
    "doctor",
    "facility",
    "present",
    "absent",
    "premium",
    "saas-only",
    "basic",
];

pub(super) fn outline(body: &Value) -> Value {
    match body {
        Value::Object(fields) => object(fields, true),
        other => value(other, Form::Private),
    }
}

fn object(fields: &Map<String, Value>, is_body: bool) -> Value {
    let mut unknown = 0;
    let entries = fields.iter().map(|(key, content)| match form(key) {
        Some(Form::Private) if is_body && key == "name" => {
            (key.clone(), value(content, Form::KindName))
        }
        Some(form) => (key.clone(), value(content, form)),
        None => {
            unknown += 1;
            (format!("<unknown key {unknown}>"), value(content, Form::Private))
        }
    });
    Value::Object(entries.collect())
}

fn value(value: &Value, form: Form) -> Value {
    match value {
        Value::Object(fields) => object(fields, false),
        Value::Array(entries) => {
            entries.iter().map(|entry| self::value(entry, Form::Private)).collect()
        }
        Value::Null => Value::Null,
        Value::String(text) if text.is_empty() || has_form(text, form) => value.clone(),
        Value::String(text) => format!("<text, {} characters>", text.chars().count()).into(),
        Value::Number(number) if number_has_form(number, form) => value.clone(),
        Value::Number(_) => "<number>".into(),
        Value::Bool(_) if matches!(form, Form::Flag) => value.clone(),
        Value::Bool(_) => "<true or false>".into(),
    }
}

fn has_form(text: &str, form: Form) -> bool {
    match form {
        Form::KindName => Kind::from_name(text) != Kind::Unrecognized,
        Form::Id => presentable_id(text).is_some(),
        Form::Moment => DateTime::parse_from_rfc3339(text).is_ok(),
        Form::Word => WORDS.contains(&text),
        Form::Number => text.len() <= 6 && text.parse::<f64>().is_ok(),
        Form::Flag => matches!(text, "true" | "false" | "0" | "1"),
        Form::PaymentStatus => !matches!(PaymentStatus::from(text), PaymentStatus::Other(_)),
        Form::Private => false,
    }
}

fn number_has_form(number: &serde_json::Number, form: Form) -> bool {
    match form {
        Form::Id | Form::Flag => number.is_u64(),
        Form::Number => number.to_string().len() <= 6,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_moments_words_and_amounts_are_shown_and_nothing_about_the_patient() {
        let body = json!({
            "name": "slot-booked",
            "created_at": "2021-05-12T10:18:34+01:00",
            "data": {
                "facility": { "id": "1", "name": "Sample hospital" },
                "doctor": { "id": 123, "name": "", "surname": "Żółw" },
                "visit_booking": {
                    "id": "7", "status": "booked", "start_at": "2021-05-26T16:00:00+01:00", "duration": 30,
                    "visit_payment": true, "comment": "call me", "canceled_by": null,
                    "patient": { "name": "Zofia", "birth_date": "1985-01-01", "phone": 48_500_600_700_u64 },
                    "Zofia": "Zofia", "shoes": [38, "red"],
                },
            },
        });
        let expected = json!({
            "name": "slot-booked",
            "created_at": "2021-05-12T10:18:34+01:00",
            "data": {
                "facility": { "id": "1", "name": "<text, 15 characters>" },
                "doctor": { "id": 123, "name": "", "surname": "<text, 4 characters>" },
                "visit_booking": {
                    "id": "7", "status": "booked", "start_at": "2021-05-26T16:00:00+01:00", "duration": 30,
                    "visit_payment": true, "comment": "<text, 7 characters>", "canceled_by": null,
                    "patient": {
                        "name": "<text, 5 characters>", "birth_date": "<text, 10 characters>", "phone": "<number>",
                    },
                    "<unknown key 1>": "<text, 5 characters>",
                    "<unknown key 2>": ["<number>", "<text, 3 characters>"],
                },
            },
        });
        assert_eq!(outline(&body), expected);
    }

    #[test]
    fn what_is_not_what_belongs_there_is_not_shown() {
        let name = "Zofia Nowak";
        for place in
            ["name", "created_at", "id", "status", "price", "visit_payment", "status_to", "data"]
        {
            for wrong in [json!(name), json!([name]), json!({ name: name })] {
                let told = outline(&json!({ place: wrong })).to_string();
                assert!(!told.contains("Zofia"), "{told}");
            }
        }
        assert_eq!(outline(&json!("Zofia")), json!("<text, 5 characters>"));
    }
}
