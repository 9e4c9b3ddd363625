//! Letters for people, at most 100 columns wide.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    desk::{Letter, Tally},
    notification::Kind,
};

/// For what is not known.
const NOTHING: &str = "-";

/// The columns: id, age, reason, tenant, kind, what it is about.
const WIDTHS: [usize; 6] = [12, 7, 17, 14, 24, 20];

pub(super) fn heading() -> String {
    row(["ID", "AGE", "REASON", "TENANT", "KIND", "ABOUT"])
}

pub(super) fn line(letter: &Letter, now: DateTime<Utc>) -> String {
    let age = letter.failed_at.map(|at| age(now - at));
    let about = letter.subject.in_words();
    row([
        &letter.id,
        age.as_deref().unwrap_or(NOTHING),
        letter.cause.as_str(),
        letter.tenant.as_deref().unwrap_or(NOTHING),
        letter.kind.map_or(NOTHING, Kind::name),
        about.as_deref().unwrap_or(NOTHING),
    ])
}

/// How many letters there are for each reason and tenant.
pub(super) fn groups(tally: &Tally) -> Vec<String> {
    let [_, count, reason, ..] = WIDTHS;
    tally
        .groups
        .iter()
        .map(|((told, tenant), letters)| {
            let tenant = tenant.as_deref().unwrap_or(NOTHING);
            format!("{letters:>count$} {told:<reason$} {tenant}")
        })
        .collect()
}

/// One letter in full.
pub(super) fn in_full(letter: &Letter, reveal: bool, now: DateTime<Utc>) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("{name:<13} {value}")));
    };
    let moment = |at: DateTime<Utc>| {
        format!("{}, {} ago", at.format("%Y-%m-%d %H:%M:%S UTC"), age(now - at))
    };
    let subject = &letter.subject;
    line("id", Some(letter.id.clone()));
    line("reason", Some(letter.cause.as_str().to_owned()));
    line("error", letter.error.as_deref().map(printable));
    line("attempts", letter.attempts.map(|attempts| attempts.to_string()));
    line("set aside", letter.failed_at.map(moment));
    line("put back", letter.replayed_at.map(moment));
    line("tenant", letter.tenant.clone());
    line("kind", letter.kind.map(|kind| kind.name().to_owned()));
    line("facility", subject.facility.clone());
    line("doctor", subject.doctor.clone());
    line("address", subject.address.clone());
    line("service", subject.service.clone());
    line("break", subject.calendar_break.clone());
    line("booking", subject.booking.clone());
    for (name, value) in letter.headers(reveal) {
        line("header", Some(printable(&format!("{name}: {value}"))));
    }
    line("size", Some(format!("{} bytes", letter.body.bytes().len())));
    let outline = letter.body.outline();
    line("not JSON", outline.as_ref().err().map(ToString::to_string));
    let body =
        if reveal { Some(revealed(letter)) } else { outline.ok().map(|it| format!("{it:#}")) };
    line("body", body);
    lines.join("\n")
}

/// The body, with line breaks if it is JSON. Patient data.
fn revealed(letter: &Letter) -> String {
    match letter.body.json() {
        Ok(json) => format!("{json:#}"),
        Err(_) => printable(&String::from_utf8_lossy(letter.body.bytes())),
    }
}

/// The body in a line of its own. Patient data.
pub(super) fn revealed_line(letter: &Letter) -> String {
    match letter.body.json() {
        Ok(json) => format!("  {json}"),
        Err(_) => format!("  {}", printable(&String::from_utf8_lossy(letter.body.bytes()))),
    }
}

/// Without what would move a terminal's cursor, which a message may well contain.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn row(cells: [&str; 6]) -> String {
    let cells = cells.into_iter().zip(WIDTHS);
    let line: Vec<_> =
        cells.map(|(text, width)| format!("{:<width$}", fitted(text, width))).collect();
    line.join(" ").trim_end().to_owned()
}

/// Cut to a width; what is cut shows.
fn fitted(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// In the two largest units: `3d 4h`.
fn age(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let first = units.iter().position(|(length, _)| seconds >= *length).unwrap_or(3);
    let (length, unit) = units[first];
    let whole = seconds / length;
    match units.get(first + 1).map(|(next, name)| (seconds % length / next, name)) {
        Some((rest, name)) if rest > 0 && whole < 100 => format!("{whole}{unit} {rest}{name}"),
        _ => format!("{whole}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_two_largest_units() {
        let cases = [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (3_600, "1h"),
            (7_261, "2h 1m"),
            (273_600, "3d 4h"),
            (8_640_000 + 3_600, "100d"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(age(TimeDelta::seconds(seconds)), expected);
        }
    }

    #[test]
    fn no_row_is_wider_than_100_columns() {
        let long = "ż".repeat(300);
        assert!(row([&long; 6]).chars().count() <= 100);
        assert!(heading().len() <= 100);
    }
}
