//! The promises, one file each; one binary, so that they are linked once.

#![expect(clippy::unwrap_used, reason = "a failed test says where")]

mod common;
mod seams;
mod truth;
mod windows;
