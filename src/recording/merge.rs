//! Merges the entity types of one dataset in time order, and numbers their entities.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RecordingError;
use crate::batch::{Batch, BatchBuilder, Entities, TagColumns};
use crate::glob::is_name;
use crate::schema::{EntityType, Schema, TypeId};
use crate::time::SimTime;

/// The rows of one entity type in stream order, in batches.
pub(super) type Sorted = Box<dyn Iterator<Item = Result<Batch, RecordingError>> + Send>;

/// The entities in the order in which they first appear, each with an index.
#[derive(Debug)]
pub(super) struct Names {
    entities: Arc<Entities>,
    /// By entity type: the index of the latest entity with each name.
    known: Vec<BTreeMap<String, u32>>,
}

impl Names {
    /// Creates an empty list.
    pub(super) fn new(schema: &Arc<Schema>) -> Names {
        let known = vec![BTreeMap::new(); schema.len()];
        Names { entities: Arc::new(Entities::new(Arc::clone(schema))), known }
    }

    /// Returns the entities of a type.
    pub(super) fn of(&self, id: TypeId) -> &TagColumns {
        self.entities.of(id)
    }

    /// Returns the index of the entity with these tags. Adds the entity if it is new.
    pub(super) fn entity(&mut self, id: TypeId, tags: &[&str]) -> Result<u32, String> {
        let name = tags[0];
        if let Some(last) = self.known[id.index()].get(name).copied() {
            let of_type = self.of(id);
            if of_type.tags(last).eq(tags.iter().copied()) {
                return Ok(last);
            }
            // The entity's other tags have changed; they may have changed back to known ones.
            if let Some(index) = of_type.find(tags) {
                return Ok(index);
            }
        }
        tags.iter().try_for_each(|tag| check_name(tag))?;
        let is_known = |other: &TypeId| *other != id && self.known[other.index()].contains_key(name);
        if let Some(other) = self.schema().ids().find(is_known) {
            let mut types = [other, id];
            types.sort_unstable();
            return Err(shared(name, types.map(|id| &self.schema()[id])));
        }
        let of_type = Arc::make_mut(&mut self.entities).of_mut(id);
        of_type.push(tags.iter().copied());
        let index = (of_type.len() - 1) as u32;
        self.known[id.index()].insert(name.into(), index);
        Ok(index)
    }

    pub(super) fn entities(&self) -> Arc<Entities> {
        Arc::clone(&self.entities)
    }

    pub(super) fn schema(&self) -> &Arc<Schema> {
        self.entities.schema()
    }
}

fn check_name(name: &str) -> Result<(), String> {
    match is_name(name) {
        true => Ok(()),
        false => Err(format!("`{}` is not a valid name", name.escape_debug())),
    }
}

/// Reports two entity types that share a name. A name identifies one entity, so this is an error.
fn shared(name: &str, [one, other]: [&EntityType; 2]) -> String {
    format!("`{name}` is both a {} and a {}", one.name(), other.name())
}

/// Merges the sorted streams of all entity types into one: by timestamp, then in the order of the types.
pub(super) struct Merge {
    /// The recording's name in messages.
    path: PathBuf,
    /// The streams, by entity type.
    sides: Vec<Side>,
    /// The names of all sides. They are collected again only when a side has new ones.
    names: Arc<Entities>,
}

struct Side {
    id: TypeId,
    source: Sorted,
    rows: Option<Batch>,
    next: usize,
    /// The names of the rows returned so far. Later batches only add to them.
    names: Arc<Entities>,
}

/// The number of rows in a batch. A merged batch can have more: up to all rows of one entity type at one moment.
pub(super) const ROWS: usize = 8_192;

impl Side {
    /// Returns the event time of the next row.
    fn head(&self) -> Option<SimTime> {
        let rows = self.rows.as_ref()?;
        rows.table(self.id).timestamps().get(self.next).copied()
    }

    /// Reads the next batch if the current one has no rows left.
    fn refill(&mut self) -> Result<(), RecordingError> {
        while self.rows.as_ref().is_none_or(|rows| self.next >= rows.num_rows()) {
            (self.next, self.rows) = (0, self.source.next().transpose()?);
            if self.rows.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Moves the next rows, which all have this moment, to a batch.
    fn take(&mut self, moment: SimTime, out: &mut BatchBuilder) {
        let Some(rows) = &self.rows else { return };
        let table = rows.table(self.id);
        let until = table.timestamps()[self.next..].iter().position(|other| *other != moment);
        let end = until.map_or(table.num_rows(), |length| self.next + length);
        out.extend(self.id, table, self.next..end);
        self.names = Arc::clone(rows.entities());
        self.next = end;
    }
}

impl Merge {
    /// Creates a merge; `source` returns the rows of an entity type.
    pub(super) fn new<E>(
        path: &Path,
        schema: &Arc<Schema>,
        mut source: impl FnMut(TypeId) -> Result<Sorted, E>,
    ) -> Result<Merge, E> {
        let names = Arc::new(Entities::new(Arc::clone(schema)));
        let side = |id| Ok(Side { id, source: source(id)?, rows: None, next: 0, names: Arc::clone(&names) });
        Ok(Merge { path: path.into(), sides: schema.ids().map(side).collect::<Result<_, E>>()?, names })
    }

    fn batch(&mut self) -> Result<Option<Batch>, RecordingError> {
        let mut out = BatchBuilder::with_capacity(self.names.schema(), |_| ROWS);
        while out.num_rows() < ROWS {
            self.sides.iter_mut().try_for_each(Side::refill)?;
            let heads = self.sides.iter_mut().filter_map(|side| Some((side.head()?, side)));
            // At equal times, the first entity type comes first.
            let Some((moment, side)) = heads.min_by_key(|(moment, side)| (*moment, side.id)) else { break };
            side.take(moment, &mut out);
        }
        self.join_names()?;
        Ok((out.num_rows() > 0).then(|| out.build(Arc::clone(&self.names))))
    }

    /// Collects the names of all sides again if a side has new ones.
    fn join_names(&mut self) -> Result<(), RecordingError> {
        if self.sides.iter().all(|side| self.names.of(side.id).len() == side.names.of(side.id).len()) {
            return Ok(());
        }
        let mut names = Entities::new(Arc::clone(self.names.schema()));
        for side in &self.sides {
            *names.of_mut(side.id) = side.names.of(side.id).clone();
        }
        let mut known = BTreeMap::new();
        for (id, tags) in names.types() {
            for name in tags.names() {
                if let Some(other) = known.insert(name, id).filter(|other| *other != id) {
                    let schema = names.schema();
                    let reason = shared(name, [&schema[other], &schema[id]]);
                    return Err(RecordingError::Damaged { path: self.path.clone(), reason });
                }
            }
        }
        self.names = Arc::new(names);
        Ok(())
    }
}

impl Iterator for Merge {
    type Item = Result<Batch, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}
