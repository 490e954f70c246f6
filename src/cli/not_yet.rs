use std::ffi::OsString;

use super::status::{Failure, Outcome};

/// A verb of the command line that this version does not have
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

impl Args {
    pub(super) fn refuse(&self, verb: &str) -> Result<Outcome, Failure> {
        let asked = if self.rest.is_empty() { "" } else { " …" };
        let message = format!("`reenact {verb}{asked}` is not there yet");
        Err(Failure::input(message, "`reenact --help` lists what this version has"))
    }
}
