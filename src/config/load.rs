//! From a file and the environment to settings, telling every problem and not only the first.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;
use serde_path_to_error::Segment;
use toml::{Table, Value};

use super::{Problem, Problems, Settings};
use crate::private::Private;

/// `DOCPLANNER_WORKER__BROKER__URL` overrides `broker.url`.
const ENV_PREFIX: &str = "DOCPLANNER_WORKER__";

/// The sections that the environment can override. Tenants are a list: they live in the file.
const ENV_SECTIONS: [&str; 5] = ["broker", "database", "http", "log", "traces"];

/// Keys whose value must not appear in a message.
const SECRET_KEYS: [&str; 2] = ["url", "client_secret"];

impl Settings {
    /// Reads the settings from a file, if one is named, and the process's environment.
    ///
    /// # Errors
    ///
    /// With everything that is wrong.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn load(file: Option<&Path>) -> Result<Self, Problems> {
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path).map_err(|e| {
                Problems(vec![Problem {
                    path: path.display().to_string(),
                    message: format!("cannot read the settings: {e}"),
                }])
            })?,
        };
        Self::parse(&text, std::env::vars())
    }

    /// Settings from the text of a file and variables.
    ///
    /// # Errors
    ///
    /// With everything that is wrong.
    pub fn parse(
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let mut table = parse_toml(text).map_err(|problem| Problems(vec![problem]))?;
        let mut problems = Vec::new();
        let overrides = override_from(&mut table, variables, &mut problems);
        let fixed = Fixed::of(&table);
        let mut settings = read(table, &overrides, &mut problems);
        settings.fixed = fixed;
        settings.read_secret_files(&mut problems);
        settings.validate(&mut problems);
        if problems.is_empty() { Ok(settings) } else { Err(Problems(problems)) }
    }
}

/// What file and environment say of everything but the tenants: these settings are read once, at start. It cannot be
/// printed, because URLs hold passwords.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed(Private<Table>);

impl Default for Fixed {
    fn default() -> Self {
        Self(Private::new(Table::new()))
    }
}

impl Fixed {
    fn of(table: &Table) -> Self {
        let sections = table.iter().filter(|(section, _)| *section != "tenants");
        Self(Private::new(sections.map(|(name, value)| (name.clone(), value.clone())).collect()))
    }

    /// Which settings are not the same in both: `broker.prefetch`.
    #[must_use]
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let (before, after) = (self.values(), other.values());
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
    }

    fn values(&self) -> BTreeMap<String, &Value> {
        let sections = self.0.expose().iter();
        let sections = sections.filter_map(|(section, keys)| Some((section, keys.as_table()?)));
        sections
            .flat_map(|(section, keys)| {
                keys.iter().map(move |(key, value)| (format!("{section}.{key}"), value))
            })
            .collect()
    }
}

/// The parser's own message would quote the line, which may hold a secret.
fn parse_toml(text: &str) -> Result<Table, Problem> {
    text.parse::<Table>().map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text[..at.min(text.len())].matches('\n').count() + 1;
        Problem { path: format!("line {line}"), message: error.message().to_owned() }
    })
}

/// An override that was put into the table as text.
struct Override {
    variable: String,
    path: String,
    text: String,
}

fn override_from(
    table: &mut Table,
    variables: impl IntoIterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) -> Vec<Override> {
    let mut overrides = Vec::new();
    for (variable, text) in variables {
        let Some(name) = variable.strip_prefix(ENV_PREFIX) else { continue };
        let name = name.to_lowercase();
        let Some((section, key)) = name
            .split_once("__")
            .filter(|(section, _)| ENV_SECTIONS.contains(section))
            .map(|(section, key)| (section.to_owned(), key.to_owned()))
        else {
            problems.push(Problem {
                path: variable.clone(),
                message: format!(
                    "names no setting; the form is {ENV_PREFIX}SECTION__KEY with a section of {}",
                    ENV_SECTIONS.join(", ")
                ),
            });
            continue;
        };
        let section_table = table.entry(section.clone()).or_insert_with(|| Table::new().into());
        if let Some(section_table) = section_table.as_table_mut() {
            section_table.insert(key.clone(), Value::String(text.clone()));
            overrides.push(Override { variable, path: format!("{section}.{key}"), text });
        }
    }
    overrides
}

