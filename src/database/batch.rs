//! Group commit: many callers, one statement.
//!
//! Each caller awaits its own answer. Meanwhile one task gathers whatever waits and sends it as a
//! single statement over arrays; what arrives while that statement runs is the next batch. A lone
//! caller therefore waits for nobody, and a thousand cost few round trips.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

/// The way into a batching task. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Batcher<Q, A> {
    queue: mpsc::Sender<Waiting<Q, A>>,
}

#[derive(Debug)]
struct Waiting<Q, A> {
    question: Q,
    answer: oneshot::Sender<A>,
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
        let (queue, waiting) = mpsc::channel(bound);
        (Self { queue }, answer_batches(waiting, bound, ask))
    }

    /// Asks, and waits for the answer; `None` when the task is gone, which is at the end of the
    /// process only.
    pub(crate) async fn ask(&self, question: Q) -> Option<A> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { question, answer }).await.ok()?;
        answered.await.ok()
    }
}

async fn answer_batches<Q, A, F, Fut>(
    mut waiting: mpsc::Receiver<Waiting<Q, A>>,
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

        let batcher = Arc::new(batcher);
        let ask = |n| {
            let batcher = Arc::clone(&batcher);
            tokio::spawn(async move { batcher.ask(n).await })
        };
        let first = ask(1);
        while sizes.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let rest: Vec<_> = (2..50).map(ask).collect();
        while batcher.queue.capacity() > 100 - 48 {
            tokio::task::yield_now().await;
        }
        gate.send(()).unwrap();

        assert_eq!(first.await.unwrap(), Some(2));
        for (n, answer) in (2..50).zip(rest) {
            assert_eq!(answer.await.unwrap(), Some(n * 2), "each caller gets its own answer");
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 48]);
    }
}
