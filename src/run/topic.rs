//! Runs in their topics.

use super::Run;
use super::about::About;
use super::error::RunError;
use super::open::{OpenOptions, Opened, Publication};
use crate::output::{KafkaEncode, KafkaSink, KafkaTarget, RunId, Sequence, Tail};
use crate::time::{Tick, Window};

/// A run that was sent to a topic, in part or whole.
#[derive(Debug)]
pub enum Resumed {
    /// The topic is empty: nothing of it was sent.
    Fresh(Run),
    /// What is missing, and where the topic ends.
    Rest(Run, Tail),
    /// Everything is there.
    Whole(RunId),
}

impl Run {
    /// What is left to send of a run that was sent to a topic with the same arguments: the newest one, or `id`.
    ///
    /// # Errors
    /// If the topic can't be read, has no record of the run though it has others, or is written to.
    pub fn resumed(mut self, target: &KafkaTarget, id: Option<RunId>) -> Result<Resumed, RunError> {
        let sequence = Sequence::new(&self.about().sequence, target.topic());
        let fleet = self.plan.fleet();
        let entities = fleet.num_entities() as u64;
        let last_tick = (self.window.to().0 - 1) * entities;
        let names = &fleet.entities;
        // In the order of a tick's rows.
        let servers = || names.servers.iter().map(|server| server.server_id.as_str());
        let keys = || servers().chain(names.services.iter().map(|service| service.service_name.as_str()));
        let Some(tail) = target.tail(sequence, id, keys())? else { return Ok(Resumed::Fresh(self)) };
        let Some(row) = tail.first_missing(keys().zip(last_tick..)) else {
            return Ok(Resumed::Whole(tail.id()));
        };
        let from = Tick(row / entities).max(self.window.from());
        self.window = Window::new(from, self.window.to()).expect("what is missing lies before the end");
        Ok(Resumed::Rest(self, tail))
    }
}

impl Opened {
    /// Adds a topic: makes it if that is asked for, or goes on where a run ends in it.
    pub(super) fn add_topic(
        &mut self,
        target: &KafkaTarget,
        options: &OpenOptions,
        about: &About,
    ) -> Result<(), RunError> {
        let now = crate::pace::now();
        let prepared = target.prepare(options.create_topic, about.first_event, now)?;
        self.warnings.extend(prepared.warnings);
        let sink = match &options.resume {
            Some(tail) => {
                self.run_id = Some(tail.id());
                KafkaSink::resume(target, tail.clone(), about.first_row)?
            }
            None => {
                let id = *self.run_id.get_or_insert_with(|| RunId::new(now));
                let stamp = (id, Sequence::new(&about.sequence, target.topic()));
                KafkaSink::connect(target, prepared.partitions, stamp, about.first_row)?
            }
        };
        self.fan.add(KafkaEncode::default(), sink.tell(options.tell));
        self.publications.push(Publication::Streamed);
        Ok(())
    }
}
