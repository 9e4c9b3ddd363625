//! The countries worlds are made of, and their clocks.

use chrono::{DateTime, Datelike, Duration, FixedOffset, NaiveDate, TimeZone, Utc, Weekday};
use serde::{Deserialize, Serialize};

/// A country Docplanner works in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Country {
    /// `ZnanyLekarz`
    Poland,
    /// `Doctoralia`
    Spain,
    /// `MioDottore`
    Italy,
    /// `DoktorTakvimi`
    Turkey,
    /// `Doctoralia`
    Brazil,
}

impl Country {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Poland, Self::Spain, Self::Italy, Self::Turkey, Self::Brazil];

    /// Its name in lower case, as the command line takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poland => "poland",
            Self::Spain => "spain",
            Self::Italy => "italy",
            Self::Turkey => "turkey",
            Self::Brazil => "brazil",
        }
    }

    /// Docplanner's domain there.
    #[must_use]
    pub fn domain(self) -> &'static str {
        match self {
            Self::Poland => "znanylekarz.pl",
            Self::Spain => "doctoralia.es",
            Self::Italy => "miodottore.it",
            Self::Turkey => "doktortakvimi.com",
            Self::Brazil => "doctoralia.com.br",
        }
    }

    /// A moment on the clocks of the country.
    #[must_use]
    pub fn local(self, at: DateTime<Utc>) -> DateTime<FixedOffset> {
        let hours = match self {
            Self::Poland | Self::Spain | Self::Italy => 1 + i32::from(is_summer_in_europe(at)),
            Self::Turkey => 3,
            Self::Brazil => -3,
        };
        FixedOffset::east_opt(hours * 3600)
            .map_or_else(|| at.fixed_offset(), |offset| at.with_timezone(&offset))
    }
}

/// From the last Sunday of March to the last Sunday of October, changing at 01:00 UTC.
fn is_summer_in_europe(at: DateTime<Utc>) -> bool {
    let change = |month| {
        let last_day = NaiveDate::from_ymd_opt(at.year(), month, 31)?;
        let back = last_day.weekday().days_since(Weekday::Sun);
        let sunday = last_day - Duration::days(i64::from(back));
        Some(Utc.from_utc_datetime(&sunday.and_hms_opt(1, 0, 0)?))
    };
    change(3).is_some_and(|start| start <= at) && change(10).is_some_and(|end| at < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(country: Country, utc: &str) -> String {
        country.local(utc.parse().unwrap()).to_rfc3339()
    }

    #[test]
    fn clocks_follow_the_country_and_the_season() {
        assert_eq!(local(Country::Poland, "2026-03-29T00:59:59Z"), "2026-03-29T01:59:59+01:00");
        assert_eq!(local(Country::Poland, "2026-03-29T01:00:00Z"), "2026-03-29T03:00:00+02:00");
        assert_eq!(local(Country::Italy, "2026-10-25T00:59:59Z"), "2026-10-25T02:59:59+02:00");
        assert_eq!(local(Country::Spain, "2026-10-25T01:00:00Z"), "2026-10-25T02:00:00+01:00");
        assert_eq!(local(Country::Turkey, "2026-07-01T12:00:00Z"), "2026-07-01T15:00:00+03:00");
        assert_eq!(local(Country::Brazil, "2026-01-01T01:00:00Z"), "2025-12-31T22:00:00-03:00");
    }
}
