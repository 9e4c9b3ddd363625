//! What an import will do, before it does it.

use serde::Serialize;

use super::{Mapping, Row};

/// The difference that an import makes, in the order of the keys.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Not there before.
    pub added: Vec<Row>,
    /// There, with other values.
    pub changed: Vec<Change>,
    /// Not named by a file that replaces everything.
    pub removed: Vec<Row>,
    /// How many are there already just so.
    pub unchanged: usize,
}

/// A row that gets other values.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As it is.
    pub before: Row,
    /// As it will be.
    pub after: Row,
}

impl Plan {
    /// From what is there to what is wanted. What is not named stays, unless it is to `replace`
    /// everything.
    #[must_use]
    pub fn new(current: &Mapping, wanted: Mapping, replace: bool) -> Self {
        let mut plan = Self::default();
        if replace {
            let gone = current.rows().iter().filter(|row| wanted.get(row.key()).is_none());
            plan.removed = gone.cloned().collect();
        }
        for after in wanted.rows {
            match current.get(after.key()) {
                None => plan.added.push(after),
                Some(before) if *before == after => plan.unchanged += 1,
                Some(before) => plan.changed.push(Change { before: before.clone(), after }),
            }
        }
        plan
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// The rows to write.
    pub(super) fn written(&self) -> impl Iterator<Item = &Row> {
        self.added.iter().chain(self.changed.iter().map(|change| &change.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Kind;

    fn doctors(ids: &[(&str, &str)]) -> Mapping {
        let doctor = |(docplanner_id, partner_id): &(&str, &str)| Row {
            kind: Kind::Doctor,
            address_id: String::new(),
            docplanner_id: (*docplanner_id).to_owned(),
            partner_id: (*partner_id).to_owned(),
            online: None,
        };
        Mapping::new(ids.iter().map(doctor).collect())
    }

    fn in_words(plan: &Plan) -> String {
        let of = |sign, row: &Row| format!("{sign}{}={} ", row.docplanner_id, row.partner_id);
        let mut words: String = plan.added.iter().map(|row| of('+', row)).collect();
        words.extend(plan.changed.iter().map(|change| of('~', &change.after)));
        words.extend(plan.removed.iter().map(|row| of('-', row)));
        format!("{words}={}", plan.unchanged)
    }

    #[test]
    fn what_a_file_does_not_name_is_removed_only_if_it_replaces_everything() {
        let current = || doctors(&[("1", "a"), ("2", "b"), ("3", "c")]);
        let wanted = || doctors(&[("4", "d"), ("3", "c"), ("2", "B")]);
        assert_eq!(in_words(&Plan::new(&current(), wanted(), false)), "+4=d ~2=B =1");
        assert_eq!(in_words(&Plan::new(&current(), wanted(), true)), "+4=d ~2=B -1=a =1");
        assert_eq!(
            in_words(&Plan::new(&current(), doctors(&[]), true)),
            "-1=a -2=b -3=c =0",
            "an empty file that replaces everything removes everything"
        );
        assert!(Plan::new(&current(), current(), true).is_empty());
    }
}
