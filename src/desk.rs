//! The operator's desk: dead letters are looked at, put back into the incoming queue, or thrown away.
//!
//! Looking takes nothing away: letters are held while they are read and lie at their old places afterwards. There
//! is room for one at a time, because what one holds the next would not see. Workers set letters aside meanwhile;
//! those come behind the last one that was there when the desk was opened, and are left for the next look.

mod cause;
mod filter;
mod headers;
mod hold;
mod letter;
mod outline;
mod rate;
mod work;

pub use self::{
    cause::Cause,
    filter::Filter,
    hold::{Desk, Held},
    letter::{Body, Letter, Subject},
    rate::Rate,
    work::{Deed, Tally, Work},
};
use crate::broker::{BrokerError, PublishError};

/// Why dead letters cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The broker is away, or refuses.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// One at a time.
    #[error(
        "somebody else is at the desk: another `dead-letters` command holds the letters of {0}. Try again when it has \
         ended; at the broker its connection is named `docplanner-worker dead-letters`"
    )]
    Taken(String),
    /// The lock cannot be had.
    #[error(
        "the broker's user may not declare the queue {0}, which keeps two people from the desk at once; permit \
         `configure` on it"
    )]
    MayNotLock(String),
    /// Nothing was declared yet, or under another name.
    #[error(
        "there is no queue {0}: run `docplanner-worker topology declare`, or check broker.queue and the virtual host in \
         broker.url"
    )]
    NoQueue(String),
    /// A letter could not be put back; it lies where it was.
    #[error("cannot put a letter into {queue}: {error}")]
    NotPutBack {
        /// The incoming queue.
        queue: String,
        /// What the broker said.
        error: PublishError,
    },
}
