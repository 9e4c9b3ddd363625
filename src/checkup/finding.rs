//! What a look has found.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// To be known; nothing to be done.
    Note,
    /// Works now, and may not later.
    Warning,
    /// Does not work, or loses something.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Where: a server, one of its queues, a tenant, a setting.
    #[serde(rename = "where")]
    pub place: String,
    /// What was found; never a secret, nor personal data.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { level: Level::Ok, place: place.into(), what: what.into(), remedy: None }
    }

    /// To be known.
    pub fn note(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { level: Level::Note, ..Self::ok(place, what) }
    }

    /// Works now, and may not later.
    pub fn warning(
        place: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { level: Level::Warning, remedy, ..Self::ok(place, what) }
    }

    /// Does not work, or loses something.
    pub fn error(
        place: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { level: Level::Error, ..Self::warning(place, what, remedy) }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}
