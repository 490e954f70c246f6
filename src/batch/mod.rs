//! Columns of fixed-point integers with their schema: what leaves the engine, and what every output takes.
//!
//! A value is stored as value × 10^decimals, rounded once in the engine, so that each format
//! carries the same number. Each record type has a table; segments give the order
//! of their rows on the stream.

mod decimal;
mod entities;
mod times;

use std::sync::Arc;

pub use decimal::{decimal_text, read_decimal, read_short_decimal, write_decimal};
pub use entities::{Entities, TagColumns};

use crate::time::SimTime;

/// The two record types, in their order within a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// One row per server and tick.
    ServerMetric,
    /// One row per service instance and tick.
    ApplicationMetric,
}

impl RecordType {
    /// Both, in their order within a tick.
    pub const ALL: [RecordType; 2] = [RecordType::ServerMetric, RecordType::ApplicationMetric];

    /// The value of the field `type`.
    pub fn name(self) -> &'static str {
        match self {
            RecordType::ServerMetric => "server_metric",
            RecordType::ApplicationMetric => "application_metric",
        }
    }

    /// The columns that say whose row it is and when, in the order of the schema: (name, what it is). The
    /// numbers follow, and after them the text columns.
    pub fn identity(self) -> &'static [(&'static str, &'static str)] {
        match self {
            RecordType::ServerMetric => &[
                ("type", "the record type"),
                ("timestamp", "event time, start + tick × step"),
                ("server_id", "the server"),
                ("rack_id", "its rack"),
                ("datacenter_zone", "its zone"),
            ],
            RecordType::ApplicationMetric => &[
                ("type", "the record type"),
                ("timestamp", "event time, start + tick × step"),
                ("service_name", "the service instance"),
                ("server_id", "the server that it runs on"),
            ],
        }
    }

    /// The identity's columns that name an entity and its tags: (name, what it is).
    pub fn tags(self) -> &'static [(&'static str, &'static str)] {
        &self.identity()[2..]
    }

    /// The type of its entities, as labels and messages call it.
    pub fn entity_type(self) -> &'static str {
        match self {
            RecordType::ServerMetric => "server",
            RecordType::ApplicationMetric => "service",
        }
    }

    /// Every column's name, in the order of the schema.
    pub fn columns(self) -> Vec<&'static str> {
        let identity = self.identity().iter().map(|(name, _)| *name);
        let metrics = self.metrics().iter().map(|metric| metric.name());
        let enums = self.enums().iter().map(|column| column.name);
        identity.chain(metrics).chain(enums).collect()
    }

    /// The text columns that have a value of their own in each row, in the order of the schema.
    pub fn enums(self) -> &'static [EnumColumn] {
        const ENDPOINT: EnumColumn =
            EnumColumn { name: "endpoint", about: "what was asked for", values: &ENDPOINTS };
        match self {
            RecordType::ServerMetric => &[],
            RecordType::ApplicationMetric => &[ENDPOINT],
        }
    }

    /// The numeric columns, in the order of the schema.
    pub fn metrics(self) -> &'static [Metric] {
        match self {
            RecordType::ServerMetric => &Metric::ALL[..Metric::NUM_SERVER],
            RecordType::ApplicationMetric => &Metric::ALL[Metric::NUM_SERVER..],
        }
    }
}

/// A text column with a fixed set of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumColumn {
    /// The column's name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// All values; rows have the index of one.
    pub values: &'static [&'static str],
}

impl EnumColumn {
    /// The index of a value.
    pub fn index_of(&self, value: &str) -> Option<u8> {
        self.values.iter().position(|known| *known == value).map(|index| index as u8)
    }
}

/// The value of a missing number in a column.
pub const NULL: i64 = i64::MIN;

macro_rules! metrics {
    ($($name:ident $record:ident $column:literal $decimals:literal $unit:literal $about:literal;)*) => {
        /// A measured quantity: a numeric column of one of the two record types.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Metric {
            $(#[doc = concat!("`", $column, "`, in ", $unit, ".")] $name,)*
        }

        impl Metric {
            /// Every metric in the order of the schema: servers' first.
            pub const ALL: &'static [Metric] = &[$(Metric::$name),*];

            /// The column's name.
            pub const fn name(self) -> &'static str {
                match self { $(Metric::$name => $column,)* }
            }

            /// Digits after the point: a stored value is the number × 10^decimals.
            pub const fn decimals(self) -> u32 {
                match self { $(Metric::$name => $decimals,)* }
            }

            /// The unit, as people write it.
            pub const fn unit(self) -> &'static str {
                match self { $(Metric::$name => $unit,)* }
            }

            /// What it is, in a few words.
            pub const fn about(self) -> &'static str {
                match self { $(Metric::$name => $about,)* }
            }

            /// The record type that has it.
            pub const fn record(self) -> RecordType {
                match self { $(Metric::$name => RecordType::$record,)* }
            }
        }
    };
}

