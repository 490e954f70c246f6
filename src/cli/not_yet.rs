//! Accepts `record`, `view` and `score` on the command line, and rejects them as not implemented yet.

use std::ffi::OsString;

use super::status::{Failure, Outcome};

/// Verbs that this version does not have.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    #[command(hide = true)]
    Record(Args),
    #[command(hide = true)]
    View(Args),
    #[command(hide = true)]
    Score(Args),
}

/// A command that is not implemented yet
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

impl Verb {
    pub(super) fn refuse(&self) -> Result<Outcome, Failure> {
        let (verb, args) = match self {
            Verb::Record(args) => ("record", args),
            Verb::View(args) => ("view", args),
            Verb::Score(args) => ("score", args),
        };
        let asked = if args.rest.is_empty() { "" } else { " …" };
        let message = format!("`reenact {verb}{asked}` is not implemented yet");
        Err(Failure::input(message, "`reenact --help` lists the commands of this version"))
    }
}
