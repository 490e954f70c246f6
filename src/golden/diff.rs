use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::diff_labels::diff_labels;
use super::difference::{Changed, Difference};
use super::sums::{columns, decimal, hour_name, texts};
use crate::batch::{Batch, Entities, RecordType, Row};
use crate::recording::{Recording, RecordingError};
use crate::scenario::count;
use crate::time::SimTime;

/// What two recordings were compared to.
#[derive(Debug)]
pub struct Compared {
    /// Rows of the first one.
    pub rows: u64,
    /// None where nothing differs.
    pub difference: Option<Difference>,
    /// What is wrong with either of them, where it came out after its last row.
    pub damages: Vec<RecordingError>,
}

/// Compares two recordings row by row and label by label, in one pass and with little memory.
///
/// # Errors
/// If one can't be read to its end. (That its digest is another one is a damage, told beside what differs.)
pub fn diff(old: &Recording, new: &Recording) -> Result<Compared, RecordingError> {
    let mut rows = Rows::default();
    let mut damages = Vec::new();
    let mut sides = [Ticks::new(old)?, Ticks::new(new)?];
    loop {
        let [old, new] = &mut sides;
        match (old.moment(&mut damages)?, new.moment(&mut damages)?) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => {
                let pair = (old.take(), new.take());
                rows.tick([pair.0, pair.1]);
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => rows.tick([old.take(), Tick::empty(a)]),
            (_, Some(b)) => rows.tick([Tick::empty(b), new.take()]),
            (Some(_), None) => unreachable!("told above"),
        }
    }
    let mut difference = rows.difference();
    let labels = [old.labels(), new.labels()].map(|labels| match labels {
        Ok(labels) => labels,
        Err(error) => {
            damages.push(error);
            None
        }
    });
    match labels {
        [Some(old), Some(new)] => difference.incidents = diff_labels(&old, &new),
        [None, Some(_)] => difference.whole.push("labels are new".into()),
        [Some(_), None] => difference.whole.push("labels are gone".into()),
        [None, None] => {}
    }
    let difference = (!difference.is_empty()).then_some(difference);
    Ok(Compared { rows: sides[0].rows, difference, damages })
}

/// All rows of one moment, one after the other on the stream.
struct Tick {
    moment: SimTime,
    batch: Batch,
}

impl Tick {
    fn empty(moment: SimTime) -> Tick {
        Tick { moment, batch: Batch::with_capacity(Arc::default(), 0, 0) }
    }
}

/// A recording, tick by tick.
struct Ticks {
    batches: crate::recording::Batches,
    next: Option<Tick>,
    /// Rows of the current batch that are not taken, from this one on.
    current: Option<(Batch, usize)>,
    rows: u64,
}

impl Ticks {
    fn new(recording: &Recording) -> Result<Ticks, RecordingError> {
        Ok(Ticks { batches: recording.batches()?, next: None, current: None, rows: 0 })
    }

    /// The moment of the next tick. A verdict about the whole is kept for later.
    fn moment(&mut self, damages: &mut Vec<RecordingError>) -> Result<Option<SimTime>, RecordingError> {
        if self.next.is_none() {
            self.next = self.read(damages)?;
        }
        Ok(self.next.as_ref().map(|tick| tick.moment))
    }

    fn take(&mut self) -> Tick {
        self.next.take().expect("its moment was looked at")
    }

    fn read(&mut self, damages: &mut Vec<RecordingError>) -> Result<Option<Tick>, RecordingError> {
        let mut tick: Option<Tick> = None;
        loop {
            let (batch, from) = match self.current.take() {
                Some(current) => current,
                None => match self.batches.next() {
                    Some(Ok(batch)) => (batch, 0),
                    None => break,
                    Some(Err(error)) if error.is_of_the_whole() => {
                        damages.push(error);
                        break;
                    }
                    Some(Err(error)) => return Err(error),
                },
            };
            let mut index = from;
            let mut is_whole = false;
            for row in batch.rows().skip(from) {
                let tick = tick.get_or_insert_with(|| Tick {
                    moment: row.timestamp(),
                    batch: Batch::with_capacity(Arc::clone(&batch.entities), 32, 32),
                });
                if row.timestamp() != tick.moment {
                    is_whole = true;
                    break;
                }
                tick.batch.entities = Arc::clone(&batch.entities);
                tick.batch.append_row(&row);
                index += 1;
            }
            self.rows += (index - from) as u64;
            if is_whole {
                self.current = Some((batch, index));
                break;
            }
        }
        Ok(tick)
    }
}

