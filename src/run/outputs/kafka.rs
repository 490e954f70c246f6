//! The output `kafka:BROKERS/TOPIC`. The connection itself is in `output/kafka`.

use std::sync::Arc;

use super::{Output, OutputFormat, Wrong};
use crate::output::KafkaTarget;
use crate::run::about::About;
use crate::run::error::RunError;
use crate::run::look::Look;
use crate::run::open::Opened;
use crate::run::options::OpenOptions;
use crate::run::topic;

/// Topics of a Kafka cluster.
pub(super) struct Kafka;

const EXAMPLE: &str = "localhost:9092/datacenter-metrics";

impl OutputFormat for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn forms(&self) -> Vec<String> {
        vec!["kafka:BROKERS/TOPIC".into()]
    }

    fn example(&self) -> &'static str {
        EXAMPLE
    }

    fn parse(&self, place: &str) -> Result<Arc<dyn Output>, Wrong> {
        match KafkaTarget::parse(place) {
            Ok(target) => Ok(Arc::new(target)),
            Err(message) => Err(Wrong { message, help: format!("write `kafka:{EXAMPLE}`") }),
        }
    }
}

impl Output for KafkaTarget {
    fn with_settings(&self, settings: &[(String, String)]) -> Option<Arc<dyn Output>> {
        Some(Arc::new(self.clone().with_settings(settings)))
    }

    fn topic(&self) -> Option<&KafkaTarget> {
        Some(self)
    }

    fn open(&self, opened: &mut Opened, options: &OpenOptions, about: &About) -> Result<(), RunError> {
        opened.add_topic(self, options, about)
    }

    fn look(&self, options: &OpenOptions, about: &About) -> Result<Vec<Look>, RunError> {
        topic::look(self, options, about)
    }
}
