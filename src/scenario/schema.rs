//! Converts the tables of the language into a JSON Schema, in the dialect that editors read (draft 7).

use serde_json::{Map, Value, json};

use super::language::{Form, Key, Mapping, Need, SCENARIO};
use super::layers::PRESETS;
use crate::kinds::{KINDS, Quantity};

/// The pattern of a variable. Every scalar can contain one.
const VARIABLE: &str = r"\$\{[^}]*\}";
const NUMBER: &str = r"\+?[0-9.][0-9.eE+-]*";
const DURATION: &str = r"([0-9.]+d)?([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?([0-9.]+ms)?";
const EVENT_TIME: &str =
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.*([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)";
/// The pattern of a percentage of at most 100. The exponent is rare, but the reader accepts it.
const PERCENT: &str = r"\+?0*(100(\.0*)?|[0-9]{0,2}(\.[0-9]*)?(e-?[0-9]+)?) *%";
const NAME: &str = "[A-Za-z0-9][A-Za-z0-9_.-]{0,99}";

/// Returns the schema of a scenario file. Editors use it to complete keys, to show help on hover and to underline
/// mistakes.
///
/// It accepts every scenario that reenact can read, except kinds that mix lower and upper case. It cannot check values
/// against each other or against the fleet.
pub fn schema() -> Value {
    let mut schema = map(&SCENARIO);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "reenact scenario".into();
    // Without a preset, the scenario itself must contain `clock` and `fleet`.
    schema["anyOf"] = json!([{"required": ["use"]}, {"required": ["clock", "fleet"]}]);
    schema
}

fn map(mapping: &Mapping) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in mapping.keys.iter().filter(|key| key.need != Need::NotYet) {
        properties.insert(key.name.into(), property(key));
        // A preset can provide a required key of the clock or the fleet.
        let is_own = !["`clock`", "`fleet`"].contains(&mapping.what);
        if matches!(key.need, Need::Required(_)) && is_own {
            required.push(Value::from(key.name));
        }
    }
    let mut map = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        map["required"] = required.into();
    }
    match mapping.what {
        // Only one of the two keys may give the size.
        "an anomaly" => map["not"] = json!({"required": ["severity", "with"]}),
        "`background`" => map["not"] = json!({"required": ["share", "rate"]}),
        "a target" => map["minProperties"] = 1.into(),
        _ => {}
    }
    map
}

fn property(key: &Key) -> Value {
    let mut property = form(&key.form);
    let about = key.about;
    property["description"] = match key.default {
        "" => about.into(),
        default => format!("{about} Default: {default}.").into(),
    };
    property
}

/// Returns the schema of a text that matches this pattern or contains a variable.
fn text(pattern: &str) -> Value {
    json!({"type": "string", "pattern": format!("^({pattern})$|{VARIABLE}")})
}

fn quantity(units: &str) -> Value {
    text(&format!("{NUMBER} *({units})"))
}

fn variable() -> Value {
    json!({"type": "string", "pattern": VARIABLE})
}

fn any_of(of: impl IntoIterator<Item = Value>) -> Value {
    json!({"anyOf": of.into_iter().collect::<Vec<_>>()})
}

