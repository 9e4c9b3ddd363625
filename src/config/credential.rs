//! Secrets that may be in files.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::Secret;
use crate::rotation::LastGood;

/// A secret as it is now: given in the settings, or in a file, which may be replaced while the worker
/// runs. Ask for it whenever it is needed, and do not keep the answer. Clones share what they know
/// of the file.
#[derive(Clone, Default, JsonSchema)]
#[schemars(with = "String")]
pub struct Credential {
    given: Secret,
    file: Option<Arc<SecretFile>>,
}

struct SecretFile {
    setting: String,
    path: PathBuf,
    last: LastGood<Secret>,
}

impl Credential {
    /// The secret in a file, which `setting` names.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is empty.
    pub fn in_file(setting: &str, path: &Path) -> Result<Self, String> {
        let (setting, path) = (setting.to_owned(), path.to_owned());
        let file = SecretFile { setting, path, last: LastGood::default() };
        file.now(|_| true)?;
        Ok(Self { given: Secret::default(), file: Some(Arc::new(file)) })
    }

    /// The secret as it is now.
    #[must_use]
    pub fn now(&self) -> Secret {
        self.now_if(|_| true)
    }

    /// The same, where not every text makes sense: a file that holds none that is `usable` counts as
    /// not changed yet.
    #[must_use]
    pub fn now_if(&self, usable: impl Fn(&str) -> bool) -> Secret {
        match &self.file {
            None => self.given.clone(),
            // It could be read when it was made, so there is always a last one.
            Some(file) => file.now(usable).unwrap_or_default(),
        }
    }

    /// Whether it may become another one while the worker runs.
    #[must_use]
    pub fn can_change(&self) -> bool {
        self.file.is_some()
    }

    /// Whether the settings give none.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.file.is_none() && self.given.expose().is_empty()
    }
}

impl SecretFile {
    fn now(&self, usable: impl Fn(&str) -> bool) -> Result<Secret, String> {
        let shown = self.path.display();
        self.last.or_last(&self.setting, |_| {
            let text = std::fs::read_to_string(&self.path)
                .map_err(|error| format!("cannot read {shown}: {error}"))?;
            match text.trim() {
                "" => Err(format!("{shown} is empty")),
                text if usable(text) => Ok(Secret::new(text)),
                _ => Err(format!("{shown} does not hold what it should")),
            }
        })
    }
}

impl From<Secret> for Credential {
    fn from(given: Secret) -> Self {
        Self { given, file: None }
    }
}

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Secret::deserialize(deserializer).map(Self::from)
    }
}

/// Given the same, or in the same file: what the file holds may change at any time.
impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        let path = |credential: &Self| credential.file.as_ref().map(|file| file.path.clone());
        self.given == other.given && path(self) == path(other)
    }
}

impl Eq for Credential {}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
