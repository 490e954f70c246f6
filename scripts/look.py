#!/usr/bin/env python3
"""Prints the labels of an NDJSON dataset as a table, and draws the carrier of each incident as an SVG chart.

usage: scripts/look.py DATASET PICTURE.svg
"""

import json
import sys
from datetime import datetime, timezone

WIDTH, HEIGHT, LEFT, GAP = 860, 150, 60, 34


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def seconds(moment):
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def table(labels):
    form = "  {:<6} {:<11} {:<16} {:<24} {:>8} … {:<8} {:>6}"
    print(form.format("id", "role", "entity", "metric", "from", "to", "snr"))
    for row in labels:
        begin, end = (row[key][11:19] for key in ("effect_start", "effect_end"))
        print(form.format(row["incident_id"], row["role"], row["entity"], row["metric"], begin, end, row["snr"]))


def panel(top, cause, labels, records):
    """Returns SVG elements: the series of a `cause` row over the run, with the intervals of its labels behind it."""
    entity, metric = cause["entity"], cause["metric"]
    key = "service_name" if cause["entity_type"] == "service" else "server_id"
    series = [(seconds(r["timestamp"]), r[metric]) for r in records if r.get(key) == entity and metric in r]
    first, last = series[0][0], series[-1][0]
    columns = {}
    for moment, value in series:
        columns.setdefault(int((moment - first) / (last - first) * (WIDTH - 1)), []).append(value)
    points = [(x, sum(values) / len(values)) for x, values in sorted(columns.items())]
    low, high = min(v for _, v in points), max(v for _, v in points)
    x_of = lambda moment: LEFT + (seconds(moment) - first) / (last - first) * WIDTH
    y_of = lambda value: top + HEIGHT - (value - low) / ((high - low) or 1) * HEIGHT
    out = [f'<text x="{LEFT}" y="{top - 8}">{entity} {metric}</text>']
    for row in labels:
        if (row["entity"], row["metric"]) == (entity, metric):
            begin, end = x_of(row["effect_start"]), x_of(row["effect_end"])
            colour = "#f4b8a0" if row["role"] == "cause" else "#f9e3b4"
            out.append(f'<rect x="{begin:.1f}" y="{top}" width="{end - begin:.1f}" height="{HEIGHT}" fill="{colour}"/>')
            word = f'{row["incident_id"]}: {row["role"]}, snr {row["snr"]}'
            if row["role"] == "cause":
                out.append(f'<text x="{begin + 4:.1f}" y="{top + HEIGHT - 8}">{word}</text>')
    path = " ".join(f"{LEFT + x},{y_of(value):.1f}" for x, value in points)
    out.append(f'<polyline points="{path}" fill="none" stroke="#1f5f8b" stroke-width="1.2"/>')
    for value in (low, high):
        out.append(f'<text x="{LEFT - 6}" y="{y_of(value) + 4:.1f}" text-anchor="end">{value:.1f}</text>')
    for part in range(5):
        moment = datetime.fromtimestamp(first + (last - first) * part / 4 + 30, timezone.utc).strftime("%H:%M")
        anchor = ["start", "middle", "middle", "middle", "end"][part]
        x = LEFT + WIDTH * part / 4
        out.append(f'<text x="{x}" y="{top + HEIGHT + 15}" text-anchor="{anchor}">{moment}</text>')
    return out


def main(dataset, picture):
    labels, records = lines(f"{dataset}/labels.ndjson"), lines(f"{dataset}/records.ndjson")
    table(labels)
    causes = [row for row in labels if row["role"] == "cause"]
    step = HEIGHT + 2 * GAP
    body = [line for i, cause in enumerate(causes) for line in panel(GAP + i * step, cause, labels, records)]
    size = f'width="{LEFT + WIDTH + 20}" height="{len(causes) * step}"'
    with open(picture, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">\n')
        file.write('<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n")


main(*sys.argv[1:])