fn form(form: &Form) -> Value {
    // The lookahead requires that a duration is not empty.
    let duration = || text(&format!("(?=[0-9.]){DURATION}"));
    match form {
        Form::Text => json!({"type": "string"}),
        Form::Flag => any_of([json!({"type": "boolean"}), variable()]),
        Form::Scalar => json!({"type": ["string", "number", "boolean"]}),
        Form::Name => text(NAME),
        Form::Word(words) => any_of([json!({"enum": words}), variable()]),
        Form::Use => {
            let presets: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
            any_of([json!({"enum": presets}), json!({"type": "string", "pattern": r"/|\.ya?ml$"})])
        }
        Form::Kind => any_of([
            json!({"enum": KINDS.iter().map(|kind| kind.name()).collect::<Vec<_>>()}),
            // The reader accepts kinds in upper case too.
            text(&KINDS.iter().map(|kind| kind.name().to_uppercase()).collect::<Vec<_>>().join("|")),
        ]),
        Form::ByKind(each) => {
            let one = |about: &str| {
                let mut form = self::form(each);
                form["description"] = about.into();
                form
            };
            let properties = KINDS.iter().map(|kind| (kind.name().to_string(), one(kind.about())));
            let upper = KINDS.iter().map(|kind| (kind.name().to_uppercase(), one(kind.about())));
            let properties: Map<String, Value> = properties.chain(upper).collect();
            json!({"type": "object", "additionalProperties": false, "properties": properties})
        }
        Form::Whole(range) => {
            any_of([json!({"type": "integer", "minimum": range.start(), "maximum": range.end()}), variable()])
        }
        Form::Number(range) => {
            any_of([json!({"type": "number", "minimum": range.start(), "maximum": range.end()}), variable()])
        }
        Form::Duration | Form::Distance | Form::Hour => duration(),
        Form::EventTime => text(EVENT_TIME),
        Form::Moment => text(&format!("(?=[0-9.]){DURATION}|{EVENT_TIME}")),
        Form::Rate => quantity("/(s|m|min|h|d|day)"),
        Form::Share => any_of([json!({"type": "number", "minimum": 0, "maximum": 1}), text(PERCENT)]),
        Form::Size => quantity("MB|MiB|GB|GiB|TB|TiB"),
        Form::Throughput => quantity("MB/s|GB/s|Gbps|Mbps"),
        // The lookahead requires that the value is not zero.
        Form::CpuTime => text(&format!("(?=.*[1-9]){NUMBER} *(us|µs|ms|s)")),
        Form::Power => quantity("kW|W"),
        Form::Temperature => quantity("C"),
        Form::Severity => any_of([
            json!({"enum": ["low", "medium", "high"]}),
            json!({"type": "number", "exclusiveMinimum": 0, "maximum": 100}),
            variable(),
        ]),
        Form::With => with(),
        Form::Map(mapping) => map(mapping),
        Form::Named(each) => json!({"type": "object", "additionalProperties": self::form(each)}),
        Form::List(each) => json!({"type": "array", "items": self::form(each)}),
        Form::Several(each) => json!({"type": "array", "minItems": 1, "items": self::form(each)}),
        Form::Either(forms) => any_of(forms.iter().map(self::form)),
    }
}

/// Returns the schema of `with`: the keys of all kinds, because the schema does not depend on an entry's kind.
fn with() -> Value {
    let mut properties: Map<String, Value> = Map::new();
    for kind in KINDS {
        let measure = kind.measure();
        let about = format!("`{}`: `{}`.", kind.name(), measure.example());
        let property = of_quantity(measure.quantity);
        // Two kinds can use the same key.
        let (forms, about) = match properties.remove(measure.key) {
            Some(known) => {
                let known_about = known["description"].as_str().unwrap_or_default();
                (vec![known.clone(), property], format!("{known_about} {about}"))
            }
            None => (vec![property], about),
        };
        let mut property = any_of(forms);
        property["description"] = about.into();
        properties.insert(measure.key.into(), property);
    }
    json!({"type": "object", "minProperties": 1, "additionalProperties": false, "properties": properties})
}

fn of_quantity(of: Quantity) -> Value {
    match of {
        Quantity::Cores => form(&Form::Number(0.0..=f64::MAX)),
        Quantity::MemoryRate => quantity("(GB|MB)/(h|min|s)"),
        Quantity::Warming => quantity("C"),
        Quantity::Power => form(&Form::Power),
        Quantity::Throughput => form(&Form::Throughput),
        Quantity::Delay => form(&Form::Duration),
        Quantity::Share => form(&Form::Share),
    }
}
