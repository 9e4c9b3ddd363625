//! One dead letter, as far as it can be told from itself.

use chrono::{DateTime, Utc};
use lapin::{BasicProperties, types::FieldTable};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Cause, headers, outline::outline};
use crate::{
    broker::properties::{self, is_the_brokers_count},
    notification::{Kind, presentable_id},
    tenants::Tenants,
};

/// A dead letter. Nothing in it is personal data but its body and what [`Letter::headers`] reveals.
#[derive(Default)]
pub struct Letter {
    /// The same for as long as it lies there. Letters that are the same byte for byte have the same id, and are
    /// one letter to whoever names it.
    pub id: String,
    /// Why it was set aside.
    pub cause: Cause,
    /// What exactly was wrong, if a worker wrote it.
    pub error: Option<String>,
    /// How often it had failed.
    pub attempts: Option<u32>,
    /// When it was set aside.
    pub failed_at: Option<DateTime<Utc>>,
    /// When it was put back before.
    pub replayed_at: Option<DateTime<Utc>>,
    /// Whose it is, if that can be told.
    pub tenant: Option<String>,
    /// What kind of notification it is, if it is one.
    pub kind: Option<Kind>,
    /// What it is about.
    pub subject: Subject,
    /// Its body.
    pub body: Body,
    pub(super) properties: BasicProperties,
}

/// Docplanner's ids of what a letter is about.
#[derive(Default)]
#[expect(missing_docs, reason = "each is the id of what it is named after")]
pub struct Subject {
    pub facility: Option<String>,
    pub doctor: Option<String>,
    pub address: Option<String>,
    pub service: Option<String>,
    pub calendar_break: Option<String>,
    pub booking: Option<String>,
}

/// A letter's body.
pub struct Body {
    bytes: Vec<u8>,
    /// Or where the error is; that quotes nothing.
    json: Result<Value, String>,
}

impl Letter {
    /// Reads a letter.
    #[must_use]
    pub fn read(properties: BasicProperties, bytes: Vec<u8>, tenants: &Tenants) -> Self {
        let none = FieldTable::default();
        let headers = properties.headers().as_ref().unwrap_or(&none);
        let id = id(headers, &bytes);
        let cause = headers::cause(headers);
        let body = Body::new(bytes);
        let subject = Subject::of(&body);
        let text = |name| properties::text(headers, name);
        let moment = |name| properties::moment(headers, name);
        let is_workers = matches!(cause, Cause::Worker(_));
        Self {
            id,
            cause,
            // Anybody can write a header of this name; what a worker wrote is clean.
            error: text(properties::ERROR).filter(|_| is_workers),
            attempts: properties::integer(headers, properties::ATTEMPTS)
                .and_then(|attempts| attempts.try_into().ok()),
            failed_at: moment(properties::FAILED_AT)
                .filter(|_| is_workers)
                .or_else(|| headers::set_aside_by_broker_at(headers)),
            replayed_at: moment(properties::REPLAYED_AT),
            tenant: tenant(text(properties::TENANT), &subject, tenants),
            kind: body.kind(),
            subject,
            body,
            properties,
        }
    }

    /// Its headers in the order of their names; what may be private is told by its type and length only.
    #[must_use]
    pub fn headers(&self, reveal: bool) -> Vec<(String, String)> {
        let headers = self.properties.headers().iter().flat_map(FieldTable::inner);
        let shown =
            |value| if reveal { headers::revealed(value) } else { headers::described(value) };
        headers
            .map(|(name, value)| {
                let known = headers::known(name.as_str(), value, self.cause);
                (name.to_string(), known.unwrap_or_else(|| shown(value)))
            })
            .collect()
    }
}

impl Subject {
    fn of(body: &Body) -> Self {
        let id = |path| {
            let value = body.json.as_ref().ok()?.pointer(path)?;
            let id = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            presentable_id(&id).filter(|id| !id.is_empty() && *id != "null").map(str::to_owned)
        };
        Self {
            facility: id("/data/facility/id"),
            doctor: id("/data/doctor/id"),
            address: id("/data/address/id"),
            service: id("/data/address_service/id"),
            calendar_break: id("/data/break/id"),
            booking: id("/data/visit_booking/id").or_else(|| id("/data/new_visit_booking/id")),
        }
    }

    /// The innermost thing that has an id: `booking 6263715`.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let things = [
            ("booking", &self.booking),
            ("break", &self.calendar_break),
            ("service", &self.service),
            ("address", &self.address),
        ];
        things.into_iter().find_map(|(what, id)| Some(format!("{what} {}", id.as_ref()?)))
    }
}

impl Body {
    fn new(bytes: Vec<u8>) -> Self {
        let json = match bytes.len() {
            0 => Err("empty".to_owned()),
            _ => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        };
        Self { bytes, json }
    }

    fn kind(&self) -> Option<Kind> {
        let name = self.json.as_ref().ok()?.get("name")?.as_str()?;
        Some(name).filter(|name| !name.is_empty()).map(Kind::from_name)
    }

    /// As it came. Patient data.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its JSON, with the values that say nothing about a patient, and type and length of all others.
    ///
    /// # Errors
    ///
    /// If it is no JSON: the position of the error.
    pub fn outline(&self) -> Result<Value, &str> {
        self.json.as_ref().map(outline).map_err(String::as_str)
    }

    /// Its JSON. Patient data.
    ///
    /// # Errors
    ///
    /// If it is no JSON: the position of the error.
    pub fn json(&self) -> Result<&Value, &str> {
        self.json.as_ref().map_err(String::as_str)
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// From all that stays the same while a letter lies in the queue: its body and its headers without the broker's
/// counts, which grow with every look.
fn id(headers: &FieldTable, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    for (name, value) in headers.inner() {
        if !is_the_brokers_count(name.as_str()) {
            digest.update(format!("{name}={value:?}\n"));
        }
    }
    digest.update(body);
    let mut first = [0; 8];
    first[2..].copy_from_slice(&digest.finalize()[..6]);
    format!("{:012x}", u64::from_be_bytes(first))
}

/// Who the header names, else whose facility it is. A header that is no id may hold anything.
fn tenant(header: Option<String>, subject: &Subject, tenants: &Tenants) -> Option<String> {
    let is_id = |text: &String| {
        text.len() <= 40 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    if header.is_some() {
        return header.filter(is_id);
    }
    let tenant = tenants.resolve(None, subject.facility.as_deref(), false).ok()?;
    Some(tenant.profile.id.clone())
}