/// Rows that wait for their like on the other side, at most; beyond, they are taken to have none.
const MOST_WAITING: usize = 20_000;

/// Rows that are told one by one.
const MOST_TOLD: usize = 1_000;

/// Which row: time, record type, name of the entity.
type Key = (SimTime, RecordType, String);

/// What differs between rows, as they pass.
#[derive(Default)]
struct Rows {
    /// Rows that only one side has had so far, each as a batch of its own.
    waiting: [BTreeMap<Key, (u64, Batch)>; 2],
    /// Rows of either side before this tick.
    passed: [u64; 2],
    /// By how much the second side is ahead where a row has its like.
    shift: i64,
    /// Of either side.
    names: [BTreeSet<(RecordType, String)>; 2],
    /// Entities that one side has not at all, by side: their rows on the other.
    strangers: [BTreeMap<String, u64>; 2],
    seen: [Option<Arc<Entities>>; 2],
    /// By series: values that differ, the first of them in words.
    series: BTreeMap<(String, &'static str), (u64, SimTime, String)>,
    hours: BTreeMap<i64, u64>,
    told: Vec<String>,
    num_told: u64,
    first: Option<(SimTime, String)>,
}

impl Rows {
    fn tick(&mut self, sides: [Tick; 2]) {
        self.hours.entry(sides[0].moment.hour()).or_default();
        for ((seen, names), side) in self.seen.iter_mut().zip(&mut self.names).zip(&sides) {
            let entities = &side.batch.entities;
            if seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, entities)) {
                let servers =
                    entities.servers.iter().map(|it| (RecordType::ServerMetric, it.server_id.clone()));
                let services = entities
                    .services
                    .iter()
                    .map(|it| (RecordType::ApplicationMetric, it.service_name.clone()));
                names.extend(servers.chain(services));
                *seen = Some(Arc::clone(entities));
            }
        }
        let [old, new] = sides.each_ref().map(|side| &side.batch);
        let mut others: Vec<Option<Row<'_>>> = new.rows().map(Some).collect();
        let mut unmatched = Vec::new();
        for (place, row) in old.rows().enumerate() {
            let is_same = |other: &Row<'_>| {
                other.record == row.record && new.entity_name(other) == old.entity_name(&row)
            };
            // Almost always it stands at the same place.
            let found = match others.get(place).and_then(Option::as_ref) {
                Some(other) if is_same(other) => Some(place),
                _ => others.iter().position(|other| other.as_ref().is_some_and(is_same)),
            };
            match found.and_then(|found| others[found].take().map(|other| (found, other))) {
                Some((found, other)) => {
                    if found != place && old.num_rows() == new.num_rows() {
                        self.out_of_order(&row, old);
                    }
                    self.compare((old, &row), (new, &other));
                }
                None => unmatched.push((0, place, row, old)),
            }
        }
        if unmatched.is_empty() && old.num_rows() == new.num_rows() && old.num_rows() > 0 {
            self.shift = self.passed[1] as i64 - self.passed[0] as i64;
        }
        let left = others.into_iter().enumerate().filter_map(|(place, row)| Some((1, place, row?, new)));
        unmatched.extend(left);
        for (side, place, row, batch) in unmatched {
            self.alone(side, self.passed[side] + place as u64, &row, batch);
        }
        self.passed[0] += old.num_rows() as u64;
        self.passed[1] += new.num_rows() as u64;
        if self.waiting.iter().any(|waiting| waiting.len() > MOST_WAITING) {
            self.give_up_waiting();
        }
    }

    /// A row without its like in its own tick.
    fn alone(&mut self, side: usize, index: u64, row: &Row<'_>, batch: &Batch) {
        let key = (row.timestamp(), row.record, batch.entity_name(row).to_string());
        if let Some((other_index, other)) = self.waiting[1 - side].remove(&key) {
            let like = other.rows().next().expect("it holds one row");
            let (first, second) = if side == 1 { (other_index, index) } else { (index, other_index) };
            if second as i64 - first as i64 != self.shift {
                self.out_of_order(row, batch);
            }
            match side {
                1 => self.compare((&other, &like), (batch, row)),
                _ => self.compare((batch, row), (&other, &like)),
            }
            return;
        }
        let mut one = Batch::with_capacity(Arc::clone(&batch.entities), 1, 1);
        one.append_row(row);
        self.waiting[side].insert(key, (index, one));
    }

    fn out_of_order(&mut self, row: &Row<'_>, batch: &Batch) {
        self.tell(
            row.timestamp(),
            format!("{} {} stands elsewhere", batch.entity_name(row), row.timestamp()),
        );
    }

    fn tell(&mut self, moment: SimTime, text: String) {
        *self.hours.entry(moment.hour()).or_default() += 1;
        self.num_told += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push(text);
        }
    }

    fn give_up_waiting(&mut self) {
        for (side, waiting) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            let what = ["gone", "new"][side];
            for (moment, record, name) in waiting.into_keys() {
                for column in columns(record) {
                    let series = self.series.entry((name.clone(), column));
                    series.or_insert_with(|| (0, moment, format!("its row is {what}"))).0 += 1;
                }
                let key = (record, name);
                if self.names[1 - side].contains(&key) {
                    self.tell(moment, format!("{} {moment} is {what}", key.1));
                } else {
                    *self.strangers[side].entry(key.1).or_default() += 1;
                    *self.hours.entry(moment.hour()).or_default() += 1;
                }
            }
        }
    }

    fn compare(&mut self, (old, a): (&Batch, &Row<'_>), (new, b): (&Batch, &Row<'_>)) {
        let record = a.record;
        let metrics = record.metrics();
        let (old_texts, new_texts) = (texts(old, a), texts(new, b));
        let is_same = old_texts == new_texts
            && a.endpoint() == b.endpoint()
            && (0..metrics.len()).all(|column| a.value(column) == b.value(column));
        if is_same {
            return;
        }
        let mut cells: Vec<(String, String)> = Vec::new();
        for (old, new) in old_texts.into_iter().zip(new_texts) {
            cells.extend(old.zip(new).map(|(old, new)| (old.to_string(), new.to_string())));
        }
        for (column, metric) in metrics.iter().enumerate() {
            let [old, new] = [a, b].map(|row| decimal(row.value(column), metric.decimals()));
            cells.push((old, new));
        }
        cells.extend(a.endpoint().zip(b.endpoint()).map(|(old, new)| (old.to_string(), new.to_string())));
        let (name, moment) = (old.entity_name(a), a.timestamp());
        for (column, (old, new)) in
            columns(record).into_iter().zip(cells).filter(|(_, (old, new))| old != new)
        {
            let text = format!("{old} → {new}");
            let first = format!("{name}/{column} {moment} {text}");
            if self.first.as_ref().is_none_or(|(earliest, _)| moment < *earliest) {
                self.first = Some((moment, first));
            }
            let series = self.series.entry((name.to_string(), column));
            series.or_insert_with(|| (0, moment, format!("{moment} {text}"))).0 += 1;
            *self.hours.entry(moment.hour()).or_default() += 1;
        }
    }

    fn difference(mut self) -> Difference {
        self.give_up_waiting();
        let series = self.series.into_iter().map(|((name, column), (number, _, first))| {
            let what = match number {
                1 => first,
                _ => format!("{number} values, the first {first}"),
            };
            (format!("{name}/{column}"), what)
        });
        let all = self.names[0].union(&self.names[1]).map(|(record, _)| columns(*record).len()).sum();
        let strangers = self.strangers.iter().zip(["gone", "new"]);
        let whole = strangers.flat_map(|(entities, what)| {
            entities.iter().map(move |(name, rows)| format!("{name} is {what}: {}", count(*rows, "row")))
        });
        let whole = whole.collect();
        let changed = self.hours.iter().filter(|(_, number)| **number > 0);
        let hours = changed.map(|(hour, number)| (hour_name(*hour), format!("{number} differ")));
        Difference {
            whole,
            series: Changed { of: all, lines: series.collect() },
            hours: Changed { of: self.hours.len(), lines: hours.collect() },
            rows: self.told,
            num_rows: self.num_told,
            first: self.first.map(|(_, first)| first),
            ..Difference::default()
        }
    }
}
