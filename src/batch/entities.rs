//! The names and tags that rows refer to by index.

use std::sync::Arc;

use crate::schema::{Schema, TypeId};

/// The tags of all entities of one type, stored by column. The first tag is the name of the entity, which is also the
/// key of its records.
///
/// ```
/// use reenact::batch::TagColumns;
/// let mut pumps = TagColumns::new(2);
/// pumps.push(["pump-001", "north"]);
/// pumps.push(["pump-002", "north"]);
/// assert_eq!((pumps.len(), pumps.name(1), pumps.tag(1, 0)), (2, "pump-002", "north"));
/// ```
// Invariant: all columns have the same length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagColumns {
    columns: Vec<Vec<Arc<str>>>,
}

impl TagColumns {
    /// Creates a list without entities that has this number of tags.
    pub fn new(tags: usize) -> TagColumns {
        TagColumns { columns: vec![Vec::new(); tags] }
    }

    /// The number of entities.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// Whether there is no entity.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of an entity.
    pub fn name(&self, entity: u32) -> &str {
        self.tag(0, entity)
    }

    /// All names, in the order of their indices.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().take(1).flatten().map(|name| &**name)
    }

    /// A tag of an entity.
    pub fn tag(&self, tag: usize, entity: u32) -> &str {
        &self.columns[tag][entity as usize]
    }

    /// All tags of an entity, its name first.
    pub fn tags(&self, entity: u32) -> impl Iterator<Item = &str> {
        self.columns.iter().map(move |column| &*column[entity as usize])
    }

    /// The values of each tag, in the order of the entities.
    pub fn columns(&self) -> impl Iterator<Item = &[Arc<str>]> {
        self.columns.iter().map(Vec::as_slice)
    }

    /// Adds an entity with one value for each tag. Consecutive entities with the same value share its memory.
    ///
    /// # Panics
    /// If the number of values is not the number of tags.
    pub fn push<'a>(&mut self, tags: impl IntoIterator<Item = &'a str>) {
        let mut columns = self.columns.iter_mut();
        for tag in tags {
            let column = columns.next().expect("a column for each tag");
            let shared = column.last().filter(|last| ***last == *tag).cloned();
            column.push(shared.unwrap_or_else(|| tag.into()));
        }
        assert!(columns.next().is_none(), "a value for each column");
    }

    /// Returns the index of the entity with these tags.
    pub fn find(&self, tags: &[&str]) -> Option<u32> {
        (0..self.len() as u32).find(|entity| self.tags(*entity).eq(tags.iter().copied()))
    }
}

/// The entities of all types of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entities {
    schema: Arc<Schema>,
    types: Vec<TagColumns>,
}

impl Entities {
    /// Creates a list without entities.
    pub fn new(schema: Arc<Schema>) -> Entities {
        let types = schema.types().iter().map(|it| TagColumns::new(it.tags().len())).collect();
        Entities { schema, types }
    }

    /// The schema: the entity types and their columns.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The entities of a type.
    pub fn of(&self, id: TypeId) -> &TagColumns {
        &self.types[id.index()]
    }

    /// The entities of a type, for adding more.
    pub fn of_mut(&mut self, id: TypeId) -> &mut TagColumns {
        &mut self.types[id.index()]
    }

    /// Each type with its entities.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &TagColumns)> {
        self.schema.ids().zip(&self.types)
    }

    /// The name of an entity, which is the key of its records on the stream.
    pub fn name(&self, id: TypeId, entity: u32) -> &str {
        self.of(id).name(entity)
    }
}
