//! `reenact kinds`: prints what each kind applies to, how severity is measured and how long incidents last.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::status::{Failure, Outcome};
use super::{Summary, Words};
use crate::engine::models::builtin;
use crate::kinds::KINDS;

/// List the kinds of anomaly, each with its severity metric and an example of `with`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reenact kinds")]
pub(super) struct Args {}

pub(super) fn run(_: &Args, words: Words) -> Result<Outcome, Failure> {
    let mut out = String::new();
    let mut list: Vec<Value> = Vec::new();
    for kind in KINDS {
        let acts_on = builtin()[kind.carrier().of(builtin()).entity_type()].plural();
        let (least, most) = kind.lasts();
        let lines = [
            kind.name().to_string(),
            format!("  {}", kind.about()),
            format!("  applies to {acts_on}; severity is measured in {}", kind.carrier().metric),
            format!("  with: {{{}}}", kind.measure().example()),
            format!("  lasts {least} to {most} in the background"),
        ];
        writeln!(out, "{}", lines.join("\n")).expect("a string takes all");
        list.push(json!({
            "name": kind.name(), "about": kind.about(), "acts_on": acts_on, "carrier": kind.carrier().metric,
            "with": kind.measure().key, "lasts_ms": [least.0, most.0],
        }));
    }
    words.json(Summary::Stdout, || list.into())?;
    if !words.json {
        super::to_stdout(&out)?;
    }
    Ok(Outcome::Done)
}
