//! `reenact replay --dry-run`: previews a replay as text or JSON, without sending anything.

use std::num::NonZeroU64;

use serde_json::{Value, json};

use super::status::{Failure, Outcome};
use super::{Summary, Words};
use crate::player::Pace;
use crate::recording::GoesBack;
use crate::replay::Replay;
use crate::run::{Look, OpenOptions, Opened, Target};
use crate::scenario::count;
use crate::time::{SimTime, Span};

/// Returns where event times go back, for scripts.
pub(super) fn going_back(found: &GoesBack) -> Value {
    json!({
        "file": found.path.display().to_string(),
        "line": found.line,
        "from": found.from.to_string(),
        "to": found.to.to_string(),
        "times": found.times,
    })
}

/// What a replay would send.
struct Preview {
    records: u64,
    in_one_loop: u64,
    loops: u64,
    first: SimTime,
    last: SimTime,
    moved: Span,
    takes: Option<Span>,
    labels: u64,
    outputs: Vec<Look>,
    goes_back: Option<GoesBack>,
}

/// Checks everything that a replay checks, and prints what it would send. Sends and creates nothing.
pub(super) fn dry_run(
    replay: &mut Replay,
    (pace, loops): (Pace, NonZeroU64),
    (targets, options): (&[Target], &OpenOptions),
    words: Words,
) -> Result<Outcome, Failure> {
    let extent = replay.measure()?;
    replay.begins(crate::pace::now())?;
    let outputs = Opened::look(targets, options, &replay.about())?;
    for warning in outputs.iter().flat_map(|output| &output.warnings) {
        words.warn(warning);
    }
    let (first, loops) = (replay.first_event(), loops.get());
    let preview = Preview {
        records: extent.rows.saturating_mul(loops),
        in_one_loop: extent.rows,
        loops,
        first,
        last: replay.last_event().unwrap_or(first),
        moved: replay.shift(),
        takes: (pace != Pace::AsFastAsPossible).then(|| pace.takes(replay.played())),
        labels: replay.num_labels()?,
        outputs,
        goes_back: replay.goes_back(),
    };
    match words.json {
        true => words.json(Summary::Stdout, || preview.to_json())?,
        false => super::to_stdout(&preview.to_text())?,
    }
    Ok(Outcome::Done)
}

impl Preview {
    fn to_json(&self) -> Value {
        let output = |output: &Look| {
            json!({
                "target": output.target,
                "holds": output.holds.name(),
                "partitions": output.partitions,
                "would_be_created": output.is_missing,
            })
        };
        json!({
            "records": self.records,
            "first": self.first.to_string(),
            "last": self.last.to_string(),
            "moved_ms": self.moved.0,
            "loops": self.loops,
            "takes_ms": self.takes.map(|takes| takes.0),
            "labels": self.labels,
            "outputs": self.outputs.iter().map(output).collect::<Vec<_>>(),
            "times_go_back": self.goes_back.as_ref().map(going_back),
        })
    }

    fn to_text(&self) -> String {
        let Preview { first, last, .. } = self;
        let records = count(self.records, "record");
        let mut text = format!("{records} from {first} to {last}, {} in total\n", *last - *first);
        if self.moved != Span::ZERO {
            text += &format!("timestamps shifted by {}\n", self.moved);
        }
        if self.loops > 1 {
            text += &format!("{} loops of {}\n", self.loops, count(self.in_one_loop, "record"));
        }
        text += &self.takes.map_or("as fast as possible\n".into(), |takes| format!("takes {takes}\n"));
        text += &format!("{} for these records\n", count(self.labels, "label"));
        for output in &self.outputs {
            let holds = output.holds.name();
            text += &format!("{holds} to {}", output.target);
            text += &match output.partitions {
                Some(partitions) => format!(", {}\n", count(partitions.into(), "partition")),
                None if output.is_missing => ", which would be created\n".into(),
                None => "\n".into(),
            };
        }
        if let Some(found) = &self.goes_back {
            text += &format!("warning: {found}\n");
        }
        text
    }
}
