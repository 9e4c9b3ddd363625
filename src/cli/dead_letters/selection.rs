//! Which letters: the arguments that `list`, `replay` and `discard` share.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    cli::{Failure, tenant},
    config::Settings,
    desk::{Cause, Filter},
    notification::Kind,
};

/// Which letters are meant: those of which everything is true.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Only this tenant's.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Only those that were set aside for this reason; `delivery-limit` are the broker's own, `unexplained` those
    /// that somebody moved there.
    #[arg(long, value_parser = reasons())]
    reason: Option<Cause>,
    /// Only notifications of this kind.
    #[arg(long, value_parser = kinds())]
    kind: Option<Kind>,
    /// Only those that were set aside at least so long ago: 2h, 7d.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Only those that were set aside at most so long ago.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
    /// Only the letter with this id; may be given several times.
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// Only the first so many of them.
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<u64>,
}

impl Selection {
    pub(super) fn filter(
        &self,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Result<Filter, Failure> {
        if let Some(id) = &self.tenant {
            tenant(settings, id)?;
        }
        Ok(Filter {
            ids: self.ids.clone(),
            tenant: self.tenant.clone(),
            cause: self.reason,
            kind: self.kind,
            until: self.older_than.map(|age| before(now, age)),
            since: self.newer_than.map(|age| before(now, age)),
        })
    }
}

/// An age that no calendar holds is older than everything.
fn before(now: DateTime<Utc>, age: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(age)
        .ok()
        .and_then(|age| now.checked_sub_signed(age))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

fn reasons() -> impl TypedValueParser<Value = Cause> {
    PossibleValuesParser::new(Cause::all().into_iter().map(Cause::as_str))
        .try_map(|name| Cause::from_name(&name).ok_or("unknown reason"))
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name)).map(|name| Kind::from_name(&name))
}
