"""Validates scenarios with a JSON Schema: `schema.py SCHEMA < CASES`, both in JSON.

CASES is a list of YAML texts. The script prints a list with the error of each text, or null.
"""

import json
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """Reads the part of YAML 1.2 that scenarios use: there are no dates, and `yes` is a string."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith((":int", ":float", ":null"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for first in "tf":
    Loader.yaml_implicit_resolvers.setdefault(first, []).append(
        ("tag:yaml.org,2002:bool", __import__("re").compile("^(true|false)$"))
    )

with open(sys.argv[1]) as file:
    schema = json.load(file)
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)


def judge(text):
    try:
        value = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        return f"not YAML: {error}"
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    return error and f"{error.json_path}: {error.message[:200]}"


json.dump([judge(text) for text in json.load(sys.stdin)], sys.stdout)
