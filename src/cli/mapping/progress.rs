//! How far a walk is, on stderr: a bar on a terminal, else a line now and then.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::catalog::{Notice, Watch};

/// Between two lines where there is no terminal. A large walk takes hours.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Between two looks at the clock on a terminal.
const TICK: Duration = Duration::from_secs(1);

/// What is left grows while the walk finds out what there is, so a share of it means little before
/// the end; both numbers are told.
const BAR: &str = "{prefix} {wide_bar} {pos} of {len} lists known so far, {elapsed}";

/// Tells a person.
pub(super) struct Progress {
    tenant: String,
    way: Way,
}

enum Way {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    pub(super) fn new(tenant: &str) -> Self {
        let way = if stderr().is_terminal() {
            let bar = ProgressBar::new(0).with_prefix(tenant.to_owned());
            // A walk that waits for its quota should not look dead.
            bar.enable_steady_tick(TICK);
            let style = ProgressStyle::with_template(BAR);
            Way::Bar(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
        } else {
            Way::Lines { last: Instant::now() }
        };
        Self { tenant: tenant.to_owned(), way }
    }

    /// Nothing more is told: leaves the terminal clean.
    pub(super) fn end(&self) {
        if let Way::Bar(bar) = &self.way {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progress {
    fn advanced(&mut self, done: usize, left: usize) {
        match &mut self.way {
            Way::Bar(bar) => {
                bar.set_length((done + left) as u64);
                bar.set_position(done as u64);
            }
            Way::Lines { last } => {
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    eprintln!("{}: {done} of {} lists known so far", self.tenant, done + left);
                }
            }
        }
    }

    fn tell(&mut self, notice: &Notice<'_>) {
        let line = format!("{}: {notice}", self.tenant);
        match &self.way {
            Way::Bar(bar) => bar.println(line),
            Way::Lines { .. } => eprintln!("{line}"),
        }
    }
}
