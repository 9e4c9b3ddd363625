//! Interleaved runs: what disturbs the machine for a while disturbs all cases alike.

use crate::{
    bench::Bench,
    report::{Figure, Row},
    run::{Outcome, Run},
};

/// A row of the table to come.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) run: Run,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, run: Run) -> Self {
        Self { name: name.into(), run }
    }
}

/// Runs all cases in turn, in every round beginning with the next one.
pub(crate) async fn rounds(bench: &Bench, cases: Vec<Case>, runs: u32) -> anyhow::Result<Vec<Row>> {
    let mut measured = Vec::new();
    for case in cases.into_iter().filter(|case| bench.wants(&case.name)) {
        match case.run.program.is_missing() {
            Some(why) => eprintln!("  {}: not measured, {why}", case.name),
            None => {
                case.run.program.install().await?;
                measured.push((case, Measured::default()));
            }
        }
    }
    let runs = bench.options.runs.unwrap_or(runs);
    for round in 0..runs {
        for turn in 0..measured.len() {
            let nth = (turn + usize::try_from(round)?) % measured.len();
            let (case, results) = &mut measured[nth];
            // A database that lives on must not see the same bookings twice.
            let mut run = case.run.clone();
            run.load.first_booking += u64::from(round) * 10_000_000;
            match run.measure(bench).await {
                Ok(outcome) => {
                    eprintln!("  {}/{runs} {}: {:.0}/s", round + 1, case.name, outcome.rate);
                    results.outcomes.push(outcome);
                }
                Err(error) => {
                    eprintln!("  {}/{runs} {}: FAILED: {error:#}", round + 1, case.name);
                    results.failures.push(format!("{error:#}"));
                }
            }
        }
    }
    Ok(measured.into_iter().map(|(case, results)| results.row(case.name)).collect())
}

#[derive(Default)]
struct Measured {
    outcomes: Vec<Outcome>,
    failures: Vec<String>,
}

impl Measured {
    fn row(self, name: String) -> Row {
        let figure = |name, unit, digits, of: &dyn Fn(&Outcome) -> Option<f64>| {
            let runs = self.outcomes.iter().filter_map(of).collect();
            Figure { name, unit, digits, runs }
        };
        let figures = vec![
            figure("rate", "1/s", 0, &|outcome| Some(outcome.rate)),
            figure("cpu", "s/10k", 2, &|outcome| outcome.cpu[0]),
            figure("rabbitmq", "s/10k", 2, &|outcome| outcome.cpu[1]),
            figure("postgresql", "s/10k", 2, &|outcome| outcome.cpu[2]),
            figure("rss", "MiB", 0, &|outcome| Some(outcome.memory.mib)),
            figure("peak", "MiB", 0, &|outcome| Some(outcome.memory.peak_mib)),
            figure("requests", "", 0, &|outcome| Some(f64::from(outcome.requests))),
        ];
        Row { name, figures, failures: self.failures }
    }
}
