"""Judges that an NDJSON dataset and a Parquet dataset carry the same rows, by value and in order.

usage: compare.py NDJSON_DIR PARQUET_DIR
"""

import json
import sys
from datetime import timezone

import pyarrow as pa
import pyarrow.parquet as pq

TIMES = {"timestamp", "cause_start", "cause_end", "effect_start", "effect_end", "peak_at"}


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def table(path):
    """Rows of a Parquet file, times written as NDJSON writes them."""
    read = pq.read_table(path)
    for name in TIMES & set(read.column_names):
        expected = pa.timestamp("us", tz="UTC")
        if read.schema.field(name).type != expected:
            sys.exit(f"{path}: {name} is {read.schema.field(name).type}, not {expected}")
    rows = read.to_pylist()
    for row in rows:
        for name in TIMES & row.keys():
            moment = row[name].astimezone(timezone.utc)
            row[name] = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
    return rows


def compare(what, expected, found):
    if len(expected) != len(found):
        sys.exit(f"{what}: {len(expected)} rows against {len(found)}")
    for number, (a, b) in enumerate(zip(expected, found)):
        if list(a) != list(b):
            sys.exit(f"{what}: columns {list(a)} against {list(b)}")
        for key in a:
            if a[key] != b[key] or (type(a[key]) is int) != (type(b[key]) is int):
                # severity_value and whole numbers of decimal columns are DOUBLE in Parquet.
                if not (isinstance(b[key], float) and a[key] == b[key]):
                    sys.exit(f"{what} row {number}, {key}: {a[key]!r} against {b[key]!r}")


ndjson, parquet = sys.argv[1:]
records = lines(f"{ndjson}/records.ndjson")
counts = []
for kind in ["server_metric", "application_metric"]:
    expected = [row for row in records if row["type"] == kind]
    compare(kind, expected, table(f"{parquet}/{kind}/part-00000.parquet"))
    counts.append(f"{len(expected)} {kind}")
labels = lines(f"{ndjson}/labels.ndjson")
compare("labels", labels, table(f"{parquet}/labels.parquet"))
print(f"equal: {', '.join(counts)}, {len(labels)} labels")
