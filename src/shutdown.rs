//! Stopping: politely on the first signal, at once on the second.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The two ways to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Take nothing new, finish what is in flight.
    pub soft: CancellationToken,
    /// Leave everything as it is.
    pub hard: CancellationToken,
}

impl Stop {
    /// Whether stopping has begun.
    #[must_use]
    pub fn is_soft(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Follows SIGTERM (Kubernetes' way to stop a pod) and SIGINT (Ctrl-C, the same while developing).
    ///
    /// # Errors
    ///
    /// If the signals cannot be received.
    pub async fn on_signals(self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        for nth in 1.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if nth == 1 {
                info!("stopping; a second signal leaves at once");
                self.soft.cancel();
            } else {
                warn!("leaving at once");
                self.hard.cancel();
            }
        }
        Ok(())
    }
}
