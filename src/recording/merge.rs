use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RecordingError;
use crate::batch::{Batch, BatchBuilder, Entities, TagColumns};
use crate::glob::is_name;
use crate::schema::{EntityType, Schema, TypeId};
use crate::time::SimTime;

/// One entity type's rows in stream order, some at a time.
pub(super) type Sorted = Box<dyn Iterator<Item = Result<Batch, RecordingError>> + Send>;

/// Names as they turn up, each with its index.
#[derive(Debug)]
pub(super) struct Names {
    entities: Arc<Entities>,
    /// By entity type: the last entity with a name.
    known: Vec<BTreeMap<String, u32>>,
}

impl Names {
    /// None yet.
    pub(super) fn new(schema: &Arc<Schema>) -> Names {
        let known = vec![BTreeMap::new(); schema.len()];
        Names { entities: Arc::new(Entities::new(Arc::clone(schema))), known }
    }

    /// The entities of a type.
    pub(super) fn of(&self, id: TypeId) -> &TagColumns {
        self.entities.of(id)
    }

    /// The index of the entity with these tags, which may be new.
    pub(super) fn entity(&mut self, id: TypeId, tags: &[&str]) -> Result<u32, String> {
        let name = tags[0];
        if let Some(last) = self.known[id.index()].get(name).copied() {
            let of_type = self.of(id);
            if of_type.tags(last).eq(tags.iter().copied()) {
                return Ok(last);
            }
            // Its other tags changed, and may have changed back.
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
        false => Err(format!("`{}` cannot be a name", name.escape_debug())),
    }
}

/// Why entities of two types must not have the same name: it is the key of an entity.
fn shared(name: &str, [one, other]: [&EntityType; 2]) -> String {
    format!("`{name}` is a {} and a {}", one.name(), other.name())
}

/// A sorted stream for each entity type → one, by timestamp, then in the order of the types.
pub(super) struct Merge {
    /// As messages call the recording.
    path: PathBuf,
    /// By entity type.
    sides: Vec<Side>,
    /// The names of all sides; made anew only when one of them has more.
    names: Arc<Entities>,
}

struct Side {
    id: TypeId,
    source: Sorted,
    rows: Option<Batch>,
    next: usize,
    /// The names of the rows handed out so far; later ones only add to them.
    names: Arc<Entities>,
}

/// Rows that are read at a time (of a merged batch, plus the rest of a tick).
pub(super) const ROWS: usize = 8_192;

impl Side {
    /// The event time of its next row.
    fn head(&self) -> Option<SimTime> {
        let rows = self.rows.as_ref()?;
        rows.table(self.id).timestamps().get(self.next).copied()
    }

    /// Reads on where it has no more rows.
    fn refill(&mut self) -> Result<(), RecordingError> {
        while self.rows.as_ref().is_none_or(|rows| self.next >= rows.num_rows()) {
            (self.next, self.rows) = (0, self.source.next().transpose()?);
            if self.rows.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Moves its next rows, those of one moment, to a batch.
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
    /// `source` gives the rows of an entity type.
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
            // Of equal times, the first entity type's.
            let Some((moment, side)) = heads.min_by_key(|(moment, side)| (*moment, side.id)) else { break };
            side.take(moment, &mut out);
        }
        self.join_names()?;
        Ok((out.num_rows() > 0).then(|| out.build(Arc::clone(&self.names))))
    }

    /// Takes over the names of all sides, where one of them has more.
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
