//! Formats rows as lines of NDJSON or CSV, about as fast as copying memory.
//!
//! Keys are copied in windows of 32 bytes. Tables contain the digits of the numbers 0–999. The text that names an
//! entity is built once. Each line is built in a small buffer that stays in the CPU cache.

use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use crate::batch::{Batch, Entities, NULL, Row, TagColumns, write_decimal};
use crate::schema::{EntityType, Tag, TypeId};
use crate::time::SimTime;

/// The number of bytes that are copied at once. Texts are padded to a multiple of it.
const WINDOW: usize = 32;

/// The bytes reserved for a time or a number: at most a sign, 19 digits and a point, plus one window.
const VALUE: usize = 64;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// A JSON object. Keys have the order of the schema, and there are no spaces.
    Json,
    /// Only the values, in the same order.
    Csv,
}

/// Formats lines. Keeps the texts that name the entities of its first batch, and buffers for reuse.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    style: Style,
    known: OnceLock<Arc<Texts>>,
    buffers: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// The number of buffers that are kept for reuse. More are never in use at once.
const BUFFERS: usize = 64;

/// Bytes in a buffer that is reused once they are dropped. With fresh memory for each batch, page faults would cost a
/// second thread a fifth of its time.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    bytes: Vec<u8>,
    buffers: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let Ok(mut buffers) = self.buffers.lock()
            && buffers.len() < BUFFERS
        {
            buffers.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// The fixed texts in the lines of a batch, built once for all batches with the same entities.
#[derive(Debug)]
struct Texts {
    entities: Arc<Entities>,
    /// The texts of each entity type.
    types: Vec<TypeTexts>,
    /// The size of a buffer that fits any line.
    room: usize,
    missing: &'static [u8],
    end: &'static [u8],
}

/// The fixed texts in the lines of one entity type.
#[derive(Debug)]
struct TypeTexts {
    /// The beginning of a line, up to the timestamp.
    begin: Text,
    /// For each entity: the text between the timestamp and the numbers.
    entities: Vec<Text>,
    /// For each metric: the text before its value, and its decimals.
    keys: Vec<(Text, u32)>,
    /// For each text column: the text of each of its values.
    enums: Vec<Vec<Text>>,
}

/// A text padded to whole windows.
#[derive(Debug)]
struct Text {
    padded: Vec<u8>,
    length: usize,
}

impl Text {
    fn new(text: &str) -> Text {
        let mut padded = text.as_bytes().to_vec();
        padded.resize(text.len().div_ceil(WINDOW) * WINDOW, b' ');
        Text { padded, length: text.len() }
    }
}

impl Texts {
    fn new(style: Style, entities: &Arc<Entities>) -> Texts {
        let types: Vec<TypeTexts> =
            entities.types().map(|(id, tags)| TypeTexts::new(style, &entities.schema()[id], tags)).collect();
        let room = types.iter().map(TypeTexts::room).max().unwrap_or(0);
        let (missing, end): (&[u8], &[u8]) = match style {
            Style::Json => (b"null", b"}"),
            Style::Csv => (b"", b""),
        };
        Texts { entities: Arc::clone(entities), types, room, missing, end }
    }
}

impl TypeTexts {
    // Names consist of letters, digits, `-`, `_` and `.`, so nothing is escaped or quoted.
    fn new(style: Style, entity_type: &EntityType, tags: &TagColumns) -> TypeTexts {
        let record = entity_type.record();
        let begin = match style {
            Style::Json => format!("{{\"type\":\"{record}\",\"timestamp\":\""),
            Style::Csv => format!("{record},"),
        };
        let text = |key: &str, value: &str| match style {
            Style::Json => format!(",\"{key}\":\"{value}\""),
            Style::Csv => format!(",{value}"),
        };
        let quote = if style == Style::Json { "\"" } else { "" };
        let name = |entity: u32| {
            let parts = entity_type.tags().iter().zip(tags.tags(entity));
            let parts: String = parts.map(|(key, tag): (&Tag, &str)| text(key.name(), tag)).collect();
            Text::new(&format!("{quote}{parts}"))
        };
        let key = |key: &str| match style {
            Style::Json => Text::new(&format!(",\"{key}\":")),
            Style::Csv => Text::new(","),
        };
        let metrics = entity_type.metrics().iter();
        let enums = entity_type.enums().iter();
        TypeTexts {
            begin: Text::new(&begin),
            entities: (0..tags.len() as u32).map(name).collect(),
            keys: metrics.map(|metric| (key(metric.name()), metric.decimals())).collect(),
            enums: enums
                .map(|column| column.values().iter().map(|it| Text::new(&text(column.name(), it))).collect())
                .collect(),
        }
    }

    /// The maximum length of a line, plus the padding that is copied past its end.
    fn room(&self) -> usize {
        let longest = |texts: &[Text]| texts.iter().map(|text| text.padded.len()).max().unwrap_or(0);
        let keys: usize = self.keys.iter().map(|(key, _)| key.padded.len() + VALUE).sum();
        let enums: usize = self.enums.iter().map(|values| longest(values)).sum();
        self.begin.padded.len() + longest(&self.entities) + keys + enums + 2 * VALUE
    }
}

/// The digits of numbers. (Constants that `const` can't compute.)
struct Tables {
    /// The numbers 0–999 without leading zeros. The last byte is the number of digits.
    thousands: Vec<[u8; 4]>,
    /// The same numbers with leading zeros.
    padded: Vec<[u8; 4]>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    thousands: (0..1_000).map(|n| digits(&format!("{n}"))).collect(),
    padded: (0..1_000).map(|n| digits(&format!("{n:03}"))).collect(),
});

