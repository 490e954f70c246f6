//! `reenact init`: checks the name, fills in the template `init.yaml` and never replaces an existing file.

use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;

use super::status::{Failure, Outcome};
use super::{Summary, Words, signals};
use crate::printable::shell_path;
use crate::recording::{Partial, PathProblem, publish_together};
use crate::scenario::schema;

/// Write a first scenario with comments, and the schema for editors next to it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reenact init my-first && reenact run my-first.yaml --out ndjson:mine/")]
pub(super) struct Args {
    /// The name of the scenario, or the path of its file
    #[arg(default_value = "scenario")]
    name: String,
}

/// The schema file, which the first line of the scenario names.
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
        let help = "use letters, digits, `-`, `_` and `.`, such as `reenact init hot-rack`";
        return Err(Failure::input(format!("`{name}` is not a valid name for a scenario"), help));
    }
    // The quotes keep a name of digits from being a number.
    let text = TEMPLATE
        .replace("NAME.yaml", &format!("{name}.yaml"))
        .replace("name: NAME", &format!("name: \"{name}\""));
    let schema_path = path.with_file_name(SCHEMA);
    let mut files = vec![(&path, text)];
    // Keep a schema that exists: it belongs to an earlier scenario, or to the user.
    if !schema_path.exists() {
        files.push((&schema_path, format!("{:#}\n", schema())));
    }
    signals::whole(|| write_new(&files))?;
    let shown = path.display();
    words.json(Summary::Stdout, || json!({"scenario": path, "schema": schema_path}))?;
    let word = shell_path(&path);
    words.say(format_args!(
        "{shown}: written, with {SCHEMA} for editors; `reenact plan {word}` shows what will happen"
    ));
    Ok(Outcome::Done)
}

/// Writes files that must not exist yet: all of them, or none.
fn write_new(files: &[(&PathBuf, String)]) -> Result<(), Failure> {
    let mut begun = Vec::new();
    for (path, text) in files {
        let written = Partial::file(path, false).map_err(refused).and_then(|(partial, mut file)| {
            begun.push(partial);
            let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
            written.map_err(|source| refused(PathProblem::Io { path: path.to_path_buf(), source }))
        });
        if let Err(failure) = written {
            begun.into_iter().for_each(Partial::discard);
            return Err(failure);
        }
    }
    publish_together(begun, &[]).map_err(|error| Failure::output(error.to_string(), error.help()))
}

fn refused(problem: PathProblem) -> Failure {
    match problem {
        PathProblem::Exists(_) => Failure::input(problem.to_string(), "choose another name"),
        _ => Failure::output(problem.to_string(), problem.help()),
    }
}
