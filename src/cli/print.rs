//! Results on stdout.

use std::{
    fmt::Display,
    io::{ErrorKind, Write, stdout},
};

use super::Failure;

/// Writes one result and ends its line. Who has read enough (`| head`) is no failure: the rest of the command
/// goes on, unread.
pub(super) fn print(text: impl Display) -> Result<(), Failure> {
    print_while_read(text).map(|_is_read| ())
}

/// The same, for a result of many parts. `false`: nobody reads any more, and the rest is in vain.
pub(super) fn print_while_read(text: impl Display) -> Result<bool, Failure> {
    match stdout().write_all(format!("{text}\n").as_bytes()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Work(anyhow::Error::new(error).context("standard output"))),
    }
}
