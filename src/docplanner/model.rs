//! Answers of the API as far as the worker reads them, in both of its dialects.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::normalize::AddressFacts;

/// A single address: the object itself (current API) or wrapped in `_items` (online-features guide).
/// `None` if the answer is something else.
pub(super) fn address(body: &[u8], address_id: &str) -> Option<AddressFacts> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let address = match answer.get("_items") {
        Some(Value::Array(items)) => items
            .iter()
            .find(|item| id_of(item).as_deref() == Some(address_id))
            .or_else(|| items.first())?,
        Some(_) => return None,
        None => &answer,
    };
    id_of(address)?;
    facts(address)
}

/// A doctor's addresses, each once. One that cannot be read is left out: it can be asked for by
/// itself. `None` if the answer is no list.
pub(super) fn addresses(body: &[u8]) -> Option<Vec<(String, AddressFacts)>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let items = answer.get("_items").unwrap_or(&answer).as_array()?;
    let one = |item| Some((id_of(item)?, facts(item)?));
    let each: BTreeMap<_, _> = items.iter().filter_map(one).collect();
    Some(each.into_iter().collect())
}

fn facts(address: &Value) -> Option<AddressFacts> {
    let address = Address::deserialize(address).ok()?;
    Some(AddressFacts {
        online_only: address.is_online_only.as_ref().and_then(flag),
        visit_payment: address.visit_payment.as_ref().and_then(flag),
        post_code: address.post_code.filter(|text| !text.is_empty()),
        city: address.city_name.filter(|text| !text.is_empty()),
        as_of: None,
    })
}

#[derive(Deserialize)]
struct Address {
    is_online_only: Option<Value>,
    visit_payment: Option<Value>,
    post_code: Option<String>,
    city_name: Option<String>,
}

/// Ids are strings since version 1.0.1 of the API, integers before.
pub(super) fn id_of(object: &Value) -> Option<String> {
    match object.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_u64().map(|n| n != 0),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_bare_or_wrapped_in_items() {
        let bare =
            r#"{"id":"111","is_online_only":true,"visit_payment":false,"city_name":"Warszawa"}"#;
        let wrapped = format!(r#"{{"_items":[{{"id":"9"}},{bare}]}}"#);
        for body in [bare, &wrapped] {
            let facts = address(body.as_bytes(), "111").unwrap();
            assert_eq!(facts.online_only, Some(true));
            assert_eq!(facts.visit_payment, Some(false));
            assert_eq!(facts.city.as_deref(), Some("Warszawa"));
        }
    }

    #[test]
    fn a_list_tells_each_address_once_without_those_that_cannot_be_read() {
        let list = r#"{"_items":[{"id":2,"is_online_only":true},{"id":"1"},{"id":"1"},{},{"id":3,"city_name":[]}]}"#;
        let all = addresses(list.as_bytes()).unwrap();
        let told: Vec<_> = all.iter().map(|(id, it)| (id.as_str(), it.online_only)).collect();
        assert_eq!(told, [("1", None), ("2", Some(true))]);
        assert_eq!(addresses(br#"{"_items":[]}"#), Some(vec![]));
        assert_eq!(addresses(br#"[{"id":"1"}]"#).unwrap().len(), 1);
        for body in ["", "<html>", "{}", r#"{"_items":{}}"#, "7"] {
            assert_eq!(addresses(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_read() {
        for body in ["", "<html>", "[]", "{}", r#"{"_items":[]}"#, r#"{"_items":{}}"#, "7"] {
            assert_eq!(address(body.as_bytes(), "111"), None, "{body}");
        }
    }
}
