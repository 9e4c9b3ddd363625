//! Group commit: many callers, one statement.
//!
//! Each caller awaits its own answer. Meanwhile one task gathers whatever waits and sends it as a
//! single statement over arrays; what arrives while that statement runs is the next batch. A lone
//! caller therefore waits for nobody, and a thousand cost few round trips.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::{mpsc, oneshot};

/// The way into a batching task.
#[derive(Debug)]
pub(crate) struct Batcher<Q, A> {
    /// Without a bound of its own: each delivery waits here once, and the prefetch bounds those.
    queue: mpsc::UnboundedSender<Waiting<Q, A>>,
}

#[derive(Debug)]
struct Waiting<Q, A> {
    question: Q,
    answer: oneshot::Sender<A>,
}

/// An answer on its way. `None` when nobody is left to give it, which is at the end of the process
/// only.
#[derive(Debug)]
#[must_use = "the question is asked, whether or not the answer is awaited"]
pub struct Pending<A>(oneshot::Receiver<A>);

impl<A> Future for Pending<A> {
    type Output = Option<A>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<A>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

impl<Q: Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// A batcher, and the task that has to be spawned for it. `ask` answers a batch of at most
    /// `bound` questions, in their order; it must not fail, but may take as long as it needs.
    /// The task ends when the last batcher is dropped.
    pub(crate) fn new<F, Fut>(bound: usize, ask: F) -> (Self, impl Future<Output = ()> + Send)
    where
        F: Fn(Vec<Q>) -> Fut + Send + 'static,
        Fut: Future<Output = Vec<A>> + Send,
    {
        let (queue, waiting) = mpsc::unbounded_channel();
        (Self { queue }, answer_batches(waiting, bound, ask))
    }

    /// Asks. Questions are answered in the order of these calls.
    pub(crate) fn ask(&self, question: Q) -> Pending<A> {
        let (answer, answered) = oneshot::channel();
        // If the task is gone, the question and with it the answer's sender are dropped here.
        let _ = self.queue.send(Waiting { question, answer });
        Pending(answered)
    }
}

async fn answer_batches<Q, A, F, Fut>(
    mut waiting: mpsc::UnboundedReceiver<Waiting<Q, A>>,
    bound: usize,
    ask: F,
) where
    F: Fn(Vec<Q>) -> Fut,
    Fut: Future<Output = Vec<A>>,
{
    let mut batch = Vec::with_capacity(bound);
    while waiting.recv_many(&mut batch, bound).await > 0 {
        let (questions, answers): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|w| (w.question, w.answer)).unzip();
        for (answer, told) in answers.into_iter().zip(ask(questions).await) {
            // A caller that no longer waits has given up; its lease ends by itself.
            let _ = answer.send(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn what_arrives_while_a_batch_runs_is_the_next_batch() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let (seen, (gate, opened)) = (Arc::clone(&sizes), oneshot::channel::<()>());
        let opened = Arc::new(tokio::sync::Mutex::new(Some(opened)));
        let (batcher, task) = Batcher::new(100, move |batch: Vec<u32>| {
            let (seen, opened) = (Arc::clone(&seen), Arc::clone(&opened));
            async move {
                seen.lock().unwrap().push(batch.len());
                if let Some(opened) = opened.lock().await.take() {
                    opened.await.unwrap();
                }
                batch.into_iter().map(|n| n * 2).collect()
            }
        });
        tokio::spawn(task);

        let first = batcher.ask(1);
        while sizes.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let rest: Vec<_> = (2..50).map(|n| batcher.ask(n)).collect();
        gate.send(()).unwrap();

        assert_eq!(first.await, Some(2));
        for (n, answer) in (2..50).zip(rest) {
            assert_eq!(answer.await, Some(n * 2), "each caller gets its own answer");
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 48]);
    }
}
