//! Bad input.

use serde::Serialize;
use serde_json::{Value, json};

use crate::simulator::random::Random;

/// Larger than any limit on bodies that makes sense for notifications of some kilobytes.
const TOO_LARGE_BYTES: usize = 300_000;

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defect {
    /// Nothing at all.
    Empty,
    /// The JSON breaks off.
    BrokenOff,
    /// JSON, but a list.
    NotAnObject,
    /// Nobody knows what happened.
    NoName,
    /// Nobody knows to whom it happened.
    NoData,
    /// The booking, break or service has no id.
    NoId,
    /// A time that no calendar has.
    ImpossibleDate,
    /// A comment of 300 kB.
    TooLarge,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::BrokenOff,
        Self::NotAnObject,
        Self::NoName,
        Self::NoData,
        Self::NoId,
        Self::ImpossibleDate,
        Self::TooLarge,
    ];

    pub(super) fn pick(random: &mut Random) -> Self {
        *random.pick(&Self::ALL)
    }

    /// The body with this defect. What cannot have it (an address event has no date) gets
    /// another: it loses its data.
    pub(super) fn spoil(self, body: &Value) -> (Self, String) {
        let mut body = body.clone();
        match self {
            Self::Empty => return (self, String::new()),
            Self::BrokenOff => return (self, broken_off(&body.to_string())),
            Self::NotAnObject => body = json!([body]),
            Self::NoName => remove(&mut body, "name"),
            Self::NoId if !lose_id(&mut body) => return Self::NoData.spoil(&body),
            Self::ImpossibleDate if !spoil_date(&mut body) => return Self::NoData.spoil(&body),
            Self::NoId | Self::ImpossibleDate => {}
            Self::NoData => remove(&mut body, "data"),
            Self::TooLarge => body["data"]["comment"] = "x".repeat(TOO_LARGE_BYTES).into(),
        }
        (self, body.to_string())
    }
}

fn broken_off(text: &str) -> String {
    let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at));
    text[..half.unwrap_or(0)].to_owned()
}

fn remove(body: &mut Value, key: &str) {
    if let Some(body) = body.as_object_mut() {
        body.remove(key);
    }
}

fn lose_id(body: &mut Value) -> bool {
    ["visit_booking", "new_visit_booking", "break", "address_service"].into_iter().any(|part| {
        let part = body["data"].get_mut(part).and_then(Value::as_object_mut);
        part.is_some_and(|part| part.remove("id").is_some())
    })
}

fn spoil_date(body: &mut Value) -> bool {
    let dates =
        [("visit_booking", "start_at"), ("new_visit_booking", "start_at"), ("break", "since")];
    dates.into_iter().any(|(part, key)| {
        let date = body["data"].get_mut(part).and_then(|part| part.get_mut(key));
        date.map(|date| *date = "2026-02-30T25:61:00+01:00".into()).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_defect_spoils_the_body_in_its_way() {
        let booked = json!({ "name": "slot-booked", "created_at": "…", "data": {
            "visit_booking": { "id": "1", "start_at": "2026-05-01T10:00:00+02:00" },
        } });
        let spoiled = |defect: Defect| defect.spoil(&booked);
        let json = |defect| serde_json::from_str::<Value>(&spoiled(defect).1).unwrap();

        for defect in Defect::ALL {
            assert_eq!(spoiled(defect).0, defect);
        }
        assert_eq!(spoiled(Defect::Empty).1, "");
        assert!(serde_json::from_str::<Value>(&spoiled(Defect::BrokenOff).1).is_err());
        assert!(json(Defect::NotAnObject).is_array());
        assert_eq!(json(Defect::NoName).get("name"), None);
        assert_eq!(json(Defect::NoData).get("data"), None);
        assert_eq!(json(Defect::NoId)["data"]["visit_booking"].get("id"), None);
        let date = &json(Defect::ImpossibleDate)["data"]["visit_booking"]["start_at"];
        assert_eq!(date, "2026-02-30T25:61:00+01:00");
        assert!(spoiled(Defect::TooLarge).1.len() > TOO_LARGE_BYTES);
    }

    #[test]
    fn what_cannot_have_a_defect_loses_its_data() {
        let (defect, text) = Defect::NoId.spoil(&json!({ "name": "address-assigned", "data": {} }));

        assert_eq!(defect, Defect::NoData);
        assert_eq!(text, r#"{"name":"address-assigned"}"#);
    }
}
