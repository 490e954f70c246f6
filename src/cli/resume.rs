//! What `--resume` leaves to be sent.

use super::Words;
use super::status::Failure;
use crate::run::{OpenOptions, Run, Target};

/// The rest of a run that was sent before to the one topic among its outputs; none if nothing is missing.
/// An empty `id` stands for the newest run.
#[cfg(feature = "kafka")]
pub(super) fn rest(
    run: Run,
    id: &str,
    targets: &[Target],
    options: &mut OpenOptions,
    words: Words,
) -> Result<Option<Run>, Failure> {
    use crate::run::Resumed;

    let [Target::Kafka(target)] = targets else { return Err(elsewhere()) };
    let id = match id {
        "" => None,
        id => Some(id.parse().map_err(|error: String| {
            Failure::input(
                error,
                "write the id that the run told when it began, or `--resume` for the newest run",
            )
        })?),
    };
    Ok(match run.resumed(target, id)? {
        Resumed::Fresh(run) => Some(run),
        Resumed::Rest(run, tail) => {
            options.resume = Some(tail);
            Some(run)
        }
        Resumed::Whole(id) => {
            words.say(format_args!("nothing to resume: run {id} is whole"));
            None
        }
    })
}

#[cfg(not(feature = "kafka"))]
pub(super) fn rest(
    _: Run,
    _: &str,
    _: &[Target],
    _: &mut OpenOptions,
    _: Words,
) -> Result<Option<Run>, Failure> {
    Err(elsewhere())
}

fn elsewhere() -> Failure {
    Failure::input(
        "`--resume` goes on in a topic, and needs it as its only output",
        "write `--out kafka:BROKERS/TOPIC`; files and datasets are whole or not there at all",
    )
}
