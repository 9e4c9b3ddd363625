//! From the cells of a row to a row, whatever the format: what every cell must be, and that no two
//! rows are about the same thing.

use std::borrow::Cow;

use super::{Column, Problem, Problems, Spot};
use crate::mapping::{Kind, Mapping, Row};

/// Longer than any identifier, and short enough for an index of PostgreSQL.
const LONGEST_ID: usize = 255;

/// The cells of one row, in the order of [`Column::ALL`]; an empty one says nothing.
pub(super) struct Cells<'f> {
    pub(super) spot: Spot,
    pub(super) values: [Cow<'f, str>; 5],
}

/// Gathers rows and problems.
#[derive(Default)]
pub(super) struct Checked {
    rows: Vec<(Row, Spot)>,
    problems: Vec<Problem>,
}

impl Checked {
    /// One more problem.
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// One more row, if nothing is wrong with it.
    pub(super) fn take(&mut self, cells: &Cells<'_>) {
        let before = self.problems.len();
        let row = self.row(cells);
        if let Some(row) = row.filter(|_| self.problems.len() == before) {
            self.rows.push((row, cells.spot));
        }
    }

    fn row(&mut self, cells: &Cells<'_>) -> Option<Row> {
        let [kind, address_id, docplanner_id, partner_id, online] =
            cells.values.each_ref().map(|value| value.trim());
        let is = |column, problem| Problem::in_column(cells.spot, column, problem);
        let kind_of_row = Kind::from_word(kind);
        if kind_of_row.is_none() {
            let words = "expected facility, doctor, address or service";
            self.problem(is(Column::Kind, words));
        }
        for (column, id) in [(Column::DocplannerId, docplanner_id), (Column::PartnerId, partner_id)]
        {
            if id.is_empty() {
                self.problem(is(column, "is empty; fill it in, or leave out the whole row"));
            }
        }
        for (column, value) in
            Column::ALL.into_iter().zip([kind, address_id, docplanner_id, partner_id, online])
        {
            if let Some(problem) = not_an_id(value) {
                self.problem(is(column, problem));
            }
        }
        match (kind_of_row, address_id) {
            (Some(Kind::Service), "") => {
                let why = "is empty; a service needs the address it is at";
                self.problem(is(Column::AddressId, why));
            }
            (Some(Kind::Service) | None, _) | (Some(_), "") => {}
            (Some(_), _) => {
                self.problem(is(Column::AddressId, "belongs to services only; leave it empty"));
            }
        }
        let is_online = match online {
            "" => None,
            word if word.eq_ignore_ascii_case("true") => Some(true),
            word if word.eq_ignore_ascii_case("false") => Some(false),
            _ => {
                self.problem(is(Column::Online, "expected true, false or nothing"));
                None
            }
        };
        if is_online.is_some() && kind_of_row.is_some_and(|kind| kind != Kind::Service) {
            self.problem(is(Column::Online, "belongs to services only; leave it empty"));
        }
        Some(Row {
            kind: kind_of_row?,
            address_id: address_id.to_owned(),
            docplanner_id: docplanner_id.to_owned(),
            partner_id: partner_id.to_owned(),
            online: is_online,
        })
    }

    /// The mapping, if nothing was wrong.
    pub(super) fn finish(mut self) -> Result<Mapping, Problems> {
        self.rows.sort_by(|(a, at), (b, later)| a.key().cmp(&b.key()).then(at.cmp(later)));
        for pair in self.rows.windows(2) {
            let [(row, first), (next, second)] = pair else { continue };
            if row.key() == next.key() {
                let what = format!("the same {} as in {first}; keep one", row.kind.as_str());
                self.problems.push(Problem::new(*second, what));
            }
        }
        // Stable: the problems of one row stay in the order of its columns.
        self.problems.sort_by_key(|problem| problem.spot);
        if self.problems.is_empty() {
            Ok(Mapping::new(self.rows.into_iter().map(|(row, _)| row).collect()))
        } else {
            Err(Problems(self.problems))
        }
    }
}

fn not_an_id(value: &str) -> Option<&'static str> {
    if value.contains(['\n', '\r']) {
        Some("holds a line break; is a quotation mark not closed?")
    } else if value.contains(char::is_control) {
        Some("holds a control character")
    } else if value.chars().count() > LONGEST_ID {
        Some("is longer than 255 characters")
    } else {
        None
    }
}
