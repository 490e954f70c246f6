//! Sends the labels of a run to their own topic, one message for each label row.

use std::time::Duration;

use super::encode::Message;
use super::headers::Index;
use super::sink::KafkaSink;
use crate::label::Label;
use crate::output::{Acknowledgements as _, Holds, LabelStream, OutputError, Receipt, Sink as _};
use crate::time::SimTime;

/// Sends labels as messages: the key is the incident, the value is the label's line of `labels.ndjson`, and the
/// timestamp is the moment at which the incident was over.
pub struct KafkaLabels {
    sink: KafkaSink,
    value: Vec<u8>,
}

impl KafkaLabels {
    /// Creates a label stream that sends through this sink. The topic of the sink is for labels only.
    pub fn new(sink: KafkaSink) -> KafkaLabels {
        KafkaLabels { sink: sink.holding(Holds::Labels), value: Vec::new() }
    }
}

impl LabelStream for KafkaLabels {
    fn write(&mut self, rows: &[Label], moment: SimTime, ordinal: u64) -> Result<(), OutputError> {
        for (label, row) in rows.iter().zip(ordinal..) {
            self.value.clear();
            label.write_json(&mut self.value);
            let message = Message { key: &label.incident_id, value: &self.value, timestamp: moment };
            self.sink.put(message, Index { due: moment, row, copy: 0 })?;
        }
        Ok(())
    }

    fn idle(&mut self, passed: Duration) -> Result<(), OutputError> {
        self.sink.idle(passed)
    }

    fn hurry(&mut self, limit: Duration) {
        self.sink.hurry(limit);
    }

    fn finish(self: Box<Self>) -> Result<Receipt, OutputError> {
        self.sink.finish()
    }
}
