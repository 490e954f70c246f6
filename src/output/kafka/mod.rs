//! Kafka: one message a row, with the entity as key and event time as timestamp.
//!
//! In: batches in stream order, and a target whose topic was looked at before the first record. Out:
//! a receipt that counts acknowledgements. What may never happen here: a topic made without being
//! asked for, a record called sent before its broker acknowledged it, a wait without an end.
//!
//! Waits are made of polls of a fixed length, and their lengths added up; what must end by a moment, or lasts as long as
//! somebody's answer, is measured by `pace`.

mod admin;
mod ask;
mod claims;
mod client;
mod encode;
mod failed;
mod fate;
mod judge;
mod keeper;
mod labels;
mod lease;
mod look;
mod member;
mod partition;
mod proof;
mod recover;
mod refused;
mod settings;
mod sink;
mod stamp;
mod tail;
mod target;
#[cfg(test)]
mod tests;
mod there;
mod wait;
mod waited;
mod words;

pub use admin::{Prepared, Wanted};
pub use encode::{KafkaEncode, KafkaPart};
pub use labels::KafkaLabels;
pub use lease::{Lease, Leased};
pub use proof::{Place, RecordDigest, Sent};
pub use sink::KafkaSink;
pub use stamp::{RunId, Sequence};
pub use tail::{Records, Tail};
pub use target::KafkaTarget;
