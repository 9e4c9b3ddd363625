//! The notification's JSON, and that of a booking at the API, read leniently: every dialect that Docplanner has spoken fits in here, and a
//! value of the wrong shape is remembered instead of failing the whole body, so that the error
//! can name the field without quoting what stood in it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// A single value in any of its dialects. Absent, `null` and `""` are one and the same.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) enum Scalar<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Number(serde_json::Number),
    Bool(bool),
    /// An object or a list where a single value belongs.
    Structure,
}

/// An object, or what stood in its place. PHP writes an empty object as `[]`.
#[derive(Debug, Default)]
pub(super) enum Object<T> {
    #[default]
    Absent,
    Present(T),
    SomethingElse,
}

#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    pub(super) name: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) data: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    pub(super) created_at: Scalar<'a>,
}

/// `data` of every kind that states a fact.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Data<'a> {
    pub(super) facility: Object<Named<'a>>,
    pub(super) doctor: Object<Named<'a>>,
    pub(super) address: Object<Address<'a>>,
    pub(super) visit_booking: Object<Booking<'a>>,
    pub(super) old_visit_booking: Object<Booking<'a>>,
    pub(super) new_visit_booking: Object<Booking<'a>>,
    pub(super) visit_payment_status: Object<PaymentStatus<'a>>,
    pub(super) presence: Scalar<'a>,
    #[serde(rename = "break")]
    pub(super) calendar_break: Object<Break<'a>>,
    pub(super) address_service: Object<Service<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Named<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) name: Scalar<'a>,
    pub(super) surname: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Address<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) name: Scalar<'a>,
    pub(super) street: Scalar<'a>,
    pub(super) post_code: Scalar<'a>,
    pub(super) city_name: Scalar<'a>,
    pub(super) commercial_type: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Booking<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) status: Scalar<'a>,
    pub(super) start_at: Scalar<'a>,
    pub(super) end_at: Scalar<'a>,
    pub(super) duration: Scalar<'a>,
    pub(super) booked_by: Scalar<'a>,
    pub(super) booked_at: Scalar<'a>,
    pub(super) canceled_by: Scalar<'a>,
    pub(super) canceled_at: Scalar<'a>,
    pub(super) address_service: Object<Service<'a>>,
    pub(super) patient: Object<Patient<'a>>,
    pub(super) comment: Scalar<'a>,
    pub(super) insurance: Object<Insurance<'a>>,
    pub(super) visit_payment: Scalar<'a>,
    pub(super) videocall_url: Scalar<'a>,
    /// Only in answers of the API.
    pub(super) visit_payment_status: Scalar<'a>,
    /// Only in answers of the API.
    pub(super) moving: Object<Moving<'a>>,
}

/// The ends of a chain of moves.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Moving<'a> {
    pub(super) newest_booking_id: Scalar<'a>,
}

/// An answer of the API that may be wrapped.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Items<'a> {
    #[serde(rename = "_items", borrow)]
    pub(super) items: Option<&'a serde_json::value::RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Service<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) name: Scalar<'a>,
    pub(super) price: Scalar<'a>,
    pub(super) is_price_from: Scalar<'a>,
    pub(super) is_default: Scalar<'a>,
    pub(super) is_visible: Scalar<'a>,
    pub(super) description: Scalar<'a>,
    #[serde(rename = "service_id")]
    pub(super) dictionary_id: Scalar<'a>,
    pub(super) visit_payment: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Patient<'a> {
    pub(super) name: Scalar<'a>,
    pub(super) surname: Scalar<'a>,
    pub(super) email: Scalar<'a>,
    pub(super) phone: Scalar<'a>,
    pub(super) birth_date: Scalar<'a>,
    pub(super) nin: Scalar<'a>,
    pub(super) gender: Scalar<'a>,
    pub(super) insurance_number: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Insurance<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) name: Scalar<'a>,
    pub(super) plan: Scalar<'a>,
    pub(super) plan_id: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct PaymentStatus<'a> {
    pub(super) status_from: Scalar<'a>,
    pub(super) status_to: Scalar<'a>,
    pub(super) changed_at: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Break<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) since: Scalar<'a>,
    pub(super) till: Scalar<'a>,
}

// === impl Scalar ===

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Absent)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Scalar::Structure, Scalar::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(if value.is_empty() { Scalar::Absent } else { Scalar::Text(Cow::Borrowed(value)) })
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(if value.is_empty() {
            Scalar::Absent
        } else {
            Scalar::Text(Cow::Owned(value.to_owned()))
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Structure)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Structure)
    }
}

// === impl Object ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(std::marker::PhantomData))
    }
}

struct ObjectVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Object::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Object::SomethingElse)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Object::SomethingElse)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Object::SomethingElse)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Object::SomethingElse)
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(if value.is_empty() { Object::Absent } else { Object::SomethingElse })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::Absent;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            object = Object::SomethingElse;
        }
        Ok(object)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object::Present)
    }
}
