//! Decides whether a text is a scenario at all. Messages never quote a text that is not one.

use super::diagnostic::Sources;
use super::layers::is_path;
use super::node::{self, Node, Value};

/// The key that makes a YAML text a scenario.
const KEY: &str = "scenario";

/// What can be seen of a scenario without reading all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The files that its `use` names, as written.
    pub uses: Vec<String>,
}

/// Returns the outline of a text, or `None` if the text is not a scenario.
///
/// A text that is not valid YAML also counts as a scenario if one of its lines begins with `scenario:`, because
/// lists of scenarios must still name it. The same applies to a text that is too large for a scenario.
///
/// ```
/// use reenact::scenario::outline;
/// assert_eq!(outline("scenario: 1\nuse: [dev, ./base.yaml]\n").unwrap().uses, ["./base.yaml"]);
/// assert!(outline("services: {web: {image: nginx}}\n").is_none());
/// ```
pub fn outline(text: &str) -> Option<Outline> {
    if !text.contains(KEY) {
        return None;
    }
    // A text that is too large is treated like invalid YAML. Reading it as a scenario reports the limit.
    let root = node::parse("", text, &mut Sources::default()).ok();
    let Some(Node { value: Value::Map(entries), .. }) = &root else {
        return is_scenario(text, root.as_ref()).then(|| Outline { uses: Vec::new() });
    };
    let value = |name: &str| entries.iter().find(|(key, _)| key.value == name).map(|(_, node)| node);
    // Files of other tools have a mapping or a list at `scenario:`.
    if value(KEY).is_none_or(|node| matches!(node.value, Value::Map(_) | Value::List(_))) {
        return None;
    }
    let mut uses = Vec::new();
    value("use").into_iter().for_each(|node| paths(node, &mut uses));
    Some(Outline { uses })
}

fn paths(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Value::Text(name) if is_path(name) => found.push(name.clone()),
        Value::List(items) => items.iter().for_each(|item| paths(item, found)),
        _ => {}
    }
}

/// Whether a text is a scenario. `root` is its tree if the text is valid YAML.
pub(super) fn is_scenario(text: &str, root: Option<&Node>) -> bool {
    match root {
        Some(Node { value: Value::Map(entries), .. }) => entries.iter().any(|(key, _)| key.value == KEY),
        _ => text.split(['\n', '\r']).any(begins_scenario),
    }
}

/// Whether a line begins with `scenario:`, also in quotes or as the first key of `{…}`.
fn begins_scenario(line: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}');
    let line = line.strip_prefix('{').map_or(line, str::trim_start);
    let line = line.strip_prefix(['"', '\'']).unwrap_or(line);
    let rest = line.strip_prefix(KEY).map(|rest| rest.trim_start_matches(['"', '\'']).trim_start());
    rest.is_some_and(|rest| rest.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_large_is_listed_if_a_line_begins_a_scenario() {
        let large = "# large\n".repeat(node::MAX_BYTES / 8 + 1);
        assert_eq!(outline(&format!("scenario: 1\n{large}")).map(|outline| outline.uses), Some(Vec::new()));
        assert!(outline(&format!("services: {{scenario: 1}}\n{large}")).is_none());
    }

    #[test]
    fn only_a_top_level_key_makes_a_scenario() {
        for (text, expected) in [
            ("scenario: 1\n", true),
            ("\u{feff}# about\r\nscenario: 1\r\n", true),
            ("\"scenario\": 1\n", true),
            ("{scenario: 1, use: dev}", true),
            ("scenario: 2\nuse: [dev\n", true),
            ("scenario:1\n", true),
            ("scenario:\n", true),
            ("scenario: {name: default}\n", false),
            ("a: {scenario: 1}\n", false),
            ("a: b\n# scenario: 1\n", false),
            ("a: [b\n  scenario: 1\n", false),
            ("scenarios: 1\n", false),
            ("scenario\n", false),
            ("", false),
            ("PATH=/bin\0HOME=/root\0", false),
        ] {
            assert_eq!(outline(text).is_some(), expected, "{text:?}");
        }
    }
}
