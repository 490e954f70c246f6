//! `reenact completions`: generates the script from the definition of the command line.

use clap::CommandFactory as _;

use super::Cli;
use super::Words;
use super::status::{Failure, Outcome};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  reenact completions bash > reenact.bash    then `source reenact.bash` in ~/.bashrc"
)]
pub(super) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args, _: Words) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "reenact", &mut script);
    super::to_stdout(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
