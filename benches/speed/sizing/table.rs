//! A table in Markdown.

use std::fmt::{self, Display};

pub(super) struct Table(Vec<Vec<String>>);

impl Table {
    pub(super) fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self(vec![heads.map(str::to_owned).to_vec()])
    }

    pub(super) fn add(&mut self, row: impl IntoIterator<Item = String>) {
        self.0.push(row.into_iter().collect());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, row) in self.0.iter().enumerate() {
            writeln!(f, "| {} |", row.join(" | "))?;
            if nth == 0 {
                writeln!(f, "|---{}|", "|---:".repeat(row.len() - 1))?;
            }
        }
        Ok(())
    }
}

/// With so many digits that three of them count.
pub(super) fn shown(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// What could not be seen is a dash.
pub(super) fn shown_if(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), shown)
}
