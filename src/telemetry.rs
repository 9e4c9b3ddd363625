//! Log lines on stderr, whose level can change while the worker runs, and the spans of traces.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use opentelemetry_sdk::trace::SdkTracer;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{Dispatch, info};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt,
};

use crate::{
    config::{LogFormat, LogSettings},
    traces,
};

/// What SIGUSR1 adds to the configured level.
const LOUDER: (&str, LevelFilter) = ("docplanner_worker", LevelFilter::DEBUG);

/// Changes what is logged. Cheap to clone.
#[derive(Clone)]
pub struct LogLevel {
    filter: reload::Handle<Targets, Registry>,
    wanted: Arc<Mutex<Wanted>>,
}

/// What is to be logged.
#[derive(Debug, Clone)]
struct Wanted {
    /// `log.level`.
    configured: Targets,
    /// Somebody looks at it at the moment.
    louder: bool,
}

/// Starts logging, and makes a panic one log line that names the place but not the text, which may
/// quote what was being processed. With a tracer, spans go to it.
///
/// # Errors
///
/// If logging was started before, or the level is no filter.
pub fn init(settings: &LogSettings, tracer: Option<SdkTracer>) -> anyhow::Result<LogLevel> {
    let wanted = Wanted { configured: parse(&settings.level)?, louder: false };
    let (filter, handle) = reload::Layer::new(wanted.filter());
    listeners(settings.format, filter, tracer).try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic; the delivery it happened in is dead-lettered");
    }));
    Ok(LogLevel { filter: handle, wanted: Arc::new(Mutex::new(wanted)) })
}

fn listeners(
    format: LogFormat,
    filter: reload::Layer<Targets, Registry>,
    tracer: Option<SdkTracer>,
) -> Dispatch {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Text => lines.with_target(false).with_ansi(false).boxed(),
    };
    let lines = tracing_subscriber::registry().with(lines.with_filter(filter));
    match tracer {
        Some(tracer) => lines.with(spans(tracer)).into(),
        // Not an empty layer: with that, each span would be made and kept, for nobody.
        None => lines.into(),
    }
}

/// Only our own spans, without what the library would add to each: threads, places, times of inactivity.
fn spans<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_context_activation(false)
        .with_tracked_inactivity(false)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_filter(Targets::new().with_target(traces::TARGET, LevelFilter::TRACE))
}

impl LogLevel {
    /// Logs from now on what `log.level` says.
    ///
    /// # Errors
    ///
    /// If it is neither a level nor a filter; nothing is changed then.
    pub fn set(&self, level: &str) -> anyhow::Result<()> {
        let configured = parse(level)?;
        self.change(|wanted| wanted.configured = configured)
    }

    /// Logs each step of the worker itself, or no longer.
    ///
    /// # Errors
    ///
    /// If logging has ended.
    pub fn louder(&self, louder: bool) -> anyhow::Result<()> {
        self.change(|wanted| wanted.louder = louder)
    }

    /// Follows SIGUSR1 (each step of the worker) and SIGUSR2 (as configured), without end.
    ///
    /// # Errors
    ///
    /// If the signals cannot be received.
    pub async fn on_signals(self, mut signals: LogSignals) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                _ = signals.louder.recv() => self.louder(true)?,
                _ = signals.configured.recv() => self.louder(false)?,
            }
        }
    }

    fn change(&self, apply: impl FnOnce(&mut Wanted)) -> anyhow::Result<()> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = wanted.filter();
        apply(&mut wanted);
        let filter = wanted.filter();
        if filter != before {
            let log_level = filter.to_string();
            self.filter.reload(filter).context("logging has ended")?;
            info!(log_level, "the log level is {log_level} now");
        }
        Ok(())
    }
}

/// The signals that change the level, received from now on: before, each of them would end the process.
pub struct LogSignals {
    louder: Signal,
    configured: Signal,
}

impl LogSignals {
    /// Begins to receive them.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn receive() -> std::io::Result<Self> {
        let (louder, configured) = (SignalKind::user_defined1(), SignalKind::user_defined2());
        Ok(Self { louder: signal(louder)?, configured: signal(configured)? })
    }
}

impl Wanted {
    fn filter(&self) -> Targets {
        // Whatever the client library reports comes back to us as an error, and is told once, by us.
        let mut filter = Targets::new().with_target("lapin", LevelFilter::OFF);
        if let Some(level) = self.configured.default_level() {
            filter = filter.with_default(level);
        }
        filter = filter.with_targets(self.configured.iter());
        if self.louder {
            filter = filter.with_target(LOUDER.0, LOUDER.1);
        }
        // Spans are no lines, and cost something as soon as somebody listens.
        filter.with_target(traces::TARGET, LevelFilter::OFF)
    }
}

fn parse(level: &str) -> anyhow::Result<Targets> {
    level.parse().context("log.level")
}

#[cfg(test)]
mod tests {
    use tracing::{Level, dispatcher::with_default};

    use super::*;

    fn wanted(level: &str, louder: bool) -> Targets {
        Wanted { configured: parse(level).unwrap(), louder }.filter()
    }

    #[test]
    fn the_configured_level_holds_for_all_but_the_broker_library_and_spans() {
        let filter = wanted("trace", false);
        assert!(filter.would_enable("docplanner_worker::inbox", &Level::TRACE));
        assert!(filter.would_enable("hyper", &Level::TRACE));
        assert!(!filter.would_enable("lapin::io_loop", &Level::ERROR));
        assert!(!filter.would_enable(traces::TARGET, &Level::ERROR));
        assert!(filter.would_enable("docplanner_worker::traces::export", &Level::WARN));
        assert!(wanted("info,lapin=debug", false).would_enable("lapin", &Level::DEBUG));
    }

    #[test]
    fn without_traces_no_span_is_made() {
        let (filter, _handle) = reload::Layer::new(wanted("trace", true));
        let listeners = listeners(LogFormat::Json, filter, None);
        let made_for_all = Dispatch::from(Registry::default());
        let span = with_default(&made_for_all, || traces::stage!("decode"));
        assert!(listeners.register_callsite(span.metadata().unwrap()).is_never());
    }

    #[test]
    fn louder_means_our_own_steps() {
        let filter = wanted("error", true);
        assert!(filter.would_enable("docplanner_worker::inbox", &Level::DEBUG));
        assert!(!filter.would_enable("hyper", &Level::INFO));
    }
}
