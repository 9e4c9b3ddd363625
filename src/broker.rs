//! RabbitMQ: two connections, so that a blocked publisher does not stop acknowledgements.

mod acks;
mod connection;
mod consumer;
pub(crate) mod properties;
mod publisher;
mod queues;
mod report;
mod settle;
mod topology;

pub(crate) use self::{connection::step, consumer::ACKS_PASS_ON};
pub use self::{
    connection::{BrokerError, connect},
    consumer::Consumer,
    publisher::{PublisherTask, RabbitPublisher},
    topology::{Access, Inspection, Standing, Topology},
};
use crate::{delivery::Reason, event::Event, retry::Prospect, route::Route};

/// Where events go.
pub trait Publisher: Send + Sync {
    /// Publishes one event to where its route leads and waits until the broker has confirmed it; one that is to be
    /// dropped is only counted. While the broker is away or blocks, this waits. Dropping the future gives up waiting; the event may be published all
    /// the same, with the id that every repeat has.
    ///
    /// # Errors
    ///
    /// If the broker does not take the event.
    fn publish_event(
        &self,
        event: &Event,
        route: &Route,
        traceparent: Option<&str>,
    ) -> impl Future<Output = Result<(), PublishError>> + Send;
}

/// Why the broker did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No queue took it.
    #[error("no queue is bound for it")]
    Returned,
    /// The exchange that a tenant's route names is not there.
    #[error("the exchange of its route is not there")]
    NoExchange,
    /// The broker said no: a queue is full, or has lost its leader.
    #[error("the broker refused it")]
    Refused,
    /// No confirm within `broker.confirm_timeout`.
    #[error("the broker did not confirm it in time")]
    TimedOut,
    /// The process is ending.
    #[error("publishing was interrupted")]
    Interrupted,
}

impl PublishError {
    /// Whether the same message could be taken later: in each case something at the broker has to
    /// change, and may.
    #[must_use]
    pub fn prospect(&self) -> Prospect {
        match self {
            PublishError::Returned
            | PublishError::NoExchange
            | PublishError::Refused
            | PublishError::TimedOut => Prospect::Later(Reason::PublishFailed, None),
            PublishError::Interrupted => Prospect::Wait(None),
        }
    }

    /// The word in metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            PublishError::Returned | PublishError::NoExchange => "returned",
            PublishError::Refused => "refused",
            PublishError::TimedOut => "timed_out",
            PublishError::Interrupted => "interrupted",
        }
    }
}
