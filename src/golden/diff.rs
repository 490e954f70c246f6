//! Compares two recordings: aligns their rows by tick and finds values, rows and entities that differ.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::diff_labels::diff_labels;
use super::difference::{Changed, Difference, stranger};
use super::order::Order;
use super::sums::{columns, hour_name, texts, value_text};
use crate::batch::{Batch, BatchBuilder, Entities, Row};
use crate::recording::{Recording, RecordingError};
use crate::scenario::count;
use crate::schema::{Schema, TypeId};
use crate::time::SimTime;

/// The result of comparing two recordings.
#[derive(Debug)]
pub struct Compared {
    /// The number of rows of the first recording.
    pub rows: u64,
    /// What differs; `None` if nothing does.
    pub difference: Option<Difference>,
    /// Damage of either recording that was found after its last row.
    pub damages: Vec<RecordingError>,
}

/// Compares two recordings row by row and label by label, in one pass and with little memory.
///
/// # Errors
/// If a recording can't be read to its end. If all its rows can be read but differ from its manifest, the error is
/// returned in `damages` instead.
pub fn diff(old: &Recording, new: &Recording) -> Result<Compared, RecordingError> {
    let mut rows = Rows::new(old.schema());
    let mut damages = Vec::new();
    let mut sides = [Ticks::new(old)?, Ticks::new(new)?];
    let (old_schema, new_schema) = (old.schema(), new.schema());
    loop {
        let [old, new] = &mut sides;
        match (old.moment(&mut damages)?, new.moment(&mut damages)?) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => {
                let pair = (old.take(), new.take());
                rows.tick([pair.0, pair.1]);
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => rows.tick([old.take(), Tick::empty(a, new_schema)]),
            (_, Some(b)) => rows.tick([Tick::empty(b, old_schema), new.take()]),
            (Some(_), None) => unreachable!("handled above"),
        }
    }
    let mut difference = rows.difference();
    let mut labels = |recording: &Recording| recording.labels_and(&mut damages);
    match (labels(old), labels(new)) {
        (Ok(Some(old)), Ok(Some(new))) => {
            difference.incidents = diff_labels(&old, &new);
            if old != new && difference.incidents.lines.is_empty() {
                difference
                    .whole
                    .push("the same labels in a different order, or some labels more than once".into());
            }
        }
        (Ok(None), Ok(Some(_))) => difference.whole.push("labels were added".into()),
        (Ok(Some(_)), Ok(None)) => difference.whole.push("labels were removed".into()),
        (old, new) => damages.extend(old.err().into_iter().chain(new.err())),
    }
    let difference = (!difference.is_empty()).then_some(difference);
    Ok(Compared { rows: sides[0].rows, difference, damages })
}

/// All rows of one moment that follow each other in the stream.
struct Tick {
    moment: SimTime,
    batch: Batch,
}

impl Tick {
    fn empty(moment: SimTime, schema: &Arc<Schema>) -> Tick {
        let entities = Arc::new(Entities::new(Arc::clone(schema)));
        Tick { moment, batch: BatchBuilder::new(schema).build(entities) }
    }
}

/// A tick that may get more rows from the next batch.
struct Partly {
    moment: SimTime,
    rows: BatchBuilder,
    /// Later name lists of a recording only add to earlier ones.
    entities: Arc<Entities>,
}

/// Reads a recording tick by tick.
struct Ticks {
    batches: crate::recording::Batches,
    /// Complete ticks, and a last one that may continue in the next batch.
    read: VecDeque<Partly>,
    is_over: bool,
    rows: u64,
}

impl Ticks {
    fn new(recording: &Recording) -> Result<Ticks, RecordingError> {
        Ok(Ticks { batches: recording.batches()?, read: VecDeque::new(), is_over: false, rows: 0 })
    }

