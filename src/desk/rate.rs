//! How fast letters are put back.

use std::{fmt, str::FromStr, time::Duration};

use tokio::time::{Instant, sleep_until};

/// Letters per second or minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    per: Duration,
}

/// Not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a rate from 1/m on, such as 20/s or 100/m")]
pub struct NoRate;

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let (count, unit) = text.split_once('/').ok_or(NoRate)?;
        let per = match unit {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            _ => return Err(NoRate),
        };
        let count = count.parse().ok().filter(|count| *count > 0).ok_or(NoRate)?;
        Ok(Self { count, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.per == Duration::from_secs(1) { "s" } else { "m" };
        write!(f, "{}/{unit}", self.count)
    }
}

/// Waits between one letter and the next.
pub(super) struct Pace {
    pause: Duration,
    next: Instant,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self { pause: rate.per / rate.count, next: Instant::now() }
    }

    /// Waits for the next turn. Time that was lost is not made up for, so that there is never a burst.
    pub(super) async fn turn(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now().max(self.next) + self.pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_positive_and_has_a_unit() {
        for rate in ["20/s", "1/m", "100000/s"] {
            assert_eq!(rate.parse::<Rate>().unwrap().to_string(), rate);
        }
        for wrong in ["", "20", "0/s", "-1/s", "/s", "20/", "20/h", "1.5/s", "20/s/s", "20 /s"] {
            assert_eq!(wrong.parse::<Rate>(), Err(NoRate), "{wrong:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn letters_are_never_closer_than_the_rate_allows() {
        let mut pace = Pace::new("20/s".parse().unwrap());
        let start = Instant::now();
        for _ in 0..5 {
            pace.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::from_millis(200));
        tokio::time::advance(Duration::from_secs(5)).await;
        pace.turn().await;
        let late = Instant::now();
        pace.turn().await;
        assert_eq!(late.elapsed(), Duration::from_millis(50));
    }
}
