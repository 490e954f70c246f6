//! Writes a scenario's tree as canonical JSON, which is digested, and as YAML.

use super::node::{Node, Value};

/// Writes the tree as canonical JSON: no spaces, and keys in the order of the file, which matters for services.
pub(super) fn canonical_json(node: &Node) -> String {
    let mut out = String::new();
    json(node, &mut out);
    out
}

fn json(node: &Node, out: &mut String) {
    match &node.value {
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                json(item, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                out.push_str(&json_text(&key.value));
                out.push(':');
                json(value, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar_text(scalar)),
    }
}

/// Writes the tree as YAML in block style, with texts in double quotes.
pub(super) fn yaml(node: &Node) -> String {
    let mut out = String::new();
    block(node, 0, &mut out);
    out
}

fn block(node: &Node, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match &node.value {
        Value::Map(entries) => {
            for (key, value) in entries {
                out.push_str(&format!("{pad}{}:", plain_or_quoted(&key.value)));
                nested(value, indent, out);
            }
        }
        Value::List(items) => {
            for item in items {
                out.push_str(&format!("{pad}-"));
                match &item.value {
                    Value::Map(entries) if !entries.is_empty() => {
                        let mut inner = String::new();
                        block(item, indent + 2, &mut inner);
                        out.push_str(&format!(" {}", &inner[indent + 2..]));
                    }
                    _ => nested(item, indent, out),
                }
            }
        }
        scalar => out.push_str(&format!("{pad}{}\n", yaml_text(scalar))),
    }
}

/// Writes the value after `key:` or `-`.
fn nested(value: &Node, indent: usize, out: &mut String) {
    match &value.value {
        Value::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Value::List(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Map(_) | Value::List(_) => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        scalar => out.push_str(&format!(" {}\n", yaml_text(scalar))),
    }
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        // A whole float keeps its decimal point, so that it is read back as a float.
        Value::Float(value) => format!("{value:?}"),
        Value::Text(value) => json_text(value),
        _ => "null".into(),
    }
}

/// Writes a scalar so that it is read back as the same. Text that looks like a variable is escaped, and so are
/// characters that YAML does not allow in text.
fn yaml_text(value: &Value) -> String {
    let Value::Text(text) = value else { return scalar_text(value) };
    let is_plain = |c: char| !('\u{7f}'..='\u{9f}').contains(&c) && !('\u{fffe}'..='\u{ffff}').contains(&c);
    let escaped = |c: char| if is_plain(c) { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
    json_text(&text.replace("${", "$${")).chars().map(escaped).collect()
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn plain_or_quoted(key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
        && !["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&key);
    if plain { key.into() } else { json_text(key) }
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;

    #[test]
    fn a_written_scenario_reads_back_as_the_same() {
        let text = "scenario: 1\nuse: dev\nname: 'a \"b\": c'\nabout: costs $${x}\nfleet:\n  servers: {web: {count: 2}, db: {count: 1}}\n  services:\n    api: {pool: web, rate: 5/s, latency: 4ms, calls: [{store: 0.5}]}\n    store: {pool: db, hosts: [db-001], latency: 2ms}\nanomalies:\n  - {kind: cpu_spike, target: web-001, at: 1m, for: 1m, severity: 1.0}\n";
        let scenario = Scenario::read("a.yaml", text);
        let written = scenario.to_yaml();
        let again = Scenario::read("b.yaml", &written);
        assert_eq!(scenario.canonical_json(), again.canonical_json(), "{written}");
        assert!(again.mistakes.is_empty(), "{:?}", again.mistakes);
    }
}