    /// Returns the moment of the next tick. An error that concerns all rows is added to `damages`.
    fn moment(&mut self, damages: &mut Vec<RecordingError>) -> Result<Option<SimTime>, RecordingError> {
        while !self.is_over && self.read.len() < 2 {
            match self.batches.next() {
                Some(Ok(batch)) => self.append(&batch),
                None => self.is_over = true,
                Some(Err(error)) if error.is_of_the_whole() => {
                    damages.push(error);
                    self.is_over = true;
                }
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(self.read.front().map(|tick| tick.moment))
    }

    fn append(&mut self, batch: &Batch) {
        self.rows += batch.num_rows() as u64;
        for row in batch.rows() {
            if self.read.back().is_none_or(|tick| tick.moment != row.timestamp()) {
                let rows = BatchBuilder::with_capacity(batch.schema(), |_| 32);
                let (moment, entities) = (row.timestamp(), Arc::clone(batch.entities()));
                self.read.push_back(Partly { moment, rows, entities });
            }
            if let Some(tick) = self.read.back_mut() {
                tick.entities = Arc::clone(batch.entities());
                tick.rows.append(&row);
            }
        }
    }

    fn take(&mut self) -> Tick {
        let Partly { moment, rows, entities } = self.read.pop_front().expect("its moment was looked at");
        Tick { moment, batch: rows.build(entities) }
    }
}

/// The largest number of rows of one side that wait for their counterpart on the other. If more wait, all of them count
/// as having none.
const MOST_WAITING: usize = 20_000;

/// The largest number of rows that are listed one by one.
const MAX_LISTED: usize = 1_000;

/// Identifies a row: time, entity type, name of the entity.
type Key = (SimTime, TypeId, String);

/// The values of a series that differ.
struct Values {
    number: u64,
    /// The earliest difference: its time and its description.
    first: (SimTime, String),
}

/// Collects the differences between rows as they pass.
struct Rows {
    schema: Arc<Schema>,
    /// By side: rows without a counterpart on the other side so far, each as a separate batch.
    waiting: [BTreeMap<Key, (u64, Batch)>; 2],
    /// By side: the number of rows before this tick.
    passed: [u64; 2],
    order: Order,
    /// By side: the names of the entities.
    names: [BTreeSet<(TypeId, String)>; 2],
    /// By side: the entities that only this side has, with the number of their rows.
    strangers: [BTreeMap<String, u64>; 2],
    seen: [Option<Arc<Entities>>; 2],
    series: BTreeMap<(String, String), Values>,
    hours: BTreeMap<i64, u64>,
    listed: Vec<String>,
    num_told: u64,
    first: Option<(SimTime, String)>,
}

impl Rows {
    fn new(schema: &Arc<Schema>) -> Rows {
        Rows {
            schema: Arc::clone(schema),
            waiting: Default::default(),
            passed: [0; 2],
            order: Order::default(),
            names: Default::default(),
            strangers: Default::default(),
            seen: [None, None],
            series: BTreeMap::new(),
            hours: BTreeMap::new(),
            listed: Vec::new(),
            num_told: 0,
            first: None,
        }
    }

    fn tick(&mut self, sides: [Tick; 2]) {
        self.hours.entry(sides[0].moment.hour()).or_default();
        let [old, new] = sides.each_ref().map(|side| &side.batch);
        self.note_names([old, new]);
        let mut others: Vec<Option<Row<'_>>> = new.rows().map(Some).collect();
        let (mut matched, mut unmatched, mut ahead) = (Vec::new(), Vec::new(), 0);
        for (place, row) in old.rows().enumerate() {
            let is_same = |other: &Row<'_>| other.type_id() == row.type_id() && other.name() == row.name();
            // Almost always, it is at the same position, or at the same offset as the last row.
            let is_there = |at: &usize| others.get(*at).and_then(Option::as_ref).is_some_and(is_same);
            let likely = place.checked_add_signed(ahead).filter(is_there);
            let found = likely.or_else(|| (0..others.len()).find(is_there));
            match found.and_then(|found| others[found].take().map(|other| (found, other))) {
                Some((found, other)) => {
                    ahead = found as isize - place as isize;
                    matched.push((place, found, row));
                    self.compare(&row, &other);
                }
                None => unmatched.push((0, place, row)),
            }
        }
        let is_usual = unmatched.is_empty()
            && old.num_rows() == new.num_rows()
            && matched.iter().all(|(place, found, _)| place == found);
        if is_usual || self.order.is_long() {
            self.end_stretch();
        }
        if !is_usual {
            for (place, found, row) in matched {
                let [first, second] = [self.passed[0] + place as u64, self.passed[1] + found as u64];
                self.order.append(first, second, row.timestamp(), row.name());
            }
        }
        let left = others.into_iter().enumerate().filter_map(|(place, row)| Some((1, place, row?)));
        unmatched.extend(left);
        for (side, place, row) in unmatched {
            self.alone(side, self.passed[side] + place as u64, &row);
        }
        self.passed[0] += old.num_rows() as u64;
        self.passed[1] += new.num_rows() as u64;
        if self.waiting.iter().any(|waiting| waiting.len() > MOST_WAITING) {
            self.give_up_waiting();
        }
    }

    fn note_names(&mut self, sides: [&Batch; 2]) {
        for ((seen, names), batch) in self.seen.iter_mut().zip(&mut self.names).zip(sides) {
            let entities = batch.entities();
            if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, entities)) {
                continue;
            }
            for (id, tags) in entities.types() {
                names.extend(tags.names().map(|name| (id, name.to_string())));
            }
            *seen = Some(Arc::clone(entities));
        }
    }

