"""Checks that datasets of one run in several formats contain the same rows, with equal values, in the same order.

usage: compare.py NDJSON_DIR CSV_DIR PARQUET_DIR
"""

import json
import sys
from datetime import timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

TYPES = ["server_metric", "application_metric"]
TIMES = {"timestamp", "cause_start", "cause_end", "effect_start", "effect_end", "peak_at"}
WHOLE = {"error_count", "active_connections", "queue_depth"}
UNITS = {
    "cpu_usage_percent": "%",
    "memory_available_gb": "GB",
    "disk_read_mbps": "MB/s",
    "cpu_temperature_celsius": "°C",
    "response_time_p95_ms": "ms",
    "error_count": "errors a tick",
}


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def written(moment):
    """Returns a time as NDJSON writes it."""
    moment = moment.astimezone(timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def rows(table, what):
    """Returns the rows of an Arrow table, with times as NDJSON writes them."""
    for field in table.schema:
        if field.name in TIMES:
            expected = [pa.timestamp(unit, tz="UTC") for unit in ("us", "ns")]
            if field.type not in expected:
                sys.exit(f"{what}: {field.name} is {field.type}")
        if field.name in WHOLE and field.type != pa.int64() and table.num_rows:
            sys.exit(f"{what}: {field.name} is {field.type}")
    read = table.to_pylist()
    for row in read:
        for name in TIMES & row.keys():
            row[name] = written(row[name])
    return read


def check_parquet(path, manifest):
    """Checks the metadata and statistics of a Parquet file."""
    file = pq.ParquetFile(path)
    meta, schema = file.metadata, file.schema_arrow
    facts = {key.decode(): value.decode() for key, value in meta.metadata.items()}
    for key in ["format", "epoch", "scenario_digest", "seed", "from", "to", "shard"]:
        if f"reenact.{key}" not in facts:
            sys.exit(f"{path}: no fact `{key}`")
    if manifest and facts["reenact.scenario_digest"] != manifest["scenario_digest"]:
        sys.exit(f"{path}: another scenario")
    if not meta.created_by.startswith("reenact version "):
        sys.exit(f"{path}: created by {meta.created_by}")
    for field in schema:
        metadata = field.metadata or {}
        if b"description" not in metadata:
            sys.exit(f"{path}: {field.name} has no description")
        unit = metadata.get(b"unit", b"").decode()
        if UNITS.get(field.name, unit) != unit:
            sys.exit(f"{path}: {field.name} is in {unit}")
        if field.type == pa.string() and "labels" not in str(path):
            sys.exit(f"{path}: {field.name} is not a dictionary")
    for group in range(meta.num_row_groups):
        for column in range(meta.num_columns):
            chunk = meta.row_group(group).column(column)
            if not (chunk.is_stats_set and chunk.has_offset_index and chunk.has_column_index):
                sys.exit(f"{path}: {chunk.path_in_schema} lacks statistics or an index")
            missing = chunk.statistics.null_count == meta.row_group(group).num_rows
            if not missing and not chunk.statistics.has_min_max:
                sys.exit(f"{path}: pyarrow reads no minimum and maximum of {chunk.path_in_schema}")


def parquet(folder, kind, manifest):
    paths = sorted((folder / kind).iterdir())
    for path in paths:
        check_parquet(path, manifest)
    tables = [pq.read_table(path) for path in paths]
    return rows(pa.concat_tables(tables), f"{folder}/{kind}")


def table(path):
    """Returns the rows of a CSV file. pyarrow reads it with default options, except that strings can be missing."""
    if len(path.read_text().splitlines()) == 1:
        return []
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    return rows(pyarrow.csv.read_csv(path, convert_options=options), path)


def compare(what, expected, found):
    if len(expected) != len(found):
        sys.exit(f"{what}: {len(expected)} rows against {len(found)}")
    for number, (a, b) in enumerate(zip(expected, found)):
        if list(a) != list(b):
            sys.exit(f"{what}: columns {list(a)} against {list(b)}")
        for key in a:
            # pyarrow reads whole numbers of decimal columns as DOUBLE, and a severity may look like a number.
            equal = a[key] == b[key] or (key == "severity" and float(a[key]) == b[key])
            if not equal or (key in WHOLE and type(a[key]) is not type(b[key])):
                sys.exit(f"{what} row {number}, {key}: {a[key]!r} against {b[key]!r}")


ndjson, tables, columns = map(Path, sys.argv[1:])
manifest = None
if (ndjson / "manifest.json").exists():
    manifests = [json.load(open(folder / "manifest.json")) for folder in (ndjson, tables, columns)]
    manifest = manifests[0]
    if len({(each["digest"], (each["labels"] or {}).get("digest")) for each in manifests}) != 1:
        sys.exit("the digests differ between formats")
records = lines(ndjson / "records.ndjson")
counts = []
for kind in TYPES:
    expected = [row for row in records if row["type"] == kind]
    compare(f"{kind} in Parquet", expected, parquet(columns, kind, manifest))
    compare(f"{kind} in CSV", expected, table(tables / f"{kind}.csv"))
    counts.append(f"{len(expected)} {kind}")
if manifest:
    labels = lines(ndjson / "labels.ndjson")
    check_parquet(columns / "labels.parquet", manifest)
    compare("labels in Parquet", labels, rows(pq.read_table(columns / "labels.parquet"), "labels"))
    compare("labels in CSV", labels, table(tables / "labels.csv"))
    counts.append(f"{len(labels)} labels")
print(f"equal: {', '.join(counts)}")
