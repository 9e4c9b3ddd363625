//! What can be seen of a worker from outside: traces, log lines, queues.

mod logs;
mod metrics;
mod queues;
mod traces;
