use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RecordingError;
use crate::batch::{Batch, Entities, RecordType, ServerName, ServiceName, Table};
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
    pub(super) fn server(&mut self, name: &ServerName, guess: usize) -> Result<u32, String> {
        let known = &self.entities.servers;
        if let Some(index) = find(known, name, guess) {
            return Ok(index);
        }
        let ServerName { server_id, rack_id, datacenter_zone } = name;
        [server_id, rack_id, datacenter_zone].into_iter().try_for_each(|name| lawful(name))?;
        Arc::make_mut(&mut self.entities).servers.push(name.clone());
        apart(&self.entities)?;
        Ok((self.entities.servers.len() - 1) as u32)
    }

    pub(super) fn service(&mut self, name: &ServiceName, guess: usize) -> Result<u32, String> {
        let known = &self.entities.services;
        if let Some(index) = find(known, name, guess) {
            return Ok(index);
        }
        [&name.service_name, &name.server_id].into_iter().try_for_each(|name| lawful(name))?;
        Arc::make_mut(&mut self.entities).services.push(name.clone());
        apart(&self.entities)?;
        Ok((self.entities.services.len() - 1) as u32)
    }

    pub(super) fn entities(&self) -> Arc<Entities> {
        Arc::clone(&self.entities)
    }
}

fn lawful(name: &str) -> Result<(), String> {
    match is_name(name) {
        true => Ok(()),
        false => Err(format!("`{}` cannot be a name", name.escape_debug())),
    }
}

/// The newest names must not be those of the other record type: a name is the key of an entity.
fn apart(entities: &Entities) -> Result<(), String> {
    let (server, service) = (entities.servers.last(), entities.services.last());
    let is_both = |name: &str| {
        entities.servers.iter().any(|it| it.server_id == name)
            && entities.services.iter().any(|it| it.service_name == name)
    };
    let newest = server.map(|it| &it.server_id).into_iter().chain(service.map(|it| &it.service_name));
    match newest.into_iter().find(|name| is_both(name)) {
        None => Ok(()),
        Some(name) => Err(format!("`{name}` is a server and a service")),
    }
}

/// Rows come in the fleet's order, so a name most often stands right after the last one.
fn find<T: PartialEq>(known: &[T], name: &T, guess: usize) -> Option<u32> {
    if known.get(guess) == Some(name) {
        return Some(guess as u32);
    }
    known.iter().position(|other| other == name).map(|index| index as u32)
}

/// Two sorted streams → one, by timestamp, servers first.
pub(super) struct Merge {
    /// As messages call the recording.
    path: PathBuf,
    sides: [Side; 2],
    /// The names of both sides; made anew only when one of them has more.
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
    pub(super) fn new(path: &Path, sources: [Sorted; 2]) -> Merge {
        let sides = sources.map(|source| Side { source, rows: None, next: 0, names: Arc::default() });
        Merge { path: path.into(), sides, names: Arc::default() }
    }

    /// Fills both sides; whether any row is left.
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
        let mut out = Batch::with_capacity(Arc::new(Entities::default()), ROWS, ROWS);
        while out.num_rows() < ROWS && self.refill()? {
            let head = |side: &Side| side.rows.as_ref().map(|rows| rows.table.timestamp[side.next]);
            let heads = [head(&self.sides[0]), head(&self.sides[1])];
            let first = match heads {
                [Some(servers), Some(services)] => usize::from(services < servers),
                [None, _] => 1,
                _ => 0,
            };
            let record = RecordType::ALL[first];
            let side = &mut self.sides[first];
            let rows = side.rows.as_ref().expect("its head was looked at just now");
            let moment = rows.table.timestamp[side.next];
            let until = rows.table.timestamp[side.next..].iter().position(|other| *other != moment);
            let end = until.map_or(rows.table.num_rows(), |length| side.next + length);
            copy(&rows.table, side.next..end, out.table_mut(record));
            out.append_run(record, (end - side.next) as u32);
            side.names = Arc::clone(&rows.entities);
            side.next = end;
        }
        let [servers, services] = &self.sides;
        let (servers, services) = (&servers.names.servers, &services.names.services);
        if self.names.servers.len() < servers.len() || self.names.services.len() < services.len() {
            let names = Entities { servers: servers.clone(), services: services.clone() };
            let is_server =
                |it: &ServiceName| names.servers.iter().any(|server| server.server_id == it.service_name);
            if let Some(both) = names.services.iter().find(|it| is_server(it)) {
                let reason = format!("`{}` is a server and a service", both.service_name);
                return Err(RecordingError::Damaged { path: self.path.clone(), reason });
            }
            self.names = Arc::new(names);
        }
        out.entities = Arc::clone(&self.names);
        Ok((out.num_rows() > 0).then_some(out))
    }
}

fn copy(from: &Table, rows: std::ops::Range<usize>, to: &mut Table) {
    to.timestamp.extend_from_slice(&from.timestamp[rows.clone()]);
    to.entity.extend_from_slice(&from.entity[rows.clone()]);
    if !from.endpoint.is_empty() {
        to.endpoint.extend_from_slice(&from.endpoint[rows.clone()]);
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
