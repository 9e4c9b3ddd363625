//! Lists as the API answers them, as far as the worker reads them.

use serde_json::Value;

use super::{
    listing::{DictionaryEntry, ListedAddress, ListedDoctor, ListedService},
    model::{flag, id_of},
};

/// One answer: the whole list, or a page of it.
#[derive(Debug, PartialEq)]
pub(super) struct Part<T> {
    pub(super) items: Vec<T>,
    /// `(page, pages)`. Only bookings are documented to come in pages; a part that was taken for the
    /// whole would make the rest look deleted.
    pub(super) page: Option<(u64, u64)>,
}

/// A list with every item read. `None` if the answer is something else, or one item is: nothing may
/// be left out in silence.
pub(super) fn part<T>(body: &[u8], item: fn(&Value) -> Option<T>) -> Option<Part<T>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let number = |key: &str| answer.get(key).and_then(Value::as_u64);
    Some(Part { items: items(&answer, item)?, page: number("page").zip(number("pages")) })
}

/// Collections are wrapped in `_items`, also nested ones.
fn items<T>(collection: &Value, item: fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    let list = collection.get("_items").unwrap_or(collection).as_array()?;
    list.iter().map(item).collect()
}

pub(super) fn facility(item: &Value) -> Option<String> {
    id_of(item)
}

/// Embedded addresses count only with their flag: an API may embed them and ignore the scope.
pub(super) fn doctor(item: &Value) -> Option<ListedDoctor> {
    let addresses = item.get("addresses").and_then(|embedded| items(embedded, address));
    let addresses = addresses.filter(|all| all.iter().all(|one| one.online_only.is_some()));
    Some(ListedDoctor { id: id_of(item)?, addresses })
}

pub(super) fn address(item: &Value) -> Option<ListedAddress> {
    Some(ListedAddress {
        id: id_of(item)?,
        online_only: item.get("is_online_only").and_then(flag),
        visit_payment: item.get("visit_payment").and_then(flag),
    })
}

pub(super) fn service(item: &Value) -> Option<ListedService> {
    let dictionary_id = match item.get("service_id") {
        Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => None,
    };
    Some(ListedService { id: id_of(item)?, name: name_of(item), dictionary_id })
}

pub(super) fn dictionary_entry(item: &Value) -> Option<DictionaryEntry> {
    Some(DictionaryEntry { id: id_of(item)?, name: name_of(item) })
}

fn name_of(item: &Value) -> String {
    item.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(body: &str) -> Option<Vec<String>> {
        part(body.as_bytes(), facility).map(|part| part.items)
    }

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let both = Some(vec!["1".to_owned(), "2".to_owned()]);
        assert_eq!(ids(r#"{"_items":[{"id":"1"},{"id":2}]}"#), both);
        assert_eq!(ids(r#"[{"id":"1"},{"id":"2"}]"#), both);
        assert_eq!(ids(r#"{"_items":[]}"#), Some(vec![]));
        for body in ["", "{}", "7", r#"{"_items":{}}"#, r#"{"_items":[{"id":"1"},{}]}"#] {
            assert_eq!(ids(body), None, "{body}");
        }
    }

    #[test]
    fn a_part_tells_which_page_it_is() {
        let page = |body: &str| part(body.as_bytes(), facility).unwrap().page;
        assert_eq!(page(r#"{"page":2,"limit":2,"pages":3,"total":5,"_items":[]}"#), Some((2, 3)));
        assert_eq!(page(r#"{"_items":[]}"#), None);
    }

    #[test]
    fn embedded_addresses_count_with_their_flag_only() {
        let embedded = |addresses: &str| {
            let body = format!(r#"{{"_items":[{{"id":"1","addresses":{addresses}}}]}}"#);
            part(body.as_bytes(), doctor).unwrap().items.remove(0).addresses
        };
        let regular = ListedAddress { id: "7".into(), online_only: Some(false), ..<_>::default() };
        let told = r#"{"_items":[{"id":"7","is_online_only":false}]}"#;
        assert_eq!(embedded(told), Some(vec![regular]));
        assert_eq!(embedded(r#"{"_items":[]}"#), Some(vec![]));
        assert_eq!(embedded(r#"{"_items":[{"id":"7"}]}"#), None);
        assert_eq!(embedded("null"), None);
    }

    #[test]
    fn a_service_of_the_doctors_own_making_has_no_entry_in_the_dictionary() {
        let entry = |id: &str| {
            let body = format!(r#"[{{"id":"7","name":"USG","service_id":{id}}}]"#);
            part(body.as_bytes(), service).unwrap().items.remove(0).dictionary_id
        };
        assert_eq!(entry("\"1\"").as_deref(), Some("1"));
        assert_eq!(entry("1").as_deref(), Some("1"));
        assert_eq!(entry("null"), None);
        assert_eq!(entry("\"\""), None);
    }
}
