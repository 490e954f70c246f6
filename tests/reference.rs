//! `docs/scenario.md` has the tables of language keys that the reader uses, and `docs/data.md` the tables of metrics
//! and label columns.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use reenact::engine::models::builtin;
use reenact::label;
use reenact::scenario::{Mapping, Need};

use crate::schema::mappings;

/// Returns the table of a mapping's keys, as the page shows it.
fn table(mapping: &Mapping) -> String {
    let mut table = String::from("| key | meaning | default |\n|---|---|---|\n");
    for key in mapping.keys {
        let missing = match key.need {
            Need::Required(_) => "required",
            Need::NotYet => "not implemented yet: an error",
            Need::Optional if key.default.is_empty() => "",
            Need::Optional => key.default,
        };
        writeln!(table, "| `{}` | {} | {missing} |", key.name, key.about).unwrap();
    }
    table
}

#[test]
fn the_scenario_page_has_the_tables_of_all_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenario.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut renewed = page.clone();
    for mapping in mappings() {
        let mark = format!("<!-- keys of {} -->\n", mapping.what);
        let (before, rest) = renewed.split_once(&mark).unwrap_or_else(|| panic!("the page lacks {mark}"));
        let rest = rest.trim_start_matches('\n');
        let is_table = |line: &&str| line.starts_with('|');
        let old: usize = rest.split_inclusive('\n').take_while(is_table).map(str::len).sum();
        let after = rest[old..].trim_start_matches('\n');
        renewed = format!("{before}{mark}\n{}\n{after}", table(mapping));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &renewed).unwrap();
        return;
    }
    assert!(
        page == renewed,
        "docs/scenario.md is out of date: update it with `UPDATE_DOCS=1 cargo test --test promises -- reference`"
    );
}

#[test]
fn the_data_page_lists_all_fields_and_label_columns() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/data.md")).unwrap();
    for (_, metric) in builtin().metrics() {
        let (name, unit, decimals, about) = (metric.name(), metric.unit(), metric.decimals(), metric.about());
        let row = format!("| `{name}` | {unit} | {decimals} | {about} |");
        assert!(page.contains(&row), "docs/data.md lacks {row}");
    }
    for (name, about) in label::COLUMNS {
        let row = format!("| `{name}` | {about} |");
        assert!(page.replace('`', "").contains(&row.replace('`', "")), "docs/data.md lacks {row}");
    }
    let plan = crate::common::plan(crate::common::BUSY);
    let mut line = Vec::new();
    reenact::truth::labels(&plan, &plan.incident("late").unwrap())[0].write_json(&mut line);
    let label: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&line).unwrap();
    let columns: BTreeSet<&str> = label::COLUMNS.iter().map(|(name, _)| *name).collect();
    assert_eq!(label.keys().map(String::as_str).collect::<BTreeSet<_>>(), columns);
}