// In the order of the schema, which is also that of columns in a table.
metrics! {
    CpuUsage             ServerMetric      "cpu_usage_percent"       2 "%" "0–100, of all cores";
    MemoryUsage          ServerMetric      "memory_usage_percent"    2 "%" "0–100";
    MemoryAvailable      ServerMetric      "memory_available_gb"     2 "GB" "installed × (1 − usage ÷ 100)";
    DiskUsage            ServerMetric      "disk_usage_percent"      2 "%" "grows with what is written, falls at a daily clean-up";
    DiskRead             ServerMetric      "disk_read_mbps"          2 "MB/s" "read and write together stay within the device's limit";
    DiskWrite            ServerMetric      "disk_write_mbps"         2 "MB/s" "read and write together stay within the device's limit";
    NetworkRx            ServerMetric      "network_rx_mbps"         2 "MB/s" "received, within the line rate";
    NetworkTx            ServerMetric      "network_tx_mbps"         2 "MB/s" "sent, within the line rate";
    CpuTemperature       ServerMetric      "cpu_temperature_celsius" 1 "°C" "follows power and the air at the inlet, and never steps";
    PowerConsumption     ServerMetric      "power_consumption_watts" 1 "W" "follows the load, with the fan's";
    RequestRate          ApplicationMetric "request_rate_per_sec"    2 "1/s" "requests that arrive";
    ResponseTimeP50      ApplicationMetric "response_time_p50_ms"    2 "ms" "the median; p50 ≤ p95 ≤ p99";
    ResponseTimeP95      ApplicationMetric "response_time_p95_ms"    2 "ms" "the 95th percentile";
    ResponseTimeP99      ApplicationMetric "response_time_p99_ms"    2 "ms" "the 99th percentile";
    ErrorRate            ApplicationMetric "error_rate_percent"      3 "%" "100 × errors ÷ requests of the tick; 0 when there were none";
    ErrorCount           ApplicationMetric "error_count"             0 "errors a tick" "failed requests";
    ActiveConnections    ApplicationMetric "active_connections"      0 "connections" "about rate × mean latency, and an idle pool";
    QueueDepth           ApplicationMetric "queue_depth"             0 "requests" "requests that wait; 0 at most ticks";
}

impl Metric {
    /// How many of `ALL` belong to servers.
    pub const NUM_SERVER: usize = 10;
    /// How many belong to service instances.
    pub const NUM_SERVICE: usize = Metric::ALL.len() - Metric::NUM_SERVER;

    /// The place of its column in the table of its record type.
    pub const fn column(self) -> usize {
        match self.record() {
            RecordType::ServerMetric => self as usize,
            RecordType::ApplicationMetric => self as usize - Metric::NUM_SERVER,
        }
    }

    /// 10^decimals: stored units in one of the metric's own.
    pub const fn units(self) -> i64 {
        10_i64.pow(self.decimals())
    }

    /// The metric with this column name.
    pub fn named(name: &str) -> Option<Metric> {
        Metric::ALL.iter().copied().find(|m| m.name() == name)
    }
}

/// The endpoints that a service's records name.
pub const ENDPOINTS: [&str; 4] = ["/api/users", "/api/products", "/api/orders", "/health"];

/// Rows of one record type, by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Event times.
    pub timestamp: Vec<SimTime>,
    /// Indices into `Entities`.
    pub entity: Vec<u32>,
    /// One column for each of `RecordType::enums`: indices of their values.
    pub enums: Vec<Vec<u8>>,
    /// One column a metric, in the order of `RecordType::metrics`.
    pub columns: Vec<Vec<i64>>,
}

impl Table {
    /// An empty table with room for `rows`.
    pub fn with_capacity(record: RecordType, rows: usize) -> Table {
        Table {
            timestamp: Vec::with_capacity(rows),
            entity: Vec::with_capacity(rows),
            enums: record.enums().iter().map(|_| Vec::with_capacity(rows)).collect(),
            columns: record.metrics().iter().map(|_| Vec::with_capacity(rows)).collect(),
        }
    }

    /// How many rows.
    pub fn num_rows(&self) -> usize {
        self.timestamp.len()
    }
}

/// Rows of one record type that follow each other on the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    record: RecordType,
    rows: u32,
}

