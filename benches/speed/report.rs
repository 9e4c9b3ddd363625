//! The table for people, and the same as JSON.

use std::{
    fmt::{self, Display},
    path::Path,
};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::statistics::{max, median, min};

/// All that was measured.
pub(crate) struct Report {
    machine: String,
    sections: Vec<Section>,
}

/// A scenario's table.
pub(crate) struct Section {
    pub(crate) title: String,
    /// The row that the others are compared with, by their first figure.
    pub(crate) base: Option<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) notes: Vec<String>,
}

/// A case. All rows of a section have the same figures; the first is the one that matters.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) figures: Vec<Figure>,
    pub(crate) failures: Vec<String>,
}

/// What was measured in a run.
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// After the decimal point.
    pub(crate) digits: usize,
    pub(crate) value: f64,
}

/// What was measured in each run.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// After the decimal point.
    pub(crate) digits: usize,
    pub(crate) runs: Vec<f64>,
}

impl Report {
    pub(crate) fn new(machine: String) -> Self {
        Self { machine, sections: Vec::new() }
    }

    pub(crate) fn machine(&self) -> &str {
        &self.machine
    }

    pub(crate) fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.sections.iter().flat_map(|section| &section.rows).all(|row| row.failures.is_empty())
    }

    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let sections: Vec<_> = self.sections.iter().map(Section::json).collect();
        let all = json!({ "machine": self.machine, "sections": sections });
        let text = serde_json::to_string_pretty(&all)?;
        std::fs::write(file, text + "\n").with_context(|| file.display().to_string())
    }
}

impl Section {
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// How the first figure compares with the base's.
    pub(crate) fn ratio(&self, row: &Row) -> Option<f64> {
        let base = self.row(self.base.as_deref()?)?.first()?;
        Some(row.first()? / base)
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let figures = row.figures.iter().map(|figure| {
                json!({
                    "name": figure.name,
                    "unit": figure.unit,
                    "median": median(&figure.runs),
                    "min": min(&figure.runs),
                    "max": max(&figure.runs),
                    "runs": figure.runs,
                })
            });
            json!({
                "name": row.name,
                "ratio": self.ratio(row),
                "figures": figures.collect::<Vec<_>>(),
                "failures": row.failures,
            })
        });
        json!({
            "title": self.title,
            "base": self.base,
            "rows": rows.collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    /// The first figure with its spread, the ratio to the base, and the medians of the others.
    fn cells(&self) -> Vec<Vec<String>> {
        // A row whose runs have all failed has no figures.
        let Some(model) = self.rows.iter().max_by_key(|row| row.figures.len()) else {
            return vec![];
        };
        let mut heads = vec![String::new()];
        for (nth, figure) in model.figures.iter().enumerate() {
            heads.push(format!("{} {}", figure.name, figure.unit).trim().to_owned());
            if nth == 0 {
                heads.extend(["min", "max", "ratio"].map(str::to_owned));
            }
        }
        let names: Vec<_> = model.figures.iter().map(|figure| figure.name).collect();
        let lines = self.rows.iter().map(|row| {
            let mut line = vec![row.name.clone()];
            for (nth, name) in names.iter().enumerate() {
                line.push(row.shown(name, median));
                if nth == 0 {
                    line.extend([row.shown(name, min), row.shown(name, max)]);
                    line.push(self.ratio(row).map_or("-".into(), |ratio| format!("{ratio:.2}")));
                }
            }
            line
        });
        std::iter::once(heads).chain(lines).collect()
    }
}

impl Row {
    fn first(&self) -> Option<f64> {
        median(&self.figures.first()?.runs)
    }

    fn shown(&self, name: &str, of: impl Fn(&[f64]) -> Option<f64>) -> String {
        let figure = self.figures.iter().find(|figure| figure.name == name);
        let shown =
            figure.and_then(|figure| Some(format!("{:.*}", figure.digits, of(&figure.runs)?)));
        shown.unwrap_or("-".into())
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.cells();
        let columns = cells.first().map_or(0, Vec::len);
        let width = |column: usize| {
            cells.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        writeln!(f, "{}", self.title)?;
        for line in &cells {
            for (nth, (cell, width)) in line.iter().zip(&widths).enumerate() {
                if nth == 0 {
                    write!(f, "  {cell:<width$}")?;
                } else {
                    write!(f, "  {cell:>width$}")?;
                }
            }
            writeln!(f)?;
        }
        for row in &self.rows {
            for failure in &row.failures {
                writeln!(f, "  FAILED {}: {failure}", row.name)?;
            }
        }
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        Ok(())
    }
}
