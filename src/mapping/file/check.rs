//! From the cells of a row to a row, whatever the format: what every cell must be, and that no two
//! rows are about the same thing.

use std::borrow::Cow;

use super::{Column, Problem, Problems, Spot};
use crate::mapping::{Kind, Mapping, Row};

/// Longer than any identifier, and short enough for an index of PostgreSQL.
const LONGEST_ID: usize = 255;

const EMPTY: &str = "is empty; fill it in, or leave out the whole row";
const OF_SERVICES: &str = "belongs to services only; leave it empty";

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
        let values = cells.values.each_ref().map(|value| value.trim());
        let [kind, address_id, docplanner_id, partner_id, online] = values;
        let kind = Kind::from_word(kind);
        let online_of_kind = online_of(kind, online);
        let found = [
            kind.is_none()
                .then_some((Column::Kind, "expected facility, doctor, address or service")),
            address_of(kind, address_id).map(|problem| (Column::AddressId, problem)),
            docplanner_id.is_empty().then_some((Column::DocplannerId, EMPTY)),
            partner_id.is_empty().then_some((Column::PartnerId, EMPTY)),
            online_of_kind.err().map(|problem| (Column::Online, problem)),
        ];
        let odd = Column::ALL.into_iter().zip(values.map(not_an_id));
        let odd = odd.filter_map(|(column, problem)| Some((column, problem?)));
        let before = self.problems.len();
        for (column, problem) in found.into_iter().flatten().chain(odd) {
            self.problem(Problem::in_column(cells.spot, column, problem));
        }
        let is_good = self.problems.len() == before;
        if let (true, Some(kind), Ok(online)) = (is_good, kind, online_of_kind) {
            let [address_id, docplanner_id, partner_id] =
                [address_id, docplanner_id, partner_id].map(str::to_owned);
            let row = Row { kind, address_id, docplanner_id, partner_id, online };
            self.rows.push((row, cells.spot));
        }
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
        // Stable: the problems of one row stay in their order.
        self.problems.sort_by_key(|problem| problem.spot);
        if self.problems.is_empty() {
            Ok(Mapping::new(self.rows.into_iter().map(|(row, _)| row).collect()))
        } else {
            Err(Problems(self.problems))
        }
    }
}

/// What is wrong with the address of a row of that kind.
fn address_of(kind: Option<Kind>, address_id: &str) -> Option<&'static str> {
    match (kind?, address_id.is_empty()) {
        (Kind::Service, true) => Some("is empty; a service needs the address it is at"),
        (Kind::Facility | Kind::Doctor | Kind::Address, false) => Some(OF_SERVICES),
        (Kind::Service, false) | (_, true) => None,
    }
}

/// Whether a row of that kind is online, or what is wrong with what is said. Spreadsheets write TRUE.
fn online_of(kind: Option<Kind>, online: &str) -> Result<Option<bool>, &'static str> {
    match (online.to_ascii_lowercase().as_str(), kind) {
        ("", _) => Ok(None),
        (_, Some(Kind::Facility | Kind::Doctor | Kind::Address)) => Err(OF_SERVICES),
        ("true", _) => Ok(Some(true)),
        ("false", _) => Ok(Some(false)),
        _ => Err("expected true, false or nothing"),
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
