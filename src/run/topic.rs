//! Runs that are sent to Kafka topics.

use std::collections::{BTreeMap, BTreeSet};

use super::Run;
use super::about::About;
use super::error::RunError;
use super::look::Look;
use super::open::Opened;
use super::options::OpenOptions;
use super::publication::Streamed;
use super::target::Target;
use crate::output::{
    Encode as _, Event, Holds, KafkaEncode, KafkaLabels, KafkaSink, KafkaTarget, Lease, Partitions, Place,
    Prepared, RecordDigest, RunId, Sequence, Tail, Topic, Wanted,
};
use crate::pipeline;
use crate::player::Pace;
use crate::schema::{Schema, TypeId};
use crate::time::{Span, Tick, Window};

/// Requested ticks that are at most this many ticks apart are rendered together.
const NEAR: u64 = 64;

impl Run {
    /// Returns the sequence of the run's records in a topic.
    pub fn sequence_in(&self, target: &KafkaTarget) -> Sequence {
        Sequence::new(&self.about().sequence, target.topic())
    }

    /// Returns the partitions that contain records of the run, if the topic has `count` partitions.
    pub fn partitions(&self, count: u32) -> BTreeSet<u32> {
        self.keys().map(|key| Sequence::partition_of(key, count)).collect()
    }

    /// Returns the place of each of these rows in a topic. Leaves out rows that are not in the run.
    pub fn places(&self, rows: &BTreeSet<u64>, partitions: u32) -> BTreeMap<u64, Place> {
        let partition_of = self.keys().map(|key| Sequence::partition_of(key, partitions)).collect();
        let numbering = self.plan.rows();
        let ranks = numbering.ranks(partition_of, self.window);
        let place = |row: &u64| {
            let (partition, rank) = ranks.of(*row)?;
            let due = self.plan.clock().at(numbering.tick_of(*row)) + self.shift();
            Some((*row, Place { partition, rank, due }))
        };
        rows.iter().filter_map(place).collect()
    }

    /// Returns the digests of the records of these rows.
    pub fn digests(&self, rows: &BTreeSet<u64>) -> BTreeMap<u64, RecordDigest> {
        let numbering = self.plan.rows();
        let ticks: BTreeSet<u64> = rows.iter().map(|row| numbering.tick_of(*row).0).collect();
        let inside = |tick: &u64| (self.window.from().0..self.window.to().0).contains(tick);
        let mut windows: Vec<(u64, u64)> = Vec::new();
        for tick in ticks.into_iter().filter(inside) {
            match windows.last_mut() {
                Some((_, to)) if tick < *to + NEAR => *to = tick + 1,
                _ => windows.push((tick, tick + 1)),
            }
        }
        let mut digests = BTreeMap::new();
        let encode = KafkaEncode::default();
        for (from, to) in windows {
            let window = Window::new(Tick(from), Tick(to)).expect("it has a tick");
            let mut row = numbering.before(window.from());
            for mut batch in pipeline::batches(&self.plan, window) {
                batch.move_by(self.shift());
                for digest in encode.encode(&batch).digests() {
                    if rows.contains(&row) {
                        digests.insert(row, digest);
                    }
                    row += 1;
                }
            }
        }
        digests
    }

    /// Returns what is left to send after `tail`; `None` if nothing is. With `has_labels` it is never `None`: labels
    /// can be missing even if no record is.
    #[must_use]
    pub fn after(mut self, tail: &Tail, has_labels: bool) -> Option<Run> {
        let numbering = self.plan.rows();
        let rows_of = (0..).map(|entity| numbering.of_entity(entity, self.window));
        let last_tick = numbering.before(Tick(self.window.to().0 - 1));
        let row = tail.first_missing(self.keys().zip(rows_of)).or(has_labels.then_some(last_tick))?;
        self.resumes_at = Some(numbering.tick_of(row).max(self.window.from()));
        Some(self)
    }

    /// Returns the keys of the records, in the order of the rows of a tick.
    fn keys(&self) -> impl Iterator<Item = &str> {
        self.plan.fleet().entities.types().flat_map(|(_, tags)| tags.names())
    }
}

