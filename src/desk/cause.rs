//! Why a letter lies where it lies.

use crate::delivery::Reason;

/// Who set a letter aside, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A worker.
    Worker(Reason),
    /// The broker: too many consumers died with it.
    DeliveryLimit,
    /// Somebody who did not say why.
    #[default]
    Unexplained,
}

impl Cause {
    /// Every cause.
    #[must_use]
    pub fn all() -> Vec<Cause> {
        let workers = Reason::ALL.into_iter().map(Cause::Worker);
        workers.chain([Cause::DeliveryLimit, Cause::Unexplained]).collect()
    }

    /// The cause of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|cause| cause.as_str() == name)
    }

    /// Its name: the word in header `x-reason`, if a worker wrote one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Worker(reason) => reason.as_str(),
            Cause::DeliveryLimit => "delivery-limit",
            Cause::Unexplained => "unexplained",
        }
    }
}
