//! An event as the partner sees it.

use serde_json::Value;

/// An event with the queue it came from.
pub(super) struct Event {
    pub(super) queue: &'static str,
    /// Empty if it is not JSON.
    pub(super) body: Value,
    text: String,
}

impl Event {
    pub(super) fn new(queue: &'static str, text: String) -> Self {
        let body = serde_json::from_str(&text).unwrap_or_default();
        Self { queue, body, text }
    }

    /// Which booking, break or address it is about; see "Order" in the README.
    pub(super) fn partition_key(&self) -> &str {
        self.body["partitionkey"].as_str().unwrap_or("-")
    }

    pub(super) fn sequence(&self) -> u32 {
        self.body["sequence"].as_str().and_then(|digits| digits.parse().ok()).unwrap_or_default()
    }

    /// The type without what all types have.
    pub(super) fn short_type(&self) -> &str {
        let name = self.body["type"].as_str().unwrap_or("-");
        name.trim_start_matches("docplanner.").trim_end_matches(".v1")
    }

    /// Type and subject.
    pub(super) fn in_words(&self) -> String {
        let text = |key: &str| self.body[key].as_str().unwrap_or("-");
        format!("{:<40} {}", text("type"), text("subject"))
    }

    /// The body with line breaks, its keys in the order in which they came.
    pub(super) fn indented(&self) -> String {
        let mut lines = String::new();
        let (mut depth, mut in_string, mut escaped) = (0, false, false);
        let mut before = ' ';
        for c in self.text.chars() {
            let is_structure = !in_string && !escaped;
            let is_empty = matches!((before, c), ('{', '}') | ('[', ']'));
            before = c;
            match c {
                '}' | ']' if is_structure => {
                    depth -= 1;
                    if is_empty {
                        lines.truncate(lines.trim_end().len());
                    } else {
                        lines.push('\n');
                        lines.push_str(&"  ".repeat(depth));
                    }
                    lines.push(c);
                }
                _ => lines.push(c),
            }
            match c {
                '{' | '[' if is_structure => {
                    depth += 1;
                    lines.push('\n');
                    lines.push_str(&"  ".repeat(depth));
                }
                ',' if is_structure => {
                    lines.push('\n');
                    lines.push_str(&"  ".repeat(depth));
                }
                ':' if is_structure => lines.push(' '),
                '"' if !escaped => in_string = !in_string,
                _ => {}
            }
            escaped = in_string && c == '\\' && !escaped;
        }
        lines
    }
}
