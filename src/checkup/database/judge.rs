//! What the database tells, judged.

use std::time::Duration;

use chrono::TimeDelta;

use super::facts::{Durability, Grants, Inbox, Server};
use crate::{
    checkup::Finding,
    inbox::{SchemaError, SchemaVersion},
    retry::chain,
};

/// Timers are due by the pods' clocks, leases end by the database's.
const MUCH_SKEW: TimeDelta = TimeDelta::seconds(5);

/// Keys are removed once in a while; this much more than their retention is no sign that they are not.
const SLACK: TimeDelta = TimeDelta::days(1);

pub(super) fn server(server: &Server) -> Vec<Finding> {
    let how = if server.is_encrypted { "by TLS" } else { "without TLS" };
    let what = format!("PostgreSQL {}, {how}", server.version);
    let mut findings = vec![if server.is_encrypted || server.is_local {
        Finding::ok("database", what)
    } else {
        Finding::note("database", what).with_remedy("add ?sslmode=verify-full to database.url")
    }];
    if server.is_read_only {
        findings.push(Finding::error(
            "database",
            "it takes no writes: a standby, or default_transaction_read_only",
            "let database.url name the primary server",
        ));
    }
    findings.extend(durability(&server.durability));
    findings.push(clock(server.ahead));
    findings
}

