//! One request, however many wait for its answer.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// A value that is fetched by the first who needs it while the others wait, whether the fetch works
/// or fails: a failure is told to everyone who waited for it, and to nobody who comes later.
#[derive(Debug)]
pub(super) struct SingleFlight<T, E> {
    /// Counts the fetches, so that a waiter can tell whether one ended while it waited.
    rounds: AtomicU64,
    last: Mutex<Option<Result<T, E>>>,
}

impl<T, E> Default for SingleFlight<T, E> {
    fn default() -> Self {
        Self { rounds: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T: Clone, E: Clone> SingleFlight<T, E> {
    /// The last fetched value if it is `usable`, else the result of `fetch`. If the caller who fetches is
    /// dropped, the next one who waits fetches in its place.
    pub(super) async fn get(
        &self,
        usable: impl Fn(&T) -> bool,
        fetch: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let arrived = self.rounds.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        match &*last {
            Some(Ok(value)) if usable(value) => return Ok(value.clone()),
            Some(Err(error)) if self.rounds.load(Ordering::Acquire) != arrived => {
                return Err(error.clone());
            }
            _ => {}
        }
        let result = fetch.await;
        *last = Some(result.clone());
        self.rounds.fetch_add(1, Ordering::Release);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    async fn forty_ask(fail: bool) -> (u32, Vec<Result<u32, &'static str>>) {
        let flight = Arc::new(SingleFlight::default());
        let fetched = Arc::new(AtomicU32::new(0));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let asking: Vec<_> = (0..40)
            .map(|_| {
                let (flight, fetched, gate) =
                    (Arc::clone(&flight), Arc::clone(&fetched), Arc::clone(&gate));
                tokio::spawn(async move {
                    flight
                        .get(|_| true, async {
                            fetched.fetch_add(1, Ordering::Relaxed);
                            let _open = gate.acquire().await.unwrap();
                            if fail { Err("no") } else { Ok(7) }
                        })
                        .await
                })
            })
            .collect();
        // A single-threaded runtime polls the tasks in turn: after one round each of them waits.
        for _ in 0..40 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
        let mut answers = Vec::new();
        for task in asking {
            answers.push(task.await.unwrap());
        }
        (fetched.load(Ordering::Relaxed), answers)
    }

    #[tokio::test]
    async fn forty_who_wait_cost_one_fetch() {
        assert_eq!(forty_ask(false).await, (1, vec![Ok(7); 40]));
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_waited_for_it() {
        assert_eq!(forty_ask(true).await, (1, vec![Err("no"); 40]));
    }

    #[tokio::test]
    async fn a_failure_is_not_told_to_who_comes_later() {
        let flight = SingleFlight::<u32, &str>::default();
        assert_eq!(flight.get(|_| true, async { Err("no") }).await, Err("no"));
        assert_eq!(flight.get(|_| true, async { Ok(1) }).await, Ok(1));
    }
}
