//! Reads an Arrow batch back into a table of rows, and checks the type and values of every column.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};

use crate::batch::{NULL, Table};
use crate::math::round_half_up;
use crate::schema::{EntityType, EnumColumn, Metric};
use crate::time::SimTime;

/// Converts an Arrow batch in the format of [`super::to_arrow`] to a table. The column `type` may be missing, because
/// it is not read. `entity` returns the index of the entity with these tags. It is not called for a row that has the
/// same tags as the previous row with the same name.
///
/// # Errors
/// What is wrong with a column, or the error of `entity`.
pub fn from_arrow(
    entity_type: &EntityType,
    batch: &RecordBatch,
    entity: impl FnMut(&[&str]) -> Result<u32, String>,
) -> Result<Table, String> {
    let numbers: Result<_, String> =
        entity_type.metrics().iter().map(|metric| numbers(batch, metric)).collect();
    let enums: Result<_, String> = entity_type.enums().iter().map(|column| codes(batch, column)).collect();
    Ok(Table::new(timestamps(batch)?, entities(entity_type, batch, entity)?, numbers?, enums?))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    batch.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"))
}

fn without_nulls<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    let column = column(batch, name)?;
    match column.null_count() {
        0 => Ok(column),
        _ => Err(format!("its column `{name}` contains nulls")),
    }
}

fn timestamps(batch: &RecordBatch) -> Result<Vec<SimTime>, String> {
    let moments = without_nulls(batch, "timestamp")?;
    let moments = moments
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or("its `timestamp` is not of type timestamp(µs)")?;
    let moment = |microseconds: &i64| {
        if microseconds % 1_000 != 0 {
            return Err("a `timestamp` is not a whole number of milliseconds");
        }
        let moment = SimTime(microseconds / 1_000);
        match moment.is_recordable() {
            true => Ok(moment),
            false => Err("a `timestamp` is before 1970 or after the year 9999"),
        }
    };
    Ok(moments.values().iter().map(moment).collect::<Result<_, &str>>()?)
}

/// Dictionary-encoded strings.
// Invariant: every key is the index of a value, and no value is null.
struct Texts<'a> {
    keys: &'a [i32],
    values: &'a StringArray,
}

impl<'a> Texts<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> Result<Texts<'a>, String> {
        let wrong = || format!("its column `{name}` does not contain dictionary-encoded strings");
        let dictionary = without_nulls(batch, name)?.as_dictionary_opt::<Int32Type>().ok_or_else(wrong)?;
        let values = dictionary.values().as_string_opt::<i32>().ok_or_else(wrong)?;
        let is_value = |key: &i32| usize::try_from(*key).is_ok_and(|key| key < values.len());
        if values.null_count() > 0 || !dictionary.keys().values().iter().all(is_value) {
            return Err(format!("its column `{name}` has a key without a value"));
        }
        Ok(Texts { keys: dictionary.keys().values(), values })
    }

    fn at(&self, row: usize) -> &'a str {
        self.values.value(self.keys[row] as usize)
    }
}

fn entities(
    entity_type: &EntityType,
    batch: &RecordBatch,
    mut entity: impl FnMut(&[&str]) -> Result<u32, String>,
) -> Result<Vec<u32>, String> {
    let tags: Result<Vec<Texts<'_>>, String> =
        entity_type.tags().iter().map(|tag| Texts::of(batch, tag.name())).collect();
    let tags = tags?;
    let Some(names) = tags.first() else { return Err("its records have no entity".into()) };
    // For each key of a name: the last row with that name, and the index of its entity.
    let mut known: Vec<Option<(usize, u32)>> = vec![None; names.values.len()];
    let mut entities = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let slot = &mut known[names.keys[row] as usize];
        let is_same = |(other, _): &(usize, u32)| tags.iter().all(|tag| tag.keys[row] == tag.keys[*other]);
        let index = match slot.filter(is_same) {
            Some((_, index)) => index,
            None => entity(&tags.iter().map(|tag| tag.at(row)).collect::<Vec<_>>())?,
        };
        *slot = Some((row, index));
        entities.push(index);
    }
    Ok(entities)
}

fn codes(batch: &RecordBatch, column: &EnumColumn) -> Result<Vec<u8>, String> {
    let texts = Texts::of(batch, column.name())?;
    let codes: Vec<Option<u8>> = texts.values.iter().map(|value| column.index_of(value?)).collect();
    let code = |key: &i32| {
        let key = *key as usize;
        codes[key].ok_or_else(|| column.unknown(texts.values.value(key)))
    };
    texts.keys.iter().map(code).collect()
}

fn numbers(batch: &RecordBatch, metric: &Metric) -> Result<Vec<i64>, String> {
    let (name, decimals) = (metric.name(), metric.decimals());
    let column = column(batch, name)?;
    let wrong = || format!("its column `{name}` does not contain numbers with {decimals} decimals");
    if decimals == 0 {
        let values = column.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        return Ok(values.iter().map(|value| value.unwrap_or(NULL)).collect());
    }
    let values = column.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
    let units = metric.units() as f64;
    let stored = |value: Option<f64>| {
        let Some(value) = value else { return Ok(NULL) };
        // Below 1e12, the stored value of a metric with three decimals is below 2^53, so a DOUBLE represents it
        // exactly. Larger values are rejected.
        let stored = if value.abs() < 1e12 { round_half_up(value * units) } else { NULL };
        let wrong = || {
            format!("its column `{name}` contains {value:e}, which is not a number with {decimals} decimals")
        };
        (stored as f64 / units == value).then_some(stored).ok_or_else(wrong)
    };
    values.iter().map(stored).collect()
}
