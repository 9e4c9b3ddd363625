//! Which requests are meant.

use serde::{Deserialize, Serialize};

/// Some requests, by method and path: `[METHOD ][^]path[$]`.
///
/// The path matches anywhere, by whole segments: `/addresses/111` means that address and what is
/// under it, and not `/addresses/1112`. `*` stands for any one segment, `^` ties the path to the
/// beginning, `$` to the end: `GET /addresses/*$`. The empty pattern means every request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Pattern {
    text: String,
    method: Option<String>,
    segments: Vec<String>,
    from_start: bool,
    to_end: bool,
}

impl Pattern {
    /// Whether this request is meant.
    #[must_use]
    pub fn matches(&self, method: &str, path: &str) -> bool {
        if self.method.as_deref().is_some_and(|wanted| wanted != method) {
            return false;
        }
        let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let Some(last_start) = path.len().checked_sub(self.segments.len()) else { return false };
        (0..=last_start)
            .filter(|start| !self.from_start || *start == 0)
            .filter(|start| !self.to_end || *start == last_start)
            .any(|start| self.matches_at(&path[start..]))
    }

    fn matches_at(&self, path: &[&str]) -> bool {
        self.segments.iter().zip(path).all(|(wanted, segment)| wanted == "*" || wanted == segment)
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        let (method, path) = match text.split_once(' ') {
            Some((method, path)) => (Some(method.to_uppercase()), path.trim()),
            None => (None, text),
        };
        let (path, from_start) = match path.strip_prefix('^') {
            Some(rest) => (rest, true),
            None => (path, false),
        };
        let (path, to_end) = match path.strip_suffix('$') {
            Some(rest) => (rest, true),
            None => (path, false),
        };
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        Self {
            text: text.to_owned(),
            method,
            segments: segments.map(str::to_owned).collect(),
            from_start,
            to_end,
        }
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Pattern {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    const ADDRESS: &str = "/api/v3/integration/facilities/1/doctors/2/addresses/111";

    #[test]
    fn patterns_match_whole_segments() {
        let is_meant = |pattern: &str| Pattern::from(pattern).matches("GET", ADDRESS);

        for pattern in [
            "",
            "/",
            "/addresses/111",
            "addresses/*",
            "GET /addresses/111$",
            "get doctors/2",
            "^/api/v3",
            "/facilities/*/doctors",
        ] {
            assert!(is_meant(pattern), "{pattern}");
        }
        for pattern in [
            "/addresses/11",
            "/addresses/1112",
            "POST /addresses/111",
            "^/addresses",
            "/doctors/2$",
            "/addresses/111/services",
        ] {
            assert!(!is_meant(pattern), "{pattern}");
        }
    }
}