/// Returns up to three digits, left-aligned, followed by their number.
fn digits(text: &str) -> [u8; 4] {
    let mut entry = [b'0'; 4];
    entry[..text.len()].copy_from_slice(text.as_bytes());
    entry[3] = text.len() as u8;
    entry
}

/// A line that is being built.
struct Line<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl Line<'_> {
    #[inline]
    fn text(&mut self, text: &Text) {
        let room = &mut self.bytes[self.length..];
        for (to, from) in room.chunks_exact_mut(WINDOW).zip(text.padded.chunks_exact(WINDOW)) {
            to.copy_from_slice(from);
        }
        self.length += text.length;
    }

    #[inline]
    fn copy(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Writes a number of at most three digits, without leading zeros.
    #[inline]
    fn short(&mut self, tables: &Tables, n: usize) {
        let entry = tables.thousands[n];
        self.bytes[self.length..self.length + 4].copy_from_slice(&entry);
        self.length += usize::from(entry[3]);
    }

    /// Writes a number with exactly three digits.
    #[inline]
    fn three(&mut self, tables: &Tables, n: usize) {
        self.bytes[self.length..self.length + 4].copy_from_slice(&tables.padded[n]);
        self.length += 3;
    }

    #[inline]
    fn whole(&mut self, tables: &Tables, n: u64) {
        if n < 1_000 {
            self.short(tables, n as usize);
        } else if n < 1_000_000 {
            self.short(tables, (n / 1_000) as usize);
            self.three(tables, (n % 1_000) as usize);
        } else {
            let (high, low) = (n / 1_000_000, (n % 1_000_000) as usize);
            self.whole(tables, high);
            self.three(tables, low / 1_000);
            self.three(tables, low % 1_000);
        }
    }

    /// Writes a stored value with the decimals of its metric.
    #[inline]
    fn number(&mut self, tables: &Tables, value: i64, decimals: u32) {
        if value < 0 {
            return self.negative(value, decimals);
        }
        let value = value as u64;
        match decimals {
            0 => self.whole(tables, value),
            1 => {
                self.whole(tables, value / 10);
                self.copy(&[b'.', b'0' + (value % 10) as u8]);
            }
            2 => {
                self.whole(tables, value / 100);
                // The last two of three digits. The first one is 0.
                let entry = tables.padded[(value % 100) as usize];
                self.copy(&[b'.', entry[1], entry[2]]);
            }
            _ => {
                self.whole(tables, value / 1_000);
                self.copy(b".");
                self.three(tables, (value % 1_000) as usize);
            }
        }
    }

    #[cold]
    fn negative(&mut self, value: i64, decimals: u32) {
        let mut text = Vec::new();
        write_decimal(&mut text, value, decimals);
        self.copy(&text);
    }
}