/// Checks everything that can be checked before a topic is examined: settings, names, and that no two sequences go to
/// the same topic, where they could not be distinguished.
pub(super) fn check_topics(
    targets: &[Target],
    schema: &Schema,
    options: &OpenOptions,
) -> Result<(), RunError> {
    let mut topics: Vec<String> = Vec::new();
    for target in targets {
        let Some(target) = target.topic() else { continue };
        target.check_settings()?;
        topics.extend(match target.is_by_type() {
            true => schema.types().iter().map(|it| target.of_type(it).topic().to_string()).collect(),
            false => vec![target.topic().to_string()],
        });
    }
    if let (Some(labels), Some(target)) = (&options.labels_topic, targets.iter().find_map(Target::topic)) {
        let is_valid = target.with_topic(labels).is_ok_and(|topic| !topic.is_by_type());
        if !is_valid {
            let message = format!("`{labels}` is not a valid name for the labels topic");
            let help = "use letters, digits, `.`, `_` and `-`, as in `--labels-topic truth`";
            return Err(RunError::Target { message, help: help.into() });
        }
    }
    topics.extend(options.labels_topic.clone());
    topics.sort();
    match topics.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let message = format!("two outputs have the same topic: `{}`", pair[0]);
            Err(RunError::Target { message, help: "use a different topic for each output".into() })
        }
        None => Ok(()),
    }
}

/// Returns the requirements for the topic of the records.
fn wanted(options: &OpenOptions, about: &About) -> Wanted {
    // If the run is resumed, what it sent earlier is in the topic, however old it is now.
    let sent_until = options.resume.as_ref().and_then(Tail::first_event);
    let (first, now) = (about.first_event.max(sent_until.unwrap_or(about.first_event)), crate::pace::now());
    // How far a record's event time can be ahead of the time at which it is sent.
    let lead = about.last_event.map(|last| {
        let sent_within = match options.pace {
            Pace::Live => last - now,
            pace => pace.takes(about.played),
        };
        (first - now).max(Span((last - now).0.saturating_sub(sent_within.0)))
    });
    let (create, allow_expiring) = (options.create_topic, options.allow_expiring);
    Wanted { create, first, last: about.last_event, lead, now, allow_expiring }
}

/// Returns the requirements for the topic of the labels. An existing topic may have any number of partitions.
fn wanted_of_labels(options: &OpenOptions, about: &About) -> Wanted {
    let mut wanted = wanted(options, about);
    if let Some(Partitions::Count(count)) = wanted.create {
        wanted.create = Some(Partitions::IfMissing(count));
    }
    wanted
}

/// Returns what outputs would do, without opening, creating or sending anything. A missing topic that may be created
/// has no partitions yet.
///
/// # Errors
/// The same errors as opening the outputs.
pub(super) fn look(
    target: &KafkaTarget,
    options: &OpenOptions,
    about: &About,
) -> Result<Vec<Look>, RunError> {
    let records = match target.is_by_type() {
        true => about.schema.types().iter().map(|it| target.of_type(it)).collect(),
        false => vec![target.clone()],
    };
    let of_records = records.into_iter().map(|target| (target, Holds::Records, wanted(options, about)));
    let labels = options.labels_topic.as_ref().map(|topic| target.with_topic(topic)).transpose()?;
    let of_labels =
        labels.into_iter().map(|target| (target, Holds::Labels, wanted_of_labels(options, about)));
    let looked = of_records.chain(of_labels).map(|(target, holds, wanted)| {
        let found = target.look(&wanted)?;
        let (partitions, warnings) =
            found.map_or((None, Vec::new()), |it| (Some(it.partitions), it.warnings));
        Ok(Look { target: target.to_string(), holds, partitions, is_missing: partitions.is_none(), warnings })
    });
    looked.collect()
}

fn configured(sink: KafkaSink, options: &OpenOptions) -> KafkaSink {
    let sink = sink.on_event(options.on_event).stop_when(options.stop.clone());
    match options.give_up_after {
        Some(limit) => sink.give_up_after(limit),
        None => sink,
    }
}