fn durability(told: &Durability) -> Vec<Finding> {
    const PLACE: &str = "database durability";
    let mut findings = Vec::new();
    if !told.fsync {
        let what = "fsync is off: a power failure can lose or destroy what was told to be complete";
        findings.push(Finding::error(PLACE, what, "set fsync = on"));
    }
    if !told.full_page_writes {
        let what = "full_page_writes is off: a power failure can destroy pages";
        let remedy = "set full_page_writes = on, unless the file system writes pages whole";
        findings.push(Finding::warning(PLACE, what, remedy));
    }
    if told.synchronous_commit == "off" {
        findings.push(Finding::error(
            PLACE,
            "synchronous_commit is off: a crash of the server forgets completions and timers of acknowledged deliveries",
            "set synchronous_commit = on, for this database or role at least",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(PLACE, "what is committed is on disk"));
    }
    findings
}

fn clock(ahead: TimeDelta) -> Finding {
    const PLACE: &str = "database clock";
    if ahead.abs() > MUCH_SKEW {
        let seconds = ahead.num_seconds();
        let what =
            format!("{} s {} ours", seconds.abs(), if seconds > 0 { "ahead of" } else { "behind" });
        Finding::warning(
            PLACE,
            what,
            "let both machines follow NTP: leases and timers go by these clocks",
        )
    } else {
        Finding::ok(PLACE, format!("within {} s of ours", MUCH_SKEW.num_seconds()))
    }
}

pub(super) fn schema(version: Result<SchemaVersion, SchemaError>) -> Finding {
    const PLACE: &str = "database schema";
    match version {
        Ok(version) if version.is_behind() => {
            let behind = SchemaError::Behind { have: version.have, need: version.need };
            Finding::error(PLACE, behind.to_string(), "run `docplanner-worker migrate`")
        }
        Ok(SchemaVersion { have, need }) if have > need => {
            let what =
                format!("at version {have}; this program knows {need}, and works with a newer one");
            Finding::note(PLACE, what)
                .with_remedy("finish the upgrade: a newer release has migrated it")
        }
        Ok(SchemaVersion { have, .. }) => Finding::ok(PLACE, format!("at version {have}")),
        Err(error) => {
            let remedy =
                "grant the role SELECT on refinery_schema_history, and what the worker needs";
            Finding::error(PLACE, chain(&error), remedy)
        }
    }
}

pub(super) fn grants(grants: &Grants) -> Vec<Finding> {
    const PLACE: &str = "database privileges";
    let refused: Vec<_> =
        grants.all.iter().filter(|(_, granted)| !granted).map(|(name, _)| name.as_str()).collect();
    if refused.is_empty() {
        return vec![Finding::ok(PLACE, "all that the worker needs")];
    }
    let what = format!("the role may not use all of: {}", refused.join(", "));
    let remedy = "GRANT SELECT, INSERT, UPDATE, DELETE on tables, USAGE on sequences, EXECUTE on functions, or let the \
                  role own the schema";
    vec![Finding::error(PLACE, what, remedy)]
}

pub(super) fn inbox(inbox: &Inbox, retention: Duration) -> Finding {
    let (rows, size) = (inbox.rows, inbox.bytes >> 20);
    let Some(oldest) = inbox.oldest else {
        return Finding::note("inbox", format!("empty, {size} MiB"));
    };
    let days = oldest.num_days();
    let kept = TimeDelta::from_std(retention).unwrap_or(TimeDelta::MAX);
    let what = format!("about {rows} keys, {size} MiB, the oldest {days} days old");
    let is_late = kept.checked_add(&SLACK).is_some_and(|latest| oldest > latest);
    if is_late {
        let what = format!("{what}, which is longer than database.retention");
        Finding::warning(
            "inbox",
            what,
            "look whether a worker runs, and what it logs of removing old keys",
        )
    } else {
        Finding::note("inbox", what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Level;

    fn safe() -> Durability {
        Durability { fsync: true, full_page_writes: true, synchronous_commit: "on".into() }
    }

    fn good() -> Server {
        Server {
            version: "15.3".into(),
            ahead: TimeDelta::milliseconds(20),
            room: 97,
            limits: [-1, -1],
            durability: safe(),
            is_read_only: false,
            is_encrypted: true,
            is_local: false,
        }
    }

    fn worst(changed: &Server) -> Level {
        server(changed).iter().map(|finding| finding.level).max().unwrap()
    }

    #[test]
    fn a_server_that_could_lose_what_it_was_told_is_an_error() {
        let cases = [
            (good(), Level::Ok),
            (Server { durability: Durability { fsync: false, ..safe() }, ..good() }, Level::Error),
            (
                Server { durability: Durability { full_page_writes: false, ..safe() }, ..good() },
                Level::Warning,
            ),
            (
                Server {
                    durability: Durability { synchronous_commit: "off".into(), ..safe() },
                    ..good()
                },
                Level::Error,
            ),
            (
                Server {
                    durability: Durability { synchronous_commit: "local".into(), ..safe() },
                    ..good()
                },
                Level::Ok,
            ),
            (Server { is_read_only: true, ..good() }, Level::Error),
            (Server { is_encrypted: false, ..good() }, Level::Note),
            (Server { is_encrypted: false, is_local: true, ..good() }, Level::Ok),
            (Server { ahead: TimeDelta::seconds(6), ..good() }, Level::Warning),
            (Server { ahead: TimeDelta::seconds(-6), ..good() }, Level::Warning),
        ];
        for (changed, level) in cases {
            assert_eq!(worst(&changed), level, "{changed:?}");
        }
    }

    #[test]
    fn room_is_the_least_of_all_limits() {
        assert_eq!(good().room(), 97);
        assert_eq!(Server { limits: [-1, 20], ..good() }.room(), 20);
        assert_eq!(Server { limits: [5, 20], ..good() }.room(), 5);
    }

    #[test]
    fn a_newer_schema_is_good_and_an_older_one_is_not() {
        for (have, level) in
            [(0, Level::Error), (7, Level::Error), (8, Level::Ok), (9, Level::Note)]
        {
            assert_eq!(schema(Ok(SchemaVersion { have, need: 8 })).level, level, "{have}");
        }
    }

    #[test]
    fn keys_that_are_kept_too_long_are_told() {
        let retention = Duration::from_hours(21 * 24);
        let of = |days| Inbox { rows: 1, bytes: 1, oldest: Some(TimeDelta::days(days)) };
        for (days, level) in [(1, Level::Note), (21, Level::Note), (23, Level::Warning)] {
            assert_eq!(inbox(&of(days), retention).level, level, "{days}");
        }
        let empty = Inbox { oldest: None, ..of(0) };
        assert_eq!(inbox(&empty, retention).level, Level::Note);
    }

    #[test]
    fn what_is_not_granted_is_named() {
        let all = vec![("table inbox".to_owned(), true), ("function set_aside".to_owned(), false)];
        let told = grants(&Grants { all });
        assert_eq!((told.len(), told[0].level), (1, Level::Error));
        assert!(told[0].what.ends_with("function set_aside"), "{}", told[0].what);
    }
}