    /// Handles a row that has no counterpart in its own tick.
    fn alone(&mut self, side: usize, index: u64, row: &Row<'_>) {
        let key = (row.timestamp(), row.type_id(), row.name().to_string());
        if let Some((other_index, other)) = self.waiting[1 - side].remove(&key) {
            let like = other.rows().next().expect("it holds one row");
            let (first, second) = if side == 1 { (other_index, index) } else { (index, other_index) };
            self.order.append(first, second, row.timestamp(), row.name());
            match side {
                1 => self.compare(&like, row),
                _ => self.compare(row, &like),
            }
            return;
        }
        self.waiting[side].insert(key, (index, row.alone()));
    }

    /// Counts a value that differs.
    fn count(&mut self, name: &str, column: &str, moment: SimTime, what: impl Fn() -> String) {
        let new = || Values { number: 0, first: (moment, what()) };
        let values = self.series.entry((name.to_string(), column.to_string())).or_insert_with(new);
        values.number += 1;
        if moment < values.first.0 {
            values.first = (moment, what());
        }
    }

    /// Ends a stretch of unusual order: from here on, both sides have the same order again.
    fn end_stretch(&mut self) {
        for (moment, name) in self.order.judge() {
            self.report(moment, format!("{name} {moment} is at a different position"));
        }
    }

    fn report(&mut self, moment: SimTime, text: String) {
        *self.hours.entry(moment.hour()).or_default() += 1;
        self.num_told += 1;
        if self.listed.len() < MAX_LISTED {
            self.listed.push(text);
        }
    }

    fn give_up_waiting(&mut self) {
        for (side, waiting) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            let what = ["removed", "added"][side];
            for (moment, id, name) in waiting.into_keys() {
                let schema = Arc::clone(&self.schema);
                for column in columns(&schema[id]) {
                    self.count(&name, column, moment, || format!("the row was {what}"));
                }
                let key = (id, name);
                if self.names[1 - side].contains(&key) {
                    self.report(moment, format!("{} {moment} was {what}", key.1));
                } else {
                    *self.strangers[side].entry(key.1).or_default() += 1;
                    *self.hours.entry(moment.hour()).or_default() += 1;
                }
            }
        }
    }

    fn compare(&mut self, a: &Row<'_>, b: &Row<'_>) {
        let is_same = texts(a).eq(texts(b)) && a.enums().eq(b.enums()) && a.values().eq(b.values());
        if is_same {
            return;
        }
        let mut cells: Vec<(String, String)> = Vec::new();
        cells.extend(texts(a).zip(texts(b)).map(|(old, new)| (old.to_string(), new.to_string())));
        for (column, metric) in a.entity_type().metrics().iter().enumerate() {
            let [old, new] = [a, b].map(|row| value_text(row.value(column), metric.decimals()));
            cells.push((old, new));
        }
        cells.extend(a.enums().zip(b.enums()).map(|(old, new)| (old.to_string(), new.to_string())));
        let (name, moment) = (a.name(), a.timestamp());
        for (column, (old, new)) in
            columns(a.entity_type()).into_iter().zip(cells).filter(|(_, (old, new))| old != new)
        {
            let text = format!("{old} → {new}");
            let first = format!("{name}/{column} {moment} {text}");
            if self.first.as_ref().is_none_or(|(earliest, _)| moment < *earliest) {
                self.first = Some((moment, first));
            }
            self.count(name, column, moment, || text.clone());
            *self.hours.entry(moment.hour()).or_default() += 1;
        }
    }

    fn difference(mut self) -> Difference {
        self.end_stretch();
        self.give_up_waiting();
        let series = self.series.into_iter().map(|((name, column), Values { number, first })| {
            let (moment, what) = first;
            let what = match number {
                1 => format!("{moment} {what}"),
                _ => format!("{number} values, the first at {moment}: {what}"),
            };
            (format!("{name}/{column}"), what)
        });
        let names = self.names[0].union(&self.names[1]);
        let all = names.map(|(id, _)| columns(&self.schema[*id]).len()).sum();
        let strangers = self.strangers.iter().zip(["removed", "added"]);
        let whole = strangers.flat_map(|(entities, what)| {
            entities.iter().map(move |(name, rows)| stranger(name, *rows, what))
        });
        let whole = whole.collect();
        let changed = self.hours.iter().filter(|(_, number)| **number > 0);
        let hours = changed.map(|(hour, number)| (hour_name(*hour), count(*number, "difference")));
        Difference {
            whole,
            series: Changed { of: all, lines: series.collect() },
            hours: Changed { of: self.hours.len(), lines: hours.collect() },
            rows: self.listed,
            num_rows: self.num_told,
            first: self.first.map(|(_, first)| first),
            ..Difference::default()
        }
    }
}
