//! Kafka: one message for each row, with the entity as key and the event time as timestamp.
//!
//! In: batches in stream order, and a target. Its topic is checked before the first record. Out: a
//! receipt that counts acknowledgements. What may never happen here: creating a topic that the user
//! did not request, counting a record as delivered before its broker acknowledges it, or waiting
//! without a limit.
//!
//! Most waits consist of polls of a fixed length, and their duration is the sum of these lengths. A wait that must end
//! at a given moment, or that lasts as long as another program takes to answer, is measured with `pace`.

mod admin;
mod admin_requests;
mod already_sent;
mod claims;
mod client;
mod deleted_topic;
mod encode;
mod error_text;
mod failed;
mod headers;
mod keeper;
mod labels;
mod lease;
mod member;
mod partition;
mod proof;
mod reconnect;
mod refused;
mod resume_point;
mod scan;
mod settings;
mod sink;
mod target;
#[cfg(test)]
mod tests;
mod timeouts;
mod topic_checks;
mod waited;

pub use admin::{Prepared, Wanted};
pub use encode::{KafkaEncode, KafkaPart};
pub use headers::{RunId, Sequence};
pub use labels::KafkaLabels;
pub use lease::{Lease, Leased};
pub use proof::{Place, RecordDigest, Sent};
pub use resume_point::{Records, Tail};
pub use sink::KafkaSink;
pub use target::KafkaTarget;