impl Opened {
    /// Adds a topic, or one per entity type. Creates it if requested, or resumes a run that ends in it.
    pub(super) fn add_topic(
        &mut self,
        target: &KafkaTarget,
        options: &OpenOptions,
        about: &About,
    ) -> Result<(), RunError> {
        // Use the name with `{type}`: the topic of one entity type has only a part of the run. A run that sends all its
        // records to a topic of that name is another sequence.
        let sequence = Sequence::new(&about.sequence, target.topic());
        if !target.is_by_type() {
            return self.add_one_topic(target, None, sequence, options, about);
        }
        about.schema.ids().try_for_each(|id| {
            self.add_one_topic(&target.of_type(&about.schema[id]), Some(id), sequence, options, about)
        })
    }

    fn add_one_topic(
        &mut self,
        target: &KafkaTarget,
        only: Option<TypeId>,
        sequence: Sequence,
        options: &OpenOptions,
        about: &About,
    ) -> Result<(), RunError> {
        let wanted = wanted(options, about);
        let age = wanted.now - about.first_event;
        let prepared = self.prepare(target, Holds::Records, &wanted, options)?;
        let of_run = || options.resume.as_ref().map_or_else(|| RunId::new(about.begun), Tail::id);
        let id = *self.run_id.get_or_insert_with(of_run);
        let lease = self.lease(target, id, options);
        let sink = KafkaSink::connect(target, &prepared, (id, sequence), about.first_row, age)?;
        let sink = sink.after(options.resume.clone()).under(lease);
        let (encode, sink) = match only {
            Some(only) => (KafkaEncode::default().only(only), sink.of_one_type()),
            None => (KafkaEncode::default(), sink),
        };
        self.tee.add(encode, configured(sink, options));
        self.publications.push(Box::new(Streamed));
        match &options.labels_topic {
            Some(topic) if self.label_stream.is_none() => {
                self.add_labels_topic(&target.with_topic(topic)?, id, options, about)
            }
            _ => Ok(()),
        }
    }

    /// Returns the lease of the run, which is shared by all topics of the same brokers. A resumed run has its lease
    /// already, or can't have one.
    fn lease(&mut self, target: &KafkaTarget, id: RunId, options: &OpenOptions) -> Option<Lease> {
        if options.resume.is_some() {
            return options.lease.clone();
        }
        if let Some((_, lease)) = self.leases.iter().find(|(brokers, _)| brokers == target.brokers()) {
            return Some(lease.clone());
        }
        let lease = Lease::begin(target, id);
        self.leases.push((target.brokers().into(), lease.clone()));
        Some(lease)
    }

    /// Examines a topic, or creates it.
    fn prepare(
        &mut self,
        target: &KafkaTarget,
        holds: Holds,
        wanted: &Wanted,
        options: &OpenOptions,
    ) -> Result<Prepared, RunError> {
        let mut prepared = target.prepare(wanted)?;
        let topic = Topic { name: target.topic().into(), partitions: prepared.partitions, holds };
        self.topics.push(topic.clone());
        self.ahead = self.ahead.into_iter().chain(prepared.ahead).min();
        if let (true, Some(on_event)) = (prepared.is_new, options.on_event) {
            on_event(&Event::Created(topic));
        }
        self.warnings.append(&mut prepared.warnings);
        if holds == Holds::Records {
            self.warnings.extend(target.risk());
        }
        Ok(prepared)
    }

    /// Adds the topic of the labels. A resumed run checks each label, and sends those that the topic does not contain.
    fn add_labels_topic(
        &mut self,
        target: &KafkaTarget,
        id: RunId,
        options: &OpenOptions,
        about: &About,
    ) -> Result<(), RunError> {
        let wanted = wanted_of_labels(options, about);
        let age = wanted.now - about.first_event;
        let prepared = self.prepare(target, Holds::Labels, &wanted, options)?;
        let sequence = Sequence::new(&format!("labels\n{}", about.sequence), target.topic());
        let there = match options.resume {
            Some(_) => target.records_of(sequence, id)?,
            None => None,
        };
        let lease = self.lease(target, id, options);
        let sink = KafkaSink::connect(target, &prepared, (id, sequence), 0, age)?.without(there).under(lease);
        self.label_stream = Some(Box::new(KafkaLabels::new(configured(sink, options))));
        Ok(())
    }
}
