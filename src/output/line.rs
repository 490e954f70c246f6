//! Rows → lines of NDJSON or CSV, at the speed of a copy.
//!
//! Keys are copied as windows of 32 bytes, numbers by tables of thousands and hundredths; what names
//! an entity is put together once. A line is made in a small buffer that stays in the cache.

use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use crate::batch::{Batch, Entities, EnumColumn, Metric, NULL, RecordType, Row, TagColumns, write_decimal};
use crate::time::SimTime;

/// What is copied at once; texts are padded to a multiple of it.
const WINDOW: usize = 32;

/// Room for everything of a line but the texts that name its entity: a few keys and numbers of at most
/// twenty digits.
const ROOM: usize = 1_024;

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
    known: OnceLock<Arc<Names>>,
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

/// Of each entity, the part of its lines between timestamp and numbers.
#[derive(Debug)]
struct Names {
    entities: Arc<Entities>,
    /// By entity type.
    texts: Vec<Vec<Text>>,
    /// Bytes of the longest of them, padding included.
    longest: usize,
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

impl Names {
    fn new(style: Style, entities: &Arc<Entities>) -> Names {
        // Names are letters, digits, `-`, `_` and `.`: nothing to escape or to quote.
        let quote = if style == Style::Json { "\"" } else { "" };
        let text = |record: RecordType, tags: &TagColumns, entity: u32| {
            let part = |((key, _), tag): (&(&str, &str), &str)| match style {
                Style::Json => format!(",\"{key}\":\"{tag}\""),
                Style::Csv => format!(",{tag}"),
            };
            let parts: String = record.tags().iter().zip(tags.tags(entity)).map(part).collect();
            Text::new(&format!("{quote}{parts}"))
        };
        let texts: Vec<Vec<Text>> = entities
            .types()
            .map(|(record, tags)| (0..tags.len() as u32).map(|entity| text(record, tags, entity)).collect())
            .collect();
        let longest = texts.iter().flatten().map(|text| text.padded.len()).max().unwrap_or(0);
        Names { texts, longest, entities: Arc::clone(entities) }
    }

    fn of(&self, record: RecordType, entity: u32) -> &Text {
        &self.texts[record as usize][entity as usize]
    }
}

/// Constant texts of a style.
struct Texts {
    /// How lines begin, by record type, up to the timestamp.
    begins: Vec<Text>,
    /// Before each metric's value, by the metric's place in the schema.
    keys: Vec<Text>,
    /// By record type, text column and value.
    enums: Vec<Vec<Vec<Text>>>,
    missing: &'static [u8],
    end: &'static [u8],
}

impl Texts {
    fn of(style: Style) -> &'static Texts {
        static JSON: LazyLock<Texts> = LazyLock::new(|| Texts {
            begins: RecordType::ALL
                .map(|record| Text::new(&format!("{{\"type\":\"{}\",\"timestamp\":\"", record.name())))
                .into(),
            keys: Metric::ALL.iter().map(|metric| Text::new(&format!(",\"{}\":", metric.name()))).collect(),
            enums: enums(|column, value| format!(",\"{column}\":\"{value}\"")),
            missing: b"null",
            end: b"}",
        });
        static CSV: LazyLock<Texts> = LazyLock::new(|| Texts {
            begins: RecordType::ALL.map(|record| Text::new(&format!("{},", record.name()))).into(),
            keys: Metric::ALL.iter().map(|_| Text::new(",")).collect(),
            enums: enums(|_, value| format!(",{value}")),
            missing: b"",
            end: b"",
        });
        match style {
            Style::Json => &JSON,
            Style::Csv => &CSV,
        }
    }
}

/// The texts of all values of text columns, by record type, column and value.
fn enums(text: impl Fn(&str, &str) -> String) -> Vec<Vec<Vec<Text>>> {
    let column = |column: &EnumColumn| -> Vec<Text> {
        column.values.iter().map(|value| Text::new(&text(column.name, value))).collect()
    };
    RecordType::ALL.map(|record| record.enums().iter().map(&column).collect()).into()
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

    /// The same of one record type alone.
    pub(super) fn of_type(&self, batch: &Batch, record: RecordType) -> Bytes {
        let table = batch.table(record);
        let rows = (0..table.num_rows()).map(|index| Row { record, table, index });
        self.of_rows(batch, table.num_rows(), rows, |bytes, _| bytes.push(b'\n'))
    }

    fn of_rows<'a>(
        &self,
        batch: &Batch,
        num_rows: usize,
        rows: impl Iterator<Item = Row<'a>>,
        mut end: impl FnMut(&mut Vec<u8>, &Row<'_>),
    ) -> Bytes {
        let (tables, texts) = (&*TABLES, Texts::of(self.style));
        let known = self.known.get_or_init(|| Arc::new(Names::new(self.style, &batch.entities)));
        let others;
        let names = if Arc::ptr_eq(&known.entities, &batch.entities) {
            known
        } else {
            others = Arc::new(Names::new(self.style, &batch.entities));
            &others
        };
        let mut buffer = vec![0; ROOM + names.longest];
        let used = self.buffers.lock().ok().and_then(|mut buffers| buffers.pop());
        let mut bytes = used.unwrap_or_default();
        bytes.clear();
        bytes.reserve(num_rows * LONG);
        let mut stamp = Stamp::default();
        for row in rows {
            let mut line = Line { bytes: &mut buffer, length: 0 };
            line.text(&texts.begins[row.record as usize]);
            line.copy(stamp.of(row.timestamp()).as_bytes());
            line.text(names.of(row.record, row.entity()));
            let metrics = row.record.metrics();
            let keys = &texts.keys[metrics[0] as usize..][..metrics.len()];
            for (column, (metric, key)) in metrics.iter().zip(keys).enumerate() {
                line.text(key);
                match row.value(column) {
                    NULL => line.copy(texts.missing),
                    value => line.number(tables, value, metric.decimals()),
                }
            }
            for (texts, values) in texts.enums[row.record as usize].iter().zip(&row.table.enums) {
                line.text(&texts[usize::from(values[row.index])]);
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
