//! Log lines on stderr.

use anyhow::Context;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::{LogFormat, LogSettings};

/// Starts logging, and makes a panic one log line that names the place but not the text, which may
/// quote what was being processed.
///
/// # Errors
///
/// If logging was started before, or the level is no filter.
pub fn init(settings: &LogSettings) -> anyhow::Result<()> {
    let asked: Targets = settings.level.parse().context("log.level")?;
    // Whatever the client library reports comes back to us as an error, and is told once, by us.
    let filter = Targets::new().with_target("lapin", LevelFilter::OFF);
    let filter = match asked.default_level() {
        Some(level) => filter.with_default(level),
        None => filter,
    };
    let filter =
        filter.with_targets(asked.iter().map(|(target, level)| (target.to_owned(), level)));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => lines.with_target(false).with_ansi(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic; the delivery it happened in is dead-lettered");
    }));
    Ok(())
}
