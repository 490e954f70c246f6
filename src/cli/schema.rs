//! `reenact schema`: prints the JSON Schema, which the library generates.

use super::Words;
use super::status::{Failure, Outcome};
use crate::scenario::schema;

/// Print the JSON Schema of scenarios, for editors
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  reenact schema > reenact.schema.json

An editor with a YAML language server then completes keys and shows what they mean, if a scenario begins with
  # yaml-language-server: $schema=reenact.schema.json")]
pub(super) struct Args {}

pub(super) fn run(_: &Args, _: Words) -> Result<Outcome, Failure> {
    super::json_to_stdout(&schema())?;
    Ok(Outcome::Done)
}
