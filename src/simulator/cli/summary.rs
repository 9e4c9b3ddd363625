//! What was told, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use crate::simulator::notifications::{Generated, Kind};

/// Counts notifications.
#[derive(Debug, Default)]
pub(super) struct Summary {
    kinds: BTreeMap<Kind, u64>,
    pub(super) total: u64,
    duplicates: u64,
    malformed: u64,
    bytes: usize,
}

impl Summary {
    pub(super) fn count(&mut self, notification: &Generated) {
        self.total += 1;
        self.bytes += notification.body.len();
        if notification.defect.is_some() {
            self.malformed += 1;
            return;
        }
        self.duplicates += u64::from(notification.duplicate_of.is_some());
        *self.kinds.entry(notification.kind).or_default() += 1;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.kinds {
            writeln!(f, "{count:>9}  {kind}")?;
        }
        if self.malformed > 0 {
            writeln!(f, "{:>9}  malformed", self.malformed)?;
        }
        write!(f, "{:>9}  in all", self.total)?;
        write!(f, ", {} of them duplicates, {} bytes", self.duplicates, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::notifications::{Generator, GeneratorOptions};
    use crate::simulator::world::World;

    #[test]
    fn everything_is_counted_once() {
        let options = GeneratorOptions {
            duplicates: 0.2,
            malformed: 0.2,
            count: Some(200),
            ..GeneratorOptions::default()
        };
        let mut summary = Summary::default();
        for notification in Generator::new(1, &World::sample(), options) {
            summary.count(&notification);
        }

        assert_eq!(summary.total, 200);
        assert!(summary.duplicates > 0 && summary.malformed > 0);
        assert_eq!(summary.kinds.values().sum::<u64>() + summary.malformed, 200);
        assert!(summary.to_string().contains("200  in all"));
    }
}
