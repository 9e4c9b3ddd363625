//! LISTEN on a connection of its own: told within milliseconds what other pods have done.

use std::{convert::Infallible, future::poll_fn, time::Duration};

use anyhow::Context;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::dialing;
use crate::{config::DatabaseSettings, database, retry::Backoff};

/// How often the connection is tried. One that was cut without a word is noticed after this and
/// [`ANSWER_TIMEOUT`]; more often would cost each pod more statements than it saves.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// For each statement of the connection. A frozen server accepts connections and says nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Who wants to hear what is told on a channel.
///
/// What is told while nobody listens is lost: whatever was known before [`Listener::begins`] has to be
/// checked against the database before it is believed again.
pub trait Listener: Send + Sync {
    /// From now on everything is heard.
    fn begins(&self);

    /// Something was told.
    fn hears(&self, payload: &str);

    /// From now on something may be missed.
    fn ends(&self);
}

/// Listens until stopped, reconnecting without end. Where a pooler stands before the database it has to
/// pool by session, or nothing is ever heard.
pub async fn listen_until_stopped(
    settings: DatabaseSettings,
    channel: &'static str,
    listener: impl Listener,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::reconnect();
    // A server that stays away is told once, not at each attempt.
    let mut told = false;
    loop {
        let mut began = false;
        let session = listen(&settings, channel, &listener, || {
            began = true;
            info!(channel, "listening to other pods");
        });
        let ended = stop.run_until_cancelled(session).await;
        listener.ends();
        let Some(Err(error)) = ended else { return };
        if began {
            backoff.reset();
            told = false;
        }
        if !told {
            warn!(channel, error = %database::told(&*error), "not listening to other pods");
            told = true;
        }
        if stop.run_until_cancelled(tokio::time::sleep(backoff.next_delay())).await.is_none() {
            return;
        }
    }
}

/// One connection, until it ends.
async fn listen(
    settings: &DatabaseSettings,
    channel: &str,
    listener: &impl Listener,
    began: impl FnOnce(),
) -> anyhow::Result<Infallible> {
    let (mut config, tls) = dialing(settings)?;
    config.application_name("docplanner-worker listen");
    let (client, mut connection) =
        timeout(ANSWER_TIMEOUT, config.connect(tls)).await.context("connecting")??;
    let hearing = async {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(told))) => listener.hears(told.payload()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => anyhow::bail!("the connection has ended"),
            }
        }
    };
    let trying = async {
        ask(&client, &format!("LISTEN {channel}")).await?;
        listener.begins();
        began();
        loop {
            tokio::time::sleep(TRY_EVERY).await;
            ask(&client, "").await?;
        }
    };
    tokio::select! {
        ended = hearing => ended,
        ended = trying => ended,
    }
}

async fn ask(client: &Client, statement: &str) -> anyhow::Result<()> {
    timeout(ANSWER_TIMEOUT, client.batch_execute(statement))
        .await
        .context("no answer in time")??;
    Ok(())
}
