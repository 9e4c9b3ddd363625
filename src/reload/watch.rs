//! When a reading of the file counts. Pure.

use super::Problems;
use crate::config::Settings;

/// What the file and the files that it names said at one moment.
pub(super) type Reading = Result<Settings, Problems>;

/// Remembers what was acted on, and what was read last.
pub(super) struct Watch {
    acted_on: Option<Reading>,
    read: Option<Reading>,
}

impl Watch {
    /// Watches for anything else than this.
    pub(super) fn new(in_force: Reading) -> Self {
        Self { acted_on: Some(in_force), read: None }
    }

    /// What to act on. Something new has to be read twice, because a file may be read while it is written, and half a
    /// file can look like a good one with fewer tenants. Whoever asks for it has written it before.
    pub(super) fn notice(&mut self, reading: Reading, is_asked: bool) -> Option<Reading> {
        let is_new = self.acted_on.as_ref() != Some(&reading);
        let is_stable = self.read.as_ref() == Some(&reading);
        self.read = Some(reading.clone());
        let counts = is_asked || (is_new && is_stable);
        if !counts {
            return None;
        }
        self.acted_on = Some(reading.clone());
        Some(reading)
    }

    /// Acting did not work: the same is acted on again.
    pub(super) fn look_again(&mut self) {
        self.acted_on = None;
        self.read = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Problem, TenantSettings};

    #[expect(clippy::unnecessary_wraps, reason = "a reading, as `bad` gives one")]
    fn good(name: &str) -> Reading {
        let tenant = TenantSettings { id: name.to_owned(), ..TenantSettings::default() };
        Ok(Settings { tenants: vec![tenant], ..Settings::default() })
    }

    fn bad() -> Reading {
        let problem = Problem { path: "tenants".to_owned(), message: "none".to_owned() };
        Err(Problems(vec![problem]))
    }

    #[test]
    fn something_new_counts_when_it_was_read_twice_and_once() {
        let mut watch = Watch::new(good("a"));
        for (reading, counts) in [
            (good("a"), false),
            (good("a"), false),
            (good("b"), false),
            (bad(), false),
            (good("b"), false),
            (good("b"), true),
            (good("b"), false),
            (bad(), false),
            (bad(), true),
            (bad(), false),
            (good("b"), false),
            (good("b"), true),
        ] {
            let told = format!("{reading:?}");
            assert_eq!(watch.notice(reading.clone(), false), counts.then_some(reading), "{told}");
        }
    }

    #[test]
    fn whoever_asks_is_answered_at_once_and_what_failed_is_tried_again() {
        let mut watch = Watch::new(good("a"));
        assert!(watch.notice(good("a"), true).is_some());
        assert!(watch.notice(bad(), true).is_some());
        assert!(watch.notice(bad(), false).is_none());
        watch.look_again();
        assert!(watch.notice(bad(), false).is_none());
        assert!(watch.notice(bad(), false).is_some());
    }
}
