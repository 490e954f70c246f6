//! Rows → lines of NDJSON or CSV, at the speed of a copy.
//!
//! Keys are copied as windows of 32 bytes, numbers by tables of thousands and hundredths; what names
//! an entity is put together once. A line is made in a small buffer that stays in the cache.

use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use crate::batch::{Batch, Entities, NULL, Row, TagColumns, write_decimal};
use crate::schema::{EntityType, Tag, TypeId};
use crate::time::SimTime;

/// What is copied at once; texts are padded to a multiple of it.
const WINDOW: usize = 32;

/// Room for the text of a time, or of a number: at most a sign, 19 digits and a point, and a window.
const VALUE: usize = 64;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// An object, keys in the order of the schema, no spaces.
    Json,
    /// Values alone, in the same order.
    Csv,
}

/// Makes lines; keeps the texts that name each entity of the batches it has seen first, and buffers to
/// use again.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    style: Style,
    known: OnceLock<Arc<Texts>>,
    buffers: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// Buffers kept for later: more are never in use at once.
const BUFFERS: usize = 64;

/// Bytes in a buffer that is used again when nobody needs them any more: fresh memory for each batch
/// would cost a fifth of a second thread's time in page faults.
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

/// The texts of a batch's lines, made once for all batches with the same entities.
#[derive(Debug)]
struct Texts {
    entities: Arc<Entities>,
    /// By entity type.
    types: Vec<TypeTexts>,
    /// Room for any line.
    room: usize,
    missing: &'static [u8],
    end: &'static [u8],
}

/// The texts of one entity type's lines.
#[derive(Debug)]
struct TypeTexts {
    /// How lines begin, up to the timestamp.
    begin: Text,
    /// By entity, what is between timestamp and numbers.
    entities: Vec<Text>,
    /// Before each metric's value; with its decimals.
    keys: Vec<(Text, u32)>,
    /// By text column and value.
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
    // Names are letters, digits, `-`, `_` and `.`: nothing to escape or to quote.
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

    /// The longest that a line can be, with what is copied beyond its end.
    fn room(&self) -> usize {
        let longest = |texts: &[Text]| texts.iter().map(|text| text.padded.len()).max().unwrap_or(0);
        let keys: usize = self.keys.iter().map(|(key, _)| key.padded.len() + VALUE).sum();
        let enums: usize = self.enums.iter().map(|values| longest(values)).sum();
        self.begin.padded.len() + longest(&self.entities) + keys + enums + 2 * VALUE
    }
}

/// Numbers as they are written. (Constants that `const` can't compute.)
struct Tables {
    /// 0–999 without leading zeros, with the number of digits; and with leading zeros.
    thousands: Vec<[u8; 4]>,
    padded: Vec<[u8; 4]>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    thousands: (0..1_000).map(|n| digits(&format!("{n}"))).collect(),
    padded: (0..1_000).map(|n| digits(&format!("{n:03}"))).collect(),
});

/// Up to three digits, left-aligned, and how many they are.
fn digits(text: &str) -> [u8; 4] {
    let mut entry = [b'0'; 4];
    entry[..text.len()].copy_from_slice(text.as_bytes());
    entry[3] = text.len() as u8;
    entry
}

/// A line in the making.
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

    /// Three digits at most, without leading zeros.
    #[inline]
    fn short(&mut self, tables: &Tables, n: usize) {
        let entry = tables.thousands[n];
        self.bytes[self.length..self.length + 4].copy_from_slice(&entry);
        self.length += usize::from(entry[3]);
    }

    /// Three digits.
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

    /// A stored value with the decimals of its metric.
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
                // The last two of three digits, the first of which is 0.
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

/// The text of a tick's time, made once for all its rows.
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

/// About the longest line, for reserving room.
const LONG: usize = 448;

impl Lines {
    pub(super) fn new(style: Style) -> Lines {
        Lines { style, known: OnceLock::new(), buffers: Arc::default() }
    }

    /// The lines of a batch in stream order, one after the other; `end` adds what follows each of them.
    pub(super) fn of(&self, batch: &Batch, end: impl FnMut(&mut Vec<u8>, &Row<'_>)) -> Bytes {
        self.of_rows(batch, batch.num_rows(), batch.rows(), end)
    }

    /// The same of one entity type alone.
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
