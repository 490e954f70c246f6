use super::Words;
use super::status::{Failure, Outcome};

/// Say hello
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, _: Words) -> Result<Outcome, Failure> {
    super::to_stdout("hello\n")?;
    Ok(Outcome::Done)
}
