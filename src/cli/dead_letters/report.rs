//! Letters for machines.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::{
    desk::{Letter, Tally},
    notification::Kind,
};

/// One letter.
#[derive(Serialize)]
pub(super) struct Entry<'l> {
    id: &'l str,
    reason: &'static str,
    error: Option<&'l str>,
    attempts: Option<u32>,
    failed_at: Option<DateTime<Utc>>,
    replayed_at: Option<DateTime<Utc>>,
    tenant: Option<&'l str>,
    kind: Option<&'static str>,
    facility_id: Option<&'l str>,
    doctor_id: Option<&'l str>,
    address_id: Option<&'l str>,
    service_id: Option<&'l str>,
    break_id: Option<&'l str>,
    booking_id: Option<&'l str>,
    body_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<serde_json::Map<String, Value>>,
    /// Where the error is, of a body that is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_error: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

impl<'l> Entry<'l> {
    /// What fits into a list.
    pub(super) fn of(letter: &'l Letter, reveal: bool) -> Self {
        let subject = &letter.subject;
        Self {
            id: &letter.id,
            reason: letter.cause.as_str(),
            error: letter.error.as_deref(),
            attempts: letter.attempts,
            failed_at: letter.failed_at,
            replayed_at: letter.replayed_at,
            tenant: letter.tenant.as_deref(),
            kind: letter.kind.map(Kind::name),
            facility_id: subject.facility.as_deref(),
            doctor_id: subject.doctor.as_deref(),
            address_id: subject.address.as_deref(),
            service_id: subject.service.as_deref(),
            break_id: subject.calendar_break.as_deref(),
            booking_id: subject.booking.as_deref(),
            body_bytes: letter.body.bytes().len(),
            headers: None,
            body_error: None,
            body: reveal.then(|| revealed(letter)),
        }
    }

    /// Everything.
    pub(super) fn in_full(letter: &'l Letter, reveal: bool) -> Self {
        let headers = letter.headers(reveal).into_iter();
        let outline = letter.body.outline();
        Self {
            headers: Some(headers.map(|(name, value)| (name, value.into())).collect()),
            body_error: outline.as_ref().err().copied(),
            body: if reveal { Some(revealed(letter)) } else { outline.ok() },
            ..Self::of(letter, reveal)
        }
    }
}

/// The body as JSON, or, if it is none, its text.
fn revealed(letter: &Letter) -> Value {
    match letter.body.json() {
        Ok(json) => json.clone(),
        Err(_) => String::from_utf8_lossy(letter.body.bytes()).into(),
    }
}

/// Letters counted.
#[derive(Serialize)]
pub(super) struct Summary<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    letters: u64,
    oldest: Option<DateTime<Utc>>,
    interrupted: bool,
    groups: Vec<Group<'t>>,
}

#[derive(Serialize)]
struct Group<'t> {
    reason: &'static str,
    tenant: Option<&'t str>,
    letters: u64,
}

impl<'t> Summary<'t> {
    pub(super) fn of(tally: &'t Tally, dry_run: Option<bool>) -> Self {
        let groups = tally.groups.iter();
        Self {
            dry_run,
            letters: tally.letters,
            oldest: tally.oldest,
            interrupted: tally.interrupted,
            groups: groups
                .map(|((reason, tenant), letters)| Group {
                    reason,
                    tenant: tenant.as_deref(),
                    letters: *letters,
                })
                .collect(),
        }
    }
}
