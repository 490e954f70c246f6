use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RecordingError;
use crate::batch::{Batch, Entities, RecordType, Table, TagColumns};
use crate::glob::is_name;

/// One record type's rows in stream order, some at a time.
pub(super) type Sorted = Box<dyn Iterator<Item = Result<Rows, RecordingError>> + Send>;

/// Rows of one record type, with the names that they refer to.
pub(super) struct Rows {
    pub table: Table,
    pub entities: Arc<Entities>,
}

/// Names as they turn up, each with its index.
#[derive(Debug, Default)]
pub(super) struct Names {
    entities: Arc<Entities>,
}

impl Names {
    /// The entities of a type.
    pub(super) fn of(&self, record: RecordType) -> &TagColumns {
        self.entities.of(record)
    }

    /// The index of the entity with these tags, which may be new.
    pub(super) fn entity(&mut self, record: RecordType, tags: &[&str]) -> Result<u32, String> {
        if let Some(index) = self.of(record).find(tags) {
            return Ok(index);
        }
        tags.iter().try_for_each(|tag| check_name(tag))?;
        let entities = Arc::make_mut(&mut self.entities);
        entities.of_mut(record).push(tags.iter().copied());
        if let Some(types) = entities.shared_name(tags[0]) {
            return Err(shared(tags[0], types));
        }
        Ok((entities.of(record).len() - 1) as u32)
    }

    pub(super) fn entities(&self) -> Arc<Entities> {
        Arc::clone(&self.entities)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    match is_name(name) {
        true => Ok(()),
        false => Err(format!("`{}` cannot be a name", name.escape_debug())),
    }
}

/// Why entities of two types must not have the same name: it is the key of an entity.
fn shared(name: &str, [one, other]: [RecordType; 2]) -> String {
    format!("`{name}` is a {} and a {}", one.entity_type(), other.entity_type())
}

/// A sorted stream for each record type → one, by timestamp, then in the order of the record types.
pub(super) struct Merge {
    /// As messages call the recording.
    path: PathBuf,
    /// By record type.
    sides: Vec<Side>,
    /// The names of all sides; made anew only when one of them has more.
    names: Arc<Entities>,
}

struct Side {
    source: Sorted,
    rows: Option<Rows>,
    next: usize,
    /// The names of the rows handed out so far; later ones only add to them.
    names: Arc<Entities>,
}

/// Rows that are read at a time (of a merged batch, plus the rest of a tick).
pub(super) const ROWS: usize = 8_192;

impl Merge {
    /// `sources` has one for each record type.
    pub(super) fn new(path: &Path, sources: impl IntoIterator<Item = Sorted>) -> Merge {
        let side = |source| Side { source, rows: None, next: 0, names: Arc::default() };
        Merge { path: path.into(), sides: sources.into_iter().map(side).collect(), names: Arc::default() }
    }

    /// Fills all sides; whether any row is left.
    fn refill(&mut self) -> Result<bool, RecordingError> {
        for side in &mut self.sides {
            while side.rows.as_ref().is_none_or(|rows| side.next >= rows.table.num_rows()) {
                (side.next, side.rows) = (0, None);
                side.rows = side.source.next().transpose()?;
                if side.rows.is_none() {
                    break;
                }
            }
        }
        Ok(self.sides.iter().any(|side| side.rows.is_some()))
    }

    fn batch(&mut self) -> Result<Option<Batch>, RecordingError> {
        let mut out = Batch::with_capacity(Arc::default(), |_| ROWS);
        while out.num_rows() < ROWS && self.refill()? {
            let head = |side: &Side| side.rows.as_ref().map(|rows| rows.table.timestamp[side.next]);
            let heads = RecordType::ALL.into_iter().zip(&mut self.sides);
            let heads = heads.filter_map(|(record, side)| Some((head(side)?, record, side)));
            // Of equal times, the first record type's.
            let Some((_, record, side)) = heads.min_by_key(|(time, record, _)| (*time, *record)) else {
                break;
            };
            let rows = side.rows.as_ref().expect("its head was looked at just now");
            let moment = rows.table.timestamp[side.next];
            let until = rows.table.timestamp[side.next..].iter().position(|other| *other != moment);
            let end = until.map_or(rows.table.num_rows(), |length| side.next + length);
            copy(&rows.table, side.next..end, out.table_mut(record));
            out.append(record, (end - side.next) as u32);
            side.names = Arc::clone(&rows.entities);
            side.next = end;
        }
        self.join_names()?;
        out.entities = Arc::clone(&self.names);
        Ok((out.num_rows() > 0).then_some(out))
    }

    /// Takes over the names of all sides, where one of them has more.
    fn join_names(&mut self) -> Result<(), RecordingError> {
        let sides = || RecordType::ALL.into_iter().zip(&self.sides);
        if sides().all(|(record, side)| self.names.of(record).len() == side.names.of(record).len()) {
            return Ok(());
        }
        let mut names = Entities::default();
        for (record, side) in sides() {
            *names.of_mut(record) = side.names.of(record).clone();
        }
        let mut known = BTreeMap::new();
        for (record, tags) in names.types() {
            for name in tags.names() {
                if let Some(other) = known.insert(name, record).filter(|other| *other != record) {
                    return Err(RecordingError::Damaged {
                        path: self.path.clone(),
                        reason: shared(name, [other, record]),
                    });
                }
            }
        }
        self.names = Arc::new(names);
        Ok(())
    }
}

fn copy(from: &Table, rows: std::ops::Range<usize>, to: &mut Table) {
    to.timestamp.extend_from_slice(&from.timestamp[rows.clone()]);
    to.entity.extend_from_slice(&from.entity[rows.clone()]);
    for (to, from) in to.enums.iter_mut().zip(&from.enums) {
        to.extend_from_slice(&from[rows.clone()]);
    }
    for (to, from) in to.columns.iter_mut().zip(&from.columns) {
        to.extend_from_slice(&from[rows.clone()]);
    }
}

impl Iterator for Merge {
    type Item = Result<Batch, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}
