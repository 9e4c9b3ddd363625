//! Golden files: what is expected, committed and compared in full. `UPDATE_GOLDEN=1 cargo test`
//! writes them anew, for a person to look at what has changed.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::Value;

/// The text of a file in `tests/fixtures`.
pub fn fixture(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A notification in `tests/fixtures/notifications`.
pub fn notification(name: &str) -> Value {
    serde_json::from_str(&fixture(&format!("notifications/{name}.json"))).unwrap()
}

/// The files of a folder in `tests/fixtures`, without their extension.
pub fn names(folder: &str) -> BTreeSet<String> {
    std::fs::read_dir(path(folder))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

/// Compares with the file in `tests/fixtures`.
pub fn assert_golden(name: &str, actual: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write(path(name), actual).unwrap();
    }
    let expected = fixture(name);
    let both = expected.lines().zip(actual.lines()).enumerate();
    let differs = both.into_iter().find(|(_, (expected, actual))| expected != actual);
    if let Some((nth, (expected, actual))) = differs {
        panic!("{name}, line {}:\n  expected {expected}\n  got      {actual}", nth + 1);
    }
    assert_eq!(expected, actual, "{name} is longer or shorter than what came");
}

/// Compares a JSON value, written over several lines.
pub fn assert_golden_json(name: &str, actual: &Value) {
    assert_golden(name, &format!("{actual:#}\n"));
}

/// Where a file of `tests/fixtures` is.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name)
}
