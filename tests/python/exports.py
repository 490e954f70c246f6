"""Compares exports of a dataset with its records and labels.

usage: exports.py NDJSON_DIR NAB_DIR TSB_AD_DIR TIMEEVAL_DIR OPENMETRICS_DIR
"""

import json
import sys
from pathlib import Path

import pyarrow.csv
from prometheus_client.openmetrics.parser import text_fd_to_metric_families

ndjson, nab, tsb_ad, timeeval, openmetrics = map(Path, sys.argv[1:])
NAMES = {"type", "timestamp", "server_id", "rack_id", "datacenter_zone", "service_name", "endpoint"}


def lines(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def check(what, expected, found):
    if expected != found:
        sys.exit(f"{what}: {str(expected)[:300]} against {str(found)[:300]}")


rows = {}
for row in lines(ndjson / "records.ndjson"):
    rows.setdefault(row.get("service_name", row["server_id"]), []).append(row)
labels = [row for row in lines(ndjson / "labels.ndjson") if not row["benign"] and row["role"] != "recovery"]


def active(entity, moment, metric=None):
    """Returns whether a row is anomalous, by searching all labels."""
    return any(
        label["entity"] == entity
        and metric in (None, label["metric"])
        and label["effect_start"] <= moment < label["effect_end"]
        for label in labels
    )


def runs(entity, metric):
    """Returns the first and last timestamp of each sequence of anomalous rows."""
    found, before = [], False
    for row in rows[entity]:
        now = active(entity, row["timestamp"], metric)
        if now and not before:
            found.append([row["timestamp"], row["timestamp"]])
        elif now:
            found[-1][1] = row["timestamp"]
        before = now
    return found


def read(path):
    return pyarrow.csv.read_csv(path).to_pydict()


anomalies = 0
windows = json.load(open(nab / "labels" / "combined_windows.json"))
files = {str(path.relative_to(nab / "data")) for path in (nab / "data").rglob("*.csv")}
check("NAB files", files, set(windows))
samples = {}
for number, (entity, of_entity) in enumerate(rows.items(), 1):
    metrics = [name for name in of_entity[0] if name not in NAMES]
    truth = [int(active(entity, row["timestamp"])) for row in of_entity]
    anomalies += sum(truth)
    times = [row["timestamp"] for row in of_entity]
    for metric in metrics:
        values = [row[metric] for row in of_entity]
        name = f"reenact/{entity}_{metric}.csv"
        series = read(nab / "data" / name)
        check(name, values, series["value"])
        check(name, times, [f"{time:%Y-%m-%dT%H:%M:%S}.000Z" for time in series["timestamp"]])
        expected = [[t.replace("T", " ").replace("Z", "000") for t in run] for run in runs(entity, metric)]
        check(f"windows of {name}", expected, windows[name])
        samples[metric, entity] = list(zip(times, values))
    samples["is_anomaly", entity] = list(zip(times, truth))
    first = truth.index(1) if 1 in truth else len(truth)
    domain = "WebService" if "service_name" in of_entity[0] else "Facility"
    name = f"{number:03}_reenact-{entity}_id_{number}_{domain}_tr_{first // 2}_1st_{first}.csv"
    table = read(tsb_ad / name)
    # The index as the benchmark parses it.
    check(f"train index of {name}", str(first // 2), name.split(".")[0].split("_")[-3])
    check(f"columns of {name}", metrics + ["Label"], list(table))
    check(f"labels of {name}", truth, table["Label"])
    evaluated = read(timeeval / f"{entity}.csv")
    check(f"columns of {entity}", ["timestamp", *metrics, "is_anomaly"], list(evaluated))
    check(f"labels of {entity}", truth, evaluated["is_anomaly"])
    for metric in metrics:
        values = [row[metric] for row in of_entity]
        check(f"{metric} of {name}", values, table[metric])
        check(f"{metric} of {entity}", values, evaluated[metric])

found = {}
with open(openmetrics / "metrics.om", encoding="utf-8") as file:
    for family in text_fd_to_metric_families(file):
        check(f"type of {family.name}", "gauge", family.type)
        for sample in family.samples:
            entity = sample.labels.get("service_name", sample.labels["server_id"])
            found.setdefault((sample.name, entity), []).append((round(float(sample.timestamp), 3), sample.value))
check("OpenMetrics series", set(samples), set(found))
from datetime import datetime

for key, series in samples.items():
    expected = [(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp(), value) for time, value in series]
    check(f"samples of {key}", expected, found[key])
print(f"equal: {len(rows)} entities, {len(files)} series, {anomalies} anomalous rows")
