//! Whether a topic was deleted while a run was sent to it.

use std::collections::BTreeSet;

use super::scan::LOOK;
use super::sink::KafkaSink;

impl KafkaSink {
    /// Returns what happened to the topic if it has lost records that it acknowledged. `reason` is why it does not take
    /// more records. None if the topic has them, or does not answer.
    pub(super) fn fate(&self, reason: &str) -> Option<&'static str> {
        const ANEW: &str = "its topic was deleted and created again";
        if self.listener().has_gone_back() {
            return Some(ANEW);
        }
        // A deleted topic causes no error for a while. During a stop there is no time to ask.
        let may_be_gone = is_unknown(reason) || self.listener().last_error().is_none();
        if !may_be_gone || self.end_by.is_some() {
            return None;
        }
        match self.target.partitions() {
            Ok(None) => Some("its topic was deleted"),
            Ok(Some(_)) if self.ends_before_acknowledged() => Some(ANEW),
            _ => None,
        }
    }

    /// Whether any partition ends before a record that it acknowledged.
    fn ends_before_acknowledged(&self) -> bool {
        let reached = self.listener().reached();
        let partitions: BTreeSet<u32> = reached.keys().copied().collect();
        let ends = self.target.reader().and_then(|reader| self.target.ends(&reader, &partitions, LOOK));
        ends.is_ok_and(|ends| ends.iter().any(|(partition, end)| end.high <= reached[partition]))
    }
}

/// Whether a reason says that a partition does not exist. A cluster can also report this for a moment while it changes.
fn is_unknown(reason: &str) -> bool {
    ["Unknown partition", "Unknown topic"].iter().any(|words| reason.contains(words))
}
