//! What both commands take, and how values are read.

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, Utc};
use clap::Args;

use crate::simulator::api::{Client, Dialect, RateLimit};
use crate::simulator::notifications::GeneratorOptions;
use crate::simulator::world::{Country, World, WorldOptions};

/// The world.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "World")]
pub(super) struct WorldArguments {
    /// The same seed gives the same world and the same notifications
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// poland, spain, italy, turkey or brazil [default: chosen by the seed]
    #[arg(long, value_parser = country)]
    country: Option<Country>,
    /// Clinics
    #[arg(long, value_name = "N", default_value_t = WorldOptions::default().facilities)]
    facilities: u32,
    /// Doctors at each clinic, most with a regular and an online address
    #[arg(long, value_name = "N", default_value_t = WorldOptions::default().doctors_per_facility)]
    doctors: u32,
    /// The guide's example instead: one doctor with a regular and an online address
    #[arg(long, conflicts_with_all = ["country", "facilities", "doctors"])]
    guide: bool,
    /// When the notifications begin: a date and time with an offset, or `now`
    #[arg(long, value_name = "TIME", value_parser = time, default_value_t = GeneratorOptions::default().start)]
    pub(super) start: DateTime<Utc>,
}

impl WorldArguments {
    pub(super) fn world(&self) -> World {
        if self.guide {
            return World::guide();
        }
        World::generate(&WorldOptions {
            seed: self.seed,
            facilities: self.facilities,
            doctors_per_facility: self.doctors,
            country: self.country,
        })
    }
}

fn country(text: &str) -> Result<Country, String> {
    let known = Country::ALL.into_iter().find(|country| country.as_str() == text);
    known.ok_or_else(|| format!("one of {}", Country::ALL.map(Country::as_str).join(", ")))
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    if text == "now" {
        // As Docplanner writes times.
        return Ok(Utc::now().trunc_subsecs(0));
    }
    text.parse().map_err(|error| format!("{error}, expected 2026-01-12T08:00:00+01:00"))
}

/// `id:secret`
pub(super) fn client(text: &str) -> Result<Client, String> {
    match text.split_once(':') {
        Some((id, secret)) if !id.is_empty() => Ok(Client::new(id, secret)),
        _ => Err("expected ID:SECRET".to_owned()),
    }
}

/// `spec`, `source-page`, `lenient`
pub(super) fn dialect(text: &str) -> Result<Dialect, String> {
    match text {
        "spec" => Ok(Dialect::spec()),
        "source-page" => Ok(Dialect::source_page()),
        "lenient" => Ok(Dialect::lenient()),
        _ => Err("one of spec, source-page, lenient".to_owned()),
    }
}

/// `8000/h`
pub(super) fn rate_limit(text: &str) -> Result<RateLimit, String> {
    let (count, window) = rate(text)?;
    Ok(RateLimit::new(count, window))
}

/// `50/s`, `400/5m`: so many in that time.
pub(super) fn rate(text: &str) -> Result<(u32, Duration), String> {
    let (count, window) = text.split_once('/').ok_or("expected COUNT/TIME, as 50/s or 400/5m")?;
    let count: u32 = count.parse().map_err(|_| format!("{count:?} is not a number"))?;
    // `/h` is short for `/1h`.
    let is_unit = window.starts_with(|first: char| first.is_ascii_alphabetic());
    let window = if is_unit { format!("1{window}") } else { window.to_owned() };
    let window = humantime::parse_duration(&window).map_err(|error| error.to_string())?;
    if count == 0 || window.is_zero() {
        return Err("neither the number nor the time can be zero".to_owned());
    }
    Ok((count, window))
}

/// `0.1`
pub(super) fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err("expected a share, 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_name_a_number_and_a_time() {
        assert_eq!(rate("50/s"), Ok((50, Duration::from_secs(1))));
        assert_eq!(rate("8000/h"), Ok((8000, Duration::from_hours(1))));
        assert_eq!(rate("400/5m"), Ok((400, Duration::from_mins(5))));
        for wrong in ["50", "x/s", "0/s", "5/0s", "5/", "5/parsec"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_may_contain_a_colon() {
        assert_eq!(client("demo:a:b"), Ok(Client::new("demo", "a:b")));
        assert!(client(":secret").is_err());
    }
}
