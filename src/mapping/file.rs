//! Mapping files, as people and programs write them: CSV with a header, or a JSON list of objects with the same names.
//! Every problem is told, each with its line, and none quotes what stands there.

mod check;
mod csv;
mod json;

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Mapping, Row};

/// How a mapping is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `kind,address_id,docplanner_id,partner_id,online`
    Csv,
    /// A list of objects with the same names.
    Json,
}

/// The columns of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// `facility`, `doctor`, `address` or `service`.
    Kind,
    /// Where a service is.
    AddressId,
    /// Docplanner's identifier.
    DocplannerId,
    /// The partner's identifier.
    PartnerId,
    /// Whether a service takes place online.
    Online,
}

/// Where something stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// Everywhere.
    File,
    /// A line of a CSV file; the first is 1.
    Line(usize),
    /// An object of a JSON list; the first is 1.
    Item(usize),
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where.
    #[serde(rename = "at", serialize_with = "as_text")]
    pub spot: Spot,
    /// In which column, if it is one.
    pub column: Option<&'static str>,
    /// What, and what to do.
    pub problem: String,
}

/// Everything that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Format {
    /// By the name of the file, else by how it begins.
    #[must_use]
    pub fn of(name: &str, content: &[u8]) -> Self {
        let first = without_mark(content).trim_ascii_start().first();
        if name.to_ascii_lowercase().ends_with(".json") || matches!(first, Some(b'[' | b'{')) {
            Format::Json
        } else {
            Format::Csv
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// With everything that is wrong with it.
    pub fn parse(self, content: &[u8]) -> Result<Mapping, Problems> {
        let content = without_mark(content);
        match self {
            _ if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") => {
                Err(Problem::of_file("is UTF-16; save it as UTF-8").into())
            }
            Format::Csv => csv::parse(content),
            Format::Json => json::parse(content),
        }
    }

    /// Writes rows as [`Format::parse`] reads them.
    ///
    /// # Errors
    ///
    /// None that is known: every row can be written.
    pub fn write(self, rows: &[Row]) -> anyhow::Result<Vec<u8>> {
        match self {
            Format::Csv => csv::write(rows),
            Format::Json => Ok(format!("{}\n", serde_json::to_string_pretty(rows)?).into_bytes()),
        }
    }
}

/// Without the byte order mark that some programs put before UTF-8.
fn without_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content)
}

impl Column {
    /// Every column, in the order of the file.
    pub const ALL: [Column; 5] =
        [Column::Kind, Column::AddressId, Column::DocplannerId, Column::PartnerId, Column::Online];

    /// Its name in header and objects.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Column::Kind => "kind",
            Column::AddressId => "address_id",
            Column::DocplannerId => "docplanner_id",
            Column::PartnerId => "partner_id",
            Column::Online => "online",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Column::ALL.into_iter().find(|column| column.name() == name)
    }
}

impl Problem {
    fn new(spot: Spot, problem: impl Into<String>) -> Self {
        Self { spot, column: None, problem: problem.into() }
    }

    fn of_file(problem: impl Into<String>) -> Self {
        Self::new(Spot::File, problem)
    }

    fn in_column(spot: Spot, column: Column, problem: impl Into<String>) -> Self {
        Self { spot, column: Some(column.name()), problem: problem.into() }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spot::File => f.write_str("the file"),
            Spot::Line(line) => write!(f, "line {line}"),
            Spot::Item(item) => write!(f, "item {item}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "{}: {column}: {}", self.spot, self.problem),
            None => write!(f, "{}: {}", self.spot, self.problem),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.0.iter().enumerate() {
            let line_break = if nth == 0 { "" } else { "\n" };
            write!(f, "{line_break}{problem}")?;
        }
        Ok(())
    }
}

fn as_text<S: Serializer>(spot: &Spot, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(spot)
}

/// "did you mean …?" for a name that is none of the columns.
fn unknown_name(name: &str) -> String {
    let distance = |column: &Column| strsim::damerau_levenshtein(name, column.name());
    let nearest = Column::ALL.into_iter().min_by_key(distance).filter(|c| distance(c) <= 3);
    match nearest {
        Some(column) => format!("did you mean `{}`?", column.name()),
        None => format!("the names are {}", names()),
    }
}

fn names() -> String {
    Column::ALL.map(Column::name).join(", ")
}

#[cfg(test)]
mod tests;
