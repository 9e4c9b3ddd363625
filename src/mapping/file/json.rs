//! Mappings as JSON: a list of objects.

use std::borrow::Cow;

use serde_json::Value;

use super::{Column, Problem, Problems, Spot, check, unknown_name};
use crate::mapping::Mapping;

pub(super) fn parse(content: &[u8]) -> Result<Mapping, Problems> {
    let items = match serde_json::from_slice(content) {
        Ok(Value::Array(items)) => items,
        Ok(_) => return Err(Problem::of_file("is not a list [ … ] of objects").into()),
        Err(error) => return Err(Problem::of_file(format!("is not JSON: {error}")).into()),
    };
    let mut checked = check::Checked::default();
    for (nth, item) in items.iter().enumerate() {
        let spot = Spot::Item(nth + 1);
        match item {
            Value::Object(fields) => {
                for name in fields.keys().filter(|name| Column::from_name(name).is_none()) {
                    let why = format!("a name is unknown; {}", unknown_name(name));
                    checked.problem(Problem::new(spot, why));
                }
                if let Some(cells) = cells(fields, spot, &mut checked) {
                    checked.take(&cells);
                }
            }
            _ => checked.problem(Problem::new(spot, "is not an object { … }")),
        }
    }
    checked.finish()
}

/// Identifiers may be numbers, as long as a number keeps all their digits.
fn cells<'f>(
    fields: &'f serde_json::Map<String, Value>,
    spot: Spot,
    checked: &mut check::Checked,
) -> Option<check::Cells<'f>> {
    let mut values = [const { Cow::Borrowed("") }; 5];
    let mut all_good = true;
    for (column, cell) in Column::ALL.into_iter().zip(&mut values) {
        let problem = match fields.get(column.name()) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                *cell = Cow::Borrowed(text.as_str());
                None
            }
            Some(Value::Bool(_)) if column != Column::Online => Some("expected a text"),
            Some(Value::Bool(yes)) => {
                *cell = Cow::Borrowed(if *yes { "true" } else { "false" });
                None
            }
            Some(Value::Number(number)) if number.is_u64() || number.is_i64() => {
                *cell = Cow::Owned(number.to_string());
                None
            }
            Some(Value::Number(_)) => Some("a number would lose digits; write it as text"),
            Some(Value::Array(_) | Value::Object(_)) => Some("expected a text"),
        };
        if let Some(problem) = problem {
            checked.problem(Problem::in_column(spot, column, problem));
            all_good = false;
        }
    }
    all_good.then_some(check::Cells { spot, values })
}
