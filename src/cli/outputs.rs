//! What verbs that write have in common: `--out`, and what is told of it at the end.

use serde_json::{Value, json};

use super::Words;
use crate::output::Receipt;
use crate::run::{RunError, Target};
use crate::scenario::count;

/// What `--out` names; standard output where it names nothing.
pub(super) fn targets(outputs: &[String]) -> Result<Vec<Target>, RunError> {
    match outputs {
        [] => Ok(vec![Target::Stdout]),
        named => named.iter().map(|text| Target::parse(text)).collect(),
    }
}

/// What was written where, for scripts.
pub(super) fn outputs(receipts: &[Receipt]) -> Vec<Value> {
    let one = |receipt: &Receipt| {
        json!({
            "target": receipt.target, "rows": receipt.rows, "digest": receipt.digest, "notes": receipt.notes,
        })
    };
    receipts.iter().map(one).collect()
}

/// What was written where.
pub(super) fn tell(receipts: &[Receipt], words: Words) {
    for receipt in receipts.iter().filter(|receipt| receipt.target != "ndjson:-") {
        let notes: String = receipt.notes.iter().map(|note| format!(", {note}")).collect();
        words.say(format_args!("{}: {}{notes}", receipt.target, count(receipt.rows, "row")));
    }
}