/// Reads what can be read: each value that cannot be is told, taken out, and the rest read again.
fn read(table: Table, overrides: &[Override], problems: &mut Vec<Problem>) -> Settings {
    let mut value = Value::Table(table);
    loop {
        let error = match serde_path_to_error::deserialize::<_, Settings>(value.clone()) {
            Ok(settings) => return settings,
            Err(error) => error,
        };
        let path = error.path().to_string();
        let segments: Vec<Segment> = error.path().iter().cloned().collect();
        let from_env = overrides.iter().find(|o| o.path == path);
        if let Some(typed) = from_env.and_then(|o| as_scalar(&o.text))
            && at(&mut value, &segments).is_some_and(|value| value.is_str())
        {
            // The variable's text is a number or a boolean, and the setting wants one.
            if let Some(place) = at(&mut value, &segments) {
                *place = typed;
            }
            continue;
        }
        problems.push(Problem {
            path: from_env.map_or_else(|| path.clone(), |o| o.variable.clone()),
            message: message(&segments, error.inner()),
        });
        if !remove(&mut value, &segments) {
            return Settings::default();
        }
    }
}

fn as_scalar(text: &str) -> Option<Value> {
    match Value::deserialize(toml::de::ValueDeserializer::parse(text).ok()?).ok()? {
        value @ (Value::Integer(_) | Value::Boolean(_) | Value::Float(_) | Value::Array(_)) => {
            Some(value)
        }
        Value::String(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

/// The deserializer's own messages quote the value, and what stands in the wrong place may be a
/// secret: only what was expected is told.
fn message(segments: &[Segment], error: &toml::de::Error) -> String {
    let message = error.message();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown_key(rest);
    }
    match (segments.last(), message.rsplit_once(", expected ")) {
        (Some(Segment::Map { key }), _) if SECRET_KEYS.contains(&key.as_str()) => {
            "expected a string".to_owned()
        }
        (_, Some((_, expected))) if expected.starts_with("struct ") => {
            "expected a section with its keys".to_owned()
        }
        (_, Some((_, "u16"))) => "expected a whole number of 0 to 65535".to_owned(),
        (_, Some((_, "f64"))) => "expected a number".to_owned(),
        (_, Some((_, "usize"))) => "expected a whole number".to_owned(),
        (_, Some((_, expected))) => format!("expected {expected}"),
        (_, None) => message.to_owned(),
    }
}

/// From serde's "`prefech`, expected one of `url`, `prefetch`" to a message that names the nearest key.
fn unknown_key(rest: &str) -> String {
    let mut names = rest.split('`').skip(1).step_by(2);
    let unknown = names.next().unwrap_or_default();
    match nearest(unknown, names) {
        Some(known) => format!("unknown key; did you mean `{known}`?"),
        None => "unknown key".to_owned(),
    }
}

/// What was probably meant, if anything is similar.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len().max(3) / 2)
        .map(|(_, known)| known)
}

fn at<'v>(value: &'v mut Value, segments: &[Segment]) -> Option<&'v mut Value> {
    segments.iter().try_fold(value, |value, segment| match segment {
        Segment::Map { key } => value.as_table_mut()?.get_mut(key),
        Segment::Seq { index } => value.as_array_mut()?.get_mut(*index),
        Segment::Enum { .. } | Segment::Unknown => None,
    })
}

/// Takes out the innermost thing that the path still leads to.
fn remove(value: &mut Value, segments: &[Segment]) -> bool {
    let Some((last, parents)) = segments.split_last() else { return false };
    let removed = match (at(value, parents), last) {
        (Some(Value::Table(table)), Segment::Map { key }) => table.remove(key).is_some(),
        // An element of a list: none is left, so that no other is told under a wrong number.
        (Some(Value::Array(elements)), Segment::Seq { .. }) => {
            elements.clear();
            true
        }
        _ => false,
    };
    removed || remove(value, parents)
}
