use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::status::{Failure, Outcome};
use super::{Summary, Words};
use crate::scenario::schema;

/// Write a first scenario, with comments, and the schema that editors read beside it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reenact init my-first && reenact run my-first.yaml --out ndjson:mine/")]
pub(super) struct Args {
    /// The scenario's name, or the path of its file
    #[arg(default_value = "scenario")]
    name: String,
}

/// The file that the first line of the scenario names.
const SCHEMA: &str = "reenact.schema.json";

const TEMPLATE: &str = include_str!("init.yaml");

pub(super) fn run(args: &Args, words: Words) -> Result<Outcome, Failure> {
    let path = match args.name.strip_suffix(".yaml").or_else(|| args.name.strip_suffix(".yml")) {
        Some(_) => PathBuf::from(&args.name),
        None => PathBuf::from(format!("{}.yaml", args.name)),
    };
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let lawful = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(lawful) {
        let help = "take letters, digits, `-`, `_` and `.`, such as `reenact init hot-rack`";
        return Err(Failure::input(format!("`{name}` cannot be a scenario's name"), help));
    }
    // A name of digits would be a number.
    let text = TEMPLATE
        .replace("NAME.yaml", &format!("{name}.yaml"))
        .replace("name: NAME", &format!("name: \"{name}\""));
    write_new(&path, &text)?;
    let beside = path.with_file_name(SCHEMA);
    // That of an earlier scenario is as good, or someone's own.
    if !beside.exists() {
        write_new(&beside, &format!("{:#}\n", schema()))?;
    }
    let shown = path.display();
    words.tell(Summary::Stdout, || json!({"scenario": path, "schema": beside}))?;
    words.say(format_args!(
        "{shown}: written, with {SCHEMA} for editors; `reenact plan {shown}` tells its story"
    ));
    Ok(Outcome::Done)
}

/// Writes a file that must not be there.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::input(format!("`{}` is there already", path.display()), "give another name")
        }
        _ => Failure::output(format!("cannot write `{}`: {error}", path.display()), "check the path"),
    })
}