/// A piece of the stream.
// Invariant: the rows of `segments` add up to those of each table.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The names behind the indices.
    pub entities: Arc<Entities>,
    /// The rows of each record type in stream order.
    tables: Vec<Table>,
    /// How they interleave.
    segments: Vec<Segment>,
}

/// One row of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Its record type.
    pub record: RecordType,
    /// Its table.
    pub table: &'a Table,
    /// Its place in the table.
    pub index: usize,
}

impl Row<'_> {
    /// Event time.
    pub fn timestamp(&self) -> SimTime {
        self.table.timestamp[self.index]
    }

    /// The entity's index.
    pub fn entity(&self) -> u32 {
        self.table.entity[self.index]
    }

    /// The stored value of a column of its record type.
    pub fn value(&self, column: usize) -> i64 {
        self.table.columns[column][self.index]
    }

    /// A metric in its unit: none if it is missing, or of the other record type.
    ///
    /// ```
    /// use reenact::batch::Metric;
    /// let run = reenact::preset("dev")?.plan()?.run();
    /// let batch = run.batches().next().unwrap();
    /// let first = batch.rows().next().unwrap();
    /// assert_eq!(batch.entity_name(&first), "srv-001");
    /// assert!((0.0..=100.0).contains(&first.get(Metric::CpuUsage).unwrap()));
    /// assert_eq!(first.get(Metric::QueueDepth), None);
    /// # Ok::<(), reenact::scenario::Diagnostics>(())
    /// ```
    pub fn get(&self, metric: Metric) -> Option<f64> {
        let value = (metric.record() == self.record).then(|| self.value(metric.column()));
        value.filter(|value| *value != NULL).map(|value| value as f64 / metric.units() as f64)
    }

    /// The values of its text columns, in the order of `RecordType::enums`.
    pub fn enums(&self) -> impl Iterator<Item = &'static str> {
        let columns = self.record.enums().iter().zip(&self.table.enums);
        columns.map(|(column, values)| column.values[usize::from(values[self.index])])
    }
}

impl Batch {
    /// An empty batch.
    pub fn new(entities: Arc<Entities>) -> Batch {
        Batch::with_capacity(entities, |_| 0)
    }

    /// An empty batch with room for this number of rows of each record type.
    pub fn with_capacity(entities: Arc<Entities>, rows: impl Fn(RecordType) -> usize) -> Batch {
        let tables = RecordType::ALL.map(|record| Table::with_capacity(record, rows(record))).into();
        Batch { entities, tables, segments: Vec::new() }
    }

    /// The table of a record type.
    pub fn table(&self, record: RecordType) -> &Table {
        &self.tables[record as usize]
    }

    /// The table of a record type, to append to; `append` then places the rows on the stream.
    pub fn table_mut(&mut self, record: RecordType) -> &mut Table {
        &mut self.tables[record as usize]
    }

    /// Places the next `rows` of a record type on the stream.
    pub fn append(&mut self, record: RecordType, rows: u32) {
        match self.segments.last_mut() {
            Some(last) if last.record == record => last.rows += rows,
            _ if rows > 0 => self.segments.push(Segment { record, rows }),
            _ => {}
        }
    }

    /// Appends a copy of a row of another batch with the same names.
    pub fn append_row(&mut self, row: &Row<'_>) {
        let table = self.table_mut(row.record);
        table.timestamp.push(row.timestamp());
        table.entity.push(row.entity());
        for (to, from) in table.enums.iter_mut().zip(&row.table.enums) {
            to.push(from[row.index]);
        }
        for (to, from) in table.columns.iter_mut().zip(&row.table.columns) {
            to.push(from[row.index]);
        }
        self.append(row.record, 1);
    }

    /// Rows of all types.
    pub fn num_rows(&self) -> usize {
        self.tables.iter().map(Table::num_rows).sum()
    }

    /// The rows in stream order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut next = vec![0; self.tables.len()];
        self.segments.iter().flat_map(move |Segment { record, rows }| {
            let slot = &mut next[*record as usize];
            let begin = *slot;
            *slot += *rows as usize;
            let table = self.table(*record);
            (begin..*slot).map(move |index| Row { record: *record, table, index })
        })
    }

    /// The key of a row on the stream: the name of its entity.
    pub fn entity_name(&self, row: &Row<'_>) -> &str {
        self.entities.name(row.record, row.entity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_stands_at_its_column() {
        for record in RecordType::ALL {
            for (column, metric) in record.metrics().iter().enumerate() {
                assert_eq!((metric.record(), metric.column()), (record, column));
            }
        }
    }
}
