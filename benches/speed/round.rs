//! Interleaved runs: what disturbs the machine for a while disturbs all cases alike.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{
    bench::Bench,
    programs::Program,
    report::{Figure, Measure, Row},
};

/// A row of the table to come.
pub(crate) struct Case<R> {
    pub(crate) name: String,
    pub(crate) run: R,
}

impl<R> Case<R> {
    pub(crate) fn new(name: impl Into<String>, run: R) -> Self {
        Self { name: name.into(), run }
    }
}

/// Bookings of one round; more than any run has messages.
const BOOKINGS: u64 = 10_000_000;

/// Runs all cases in turn, in every round beginning with the next one. `measure` is told the case's run and by how
/// much its booking ids differ from those of earlier rounds, and of earlier commands: a database that is kept knows them.
pub(crate) async fn rounds<R>(
    bench: &Bench,
    cases: Vec<Case<R>>,
    runs: u32,
    measure: impl AsyncFn(&R, u64) -> anyhow::Result<Vec<Measure>>,
) -> anyhow::Result<Vec<Row>> {
    let runs = bench.options.runs.unwrap_or(runs);
    let cases: Vec<_> = cases.into_iter().filter(|case| bench.wants(&case.name)).collect();
    let mut rows: Vec<Row> = cases.iter().map(|case| Row::new(&case.name)).collect();
    // No command is over within as many seconds as it has rounds.
    let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    for round in 0..runs {
        let bookings = (began + u64::from(round)) * BOOKINGS;
        for turn in 0..cases.len() {
            let nth = (turn + usize::try_from(round)?) % cases.len();
            let (case, row) = (&cases[nth], &mut rows[nth]);
            let told = format!("  {}/{runs} {}", round + 1, case.name);
            match measure(&case.run, bookings).await {
                Ok(values) => {
                    if let Some(first) = values.first() {
                        eprintln!("{told}: {:.*} {}", first.digits, first.value, first.unit);
                    }
                    row.add(values);
                }
                Err(error) => {
                    eprintln!("{told}: FAILED: {error:#}");
                    row.failures.push(format!("{error:#}"));
                }
            }
        }
    }
    Ok(rows)
}

/// Leaves out the cases whose program cannot be had here, and fetches what the others need.
pub(crate) async fn available<R>(
    cases: Vec<Case<R>>,
    program: impl Fn(&R) -> &Program,
) -> anyhow::Result<(Vec<Case<R>>, Vec<String>)> {
    let (mut available, mut notes) = (Vec::new(), Vec::new());
    for case in cases {
        match program(&case.run).install().await {
            Ok(()) => available.push(case),
            Err(why) => notes.push(format!("{}: not measured: {why:#}", case.name)),
        }
    }
    Ok((available, notes))
}

impl Row {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), figures: Vec::new(), failures: Vec::new() }
    }

    fn add(&mut self, values: Vec<Measure>) {
        for Measure { name, unit, digits, value } in values {
            match self.figures.iter_mut().find(|figure| figure.name == name) {
                Some(figure) => figure.runs.push(value),
                None => self.figures.push(Figure { name, unit, digits, runs: vec![value] }),
            }
        }
    }
}
