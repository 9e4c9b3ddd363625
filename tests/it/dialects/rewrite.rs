//! The same notification in another dialect.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::nonsense::any_json;

/// A dialect: how it differs from the fixtures'.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    ways: Vec<Way>,
    nothing: Nothing,
    /// Put into the object of this number, and what.
    unknown_fields: Vec<(usize, Value)>,
}

/// The ways that dialects differ in, each independent of the others.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    IdsAsNumbers,
    PhoneAndNinAsNumbers,
    DurationAsText,
    PaymentInService,
    Links,
    OffsetsWithoutColon,
    DoubleL,
}

const WAYS: [Way; 7] = [
    Way::IdsAsNumbers,
    Way::PhoneAndNinAsNumbers,
    Way::DurationAsText,
    Way::PaymentInService,
    Way::Links,
    Way::OffsetsWithoutColon,
    Way::DoubleL,
];

/// How a dialect says that an optional field has no value.
#[derive(Debug, Clone, Copy)]
enum Nothing {
    Absent,
    Null,
    Empty,
}

/// The optional fields, by a field that tells the object's type.
const OPTIONAL: [(&str, &[&str]); 4] = [
    (
        "booked_at",
        &[
            "canceled_by",
            "canceled_at",
            "comment",
            "insurance",
            "visit_payment",
            "videocall_url",
            "address_service",
        ],
    ),
    ("gender", &["surname", "email", "phone", "birth_date", "nin", "insurance_number"]),
    ("plan_id", &["plan"]),
    ("street", &["post_code", "city_name", "commercial_type"]),
];

impl Dialect {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let nothing = prop_oneof![Just(Nothing::Absent), Just(Nothing::Null), Just(Nothing::Empty)];
        let unknown_fields = prop::collection::vec((0..8_usize, any_json()), 0..4);
        let ways = prop::sample::subsequence(WAYS.to_vec(), 0..=WAYS.len());
        (ways, nothing, unknown_fields).prop_map(|(ways, nothing, unknown_fields)| Self {
            ways,
            nothing,
            unknown_fields,
        })
    }

    fn has(&self, way: Way) -> bool {
        self.ways.contains(&way)
    }

    /// The notification as this dialect puts it.
    pub(super) fn rewrite(&self, notification: &Value) -> Value {
        let mut rewritten = notification.clone();
        if self.has(Way::DoubleL) && rewritten["name"] == "booking-canceled" {
            rewritten["name"] = "booking-cancelled".into();
        }
        for_each_object(&mut rewritten, &mut |object| self.rewrite_object(object));
        if self.has(Way::Links) {
            for part in ["facility", "doctor", "address"] {
                let href = format!("/api/v3/integration/{part}");
                rewritten["data"][part]["_links"] =
                    json!({"self": {"href": href, "method": "get"}});
            }
        }
        let mut nth = 0;
        for_each_object(&mut rewritten, &mut |object| {
            for (number, (_, value)) in
                self.unknown_fields.iter().enumerate().filter(|(_, (at, _))| *at == nth)
            {
                object.insert(format!("unknown_{number}"), value.clone());
            }
            nth += 1;
        });
        rewritten
    }

    fn rewrite_object(&self, object: &mut Map<String, Value>) {
        if self.has(Way::PaymentInService) {
            move_payment_into_service(object);
        }
        self.say_nothing(object);
        for (key, value) in object {
            if self.has(Way::IdsAsNumbers) && key == "id"
                || self.has(Way::PhoneAndNinAsNumbers) && matches!(key.as_str(), "phone" | "nin")
            {
                as_number(value);
            }
            if self.has(Way::DurationAsText) && key == "duration" {
                *value = value.to_string().trim_matches('"').into();
            }
            if self.has(Way::OffsetsWithoutColon) && key.ends_with("_at") {
                without_colon(value);
            }
        }
    }

    /// Says of every optional field without a value that it has none.
    fn say_nothing(&self, object: &mut Map<String, Value>) {
        let Some((_, optional)) = OPTIONAL.iter().find(|(sign, _)| object.contains_key(*sign))
        else {
            return;
        };
        for field in *optional {
            let value = object.get(*field).unwrap_or(&Value::Null);
            if matches!(value.as_str(), Some("" | "null,")) || value.is_null() {
                match self.nothing {
                    Nothing::Absent => object.remove(*field),
                    Nothing::Null => object.insert((*field).to_owned(), Value::Null),
                    Nothing::Empty => object.insert((*field).to_owned(), "".into()),
                };
            }
        }
    }
}

fn move_payment_into_service(object: &mut Map<String, Value>) {
    if object.get("address_service").is_some_and(Value::is_object)
        && let Some(payment) = object.remove("visit_payment")
    {
        object["address_service"]["visit_payment"] = payment;
    }
}

fn as_number(value: &mut Value) {
    let digits = value.as_str().map(|text| text.trim_start_matches(['+', '0']));
    if let Some(number) = digits.and_then(|digits| digits.parse::<u64>().ok()) {
        *value = number.into();
    }
}

/// `+01:00` becomes `+0100`.
fn without_colon(value: &mut Value) {
    if let Some(text) = value.as_str()
        && text.len() == "2021-05-26T16:00:00+01:00".len()
    {
        let (moment, minutes) = text.rsplit_once(':').unwrap();
        *value = format!("{moment}{minutes}").into();
    }
}

/// Every object, the outermost first.
fn for_each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    if let Value::Object(object) = value {
        change(object);
        object.values_mut().for_each(|value| for_each_object(value, change));
    }
}