/// The text of a tick's time, built once for all its rows.
#[derive(Default)]
struct Stamp {
    moment: Option<SimTime>,
    text: String,
}

impl Stamp {
    fn of(&mut self, moment: SimTime) -> &str {
        if self.moment != Some(moment) {
            self.moment = Some(moment);
            self.text = moment.to_string();
        }
        &self.text
    }
}

/// The approximate length of the longest line, for reserving memory.
const LONG: usize = 448;

impl Lines {
    pub(super) fn new(style: Style) -> Lines {
        Lines { style, known: OnceLock::new(), buffers: Arc::default() }
    }

    /// Formats the lines of a batch in stream order, one after the other. `end` appends what follows each line.
    pub(super) fn of(&self, batch: &Batch, end: impl FnMut(&mut Vec<u8>, &Row<'_>)) -> Bytes {
        self.of_rows(batch, batch.num_rows(), batch.rows(), end)
    }

    /// Formats the lines of one entity type only, each with a newline.
    pub(super) fn of_type(&self, batch: &Batch, id: TypeId) -> Bytes {
        let num_rows = batch.table(id).num_rows();
        self.of_rows(batch, num_rows, batch.rows_of(id), |bytes, _| bytes.push(b'\n'))
    }

    fn of_rows<'a>(
        &self,
        batch: &Batch,
        num_rows: usize,
        rows: impl Iterator<Item = Row<'a>>,
        mut end: impl FnMut(&mut Vec<u8>, &Row<'_>),
    ) -> Bytes {
        let tables = &*TABLES;
        let known = self.known.get_or_init(|| Arc::new(Texts::new(self.style, batch.entities())));
        let others;
        let texts = if Arc::ptr_eq(&known.entities, batch.entities()) {
            known
        } else {
            others = Arc::new(Texts::new(self.style, batch.entities()));
            &others
        };
        let mut buffer = vec![0; texts.room];
        let used = self.buffers.lock().ok().and_then(|mut buffers| buffers.pop());
        let mut bytes = used.unwrap_or_default();
        bytes.clear();
        bytes.reserve(num_rows * LONG);
        let mut stamp = Stamp::default();
        for row in rows {
            let mut line = Line { bytes: &mut buffer, length: 0 };
            let of_type = &texts.types[row.type_id().index()];
            line.text(&of_type.begin);
            line.copy(stamp.of(row.timestamp()).as_bytes());
            line.text(&of_type.entities[row.entity() as usize]);
            for ((key, decimals), value) in of_type.keys.iter().zip(row.values()) {
                line.text(key);
                match value {
                    NULL => line.copy(texts.missing),
                    value => line.number(tables, value, *decimals),
                }
            }
            for (values, code) in of_type.enums.iter().zip(row.codes()) {
                line.text(&values[usize::from(code)]);
            }
            line.copy(texts.end);
            let length = line.length;
            bytes.extend_from_slice(&buffer[..length]);
            end(&mut bytes, &row);
        }
        Bytes { bytes, buffers: Arc::clone(&self.buffers) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: i64, decimals: u32) -> String {
        let mut buffer = [0; 64];
        let mut line = Line { bytes: &mut buffer, length: 0 };
        line.number(&TABLES, value, decimals);
        let length = line.length;
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn numbers_are_written_as_digit_by_digit() {
        let mut values = vec![0, -1, -1_234, i64::MAX, i64::MIN + 1];
        for power in 0..18 {
            let n = 10_i64.pow(power);
            values.extend([n - 1, n, n + 1, 5 * n + 7]);
        }
        values.extend((0..20_000).map(|i| i * 7));
        for decimals in 0..=3 {
            for value in &values {
                let mut expected = Vec::new();
                write_decimal(&mut expected, *value, decimals);
                assert_eq!(written(*value, decimals), String::from_utf8(expected).unwrap());
            }
        }
    }
}
