//! Replaces `${name}` with the value from `vars:`.

use std::collections::BTreeMap;

use super::diagnostic::{Diagnostic, Place, Sources, quoted};
use super::language::{Form, SCENARIO};
use super::node::{Node, Value};

/// The places of values with variables, each with the beginning of the value that the variables produced.
pub(super) type PutIn = Vec<(Place, String)>;

/// Replaces the variables of a tree and removes `vars`. Returns the tree and the result for each text with variables.
/// The key that a value belongs to decides its type, whatever type the variable has in `vars`.
pub(super) fn substitute(mut root: Node, sources: &Sources, mistakes: &mut Vec<Diagnostic>) -> (Node, PutIn) {
    let Value::Map(entries) = &mut root.value else { return (root, Vec::new()) };
    let index = entries.iter().position(|(key, _)| key.value == "vars");
    let variables = index.map(|i| entries.remove(i).1).map(|node| variables(node, mistakes));
    let variables = variables.unwrap_or_default();
    let mut writer = Writer { variables, sources, mistakes, put_in: Vec::new(), bytes: 0, is_full: false };
    for (key, value) in entries {
        writer.put_into(value, SCENARIO.key(&key.value).map(|key| &key.form));
    }
    let put_in = writer.put_in;
    (root, put_in)
}

/// Returns the form of the value at `key` in a value of this form.
fn below(form: Option<&'static Form>, key: &str) -> Option<&'static Form> {
    match form? {
        Form::Map(mapping) => mapping.key(key).map(|key| &key.form),
        Form::Named(each) | Form::ByKind(each) => Some(each),
        // This is for a number of cores. A value with a unit stays a text.
        Form::With => Some(&Form::Share),
        Form::Either(forms) => forms.iter().find_map(|form| below(Some(form), key)),
        _ => None,
    }
}

/// Returns the form of the items of a list of this form.
fn item(form: Option<&'static Form>) -> Option<&'static Form> {
    match form? {
        Form::List(each) | Form::Several(each) => Some(each),
        Form::Either(forms) => forms.iter().find_map(|form| item(Some(form))),
        _ => None,
    }
}

/// Converts a scalar to the type that this form expects.
fn typed(value: Value, form: Option<&'static Form>) -> Value {
    let may_be = |is_it: &dyn Fn(&Form) -> bool| match form {
        Some(Form::Either(forms)) => forms.iter().any(is_it),
        Some(form) => is_it(form),
        None => false,
    };
    let is_number =
        |form: &Form| matches!(form, Form::Whole(_) | Form::Number(_) | Form::Share | Form::Severity);
    match &value {
        Value::Text(text) if may_be(&is_number) => match (text.parse(), text.parse::<f64>()) {
            (Ok(whole), _) => Value::Int(whole),
            (_, Ok(number)) if number.is_finite() => Value::Float(number),
            _ => value,
        },
        Value::Text(text) if may_be(&|form| matches!(form, Form::Flag)) => match text.parse() {
            Ok(flag) => Value::Bool(flag),
            Err(_) => value,
        },
        Value::Int(_) | Value::Float(_) | Value::Bool(_)
            if may_be(&|form| matches!(form, Form::Text | Form::Name | Form::Kind))
                && !may_be(&is_number) =>
        {
            Value::Text(scalar(&value))
        }
        _ => value,
    }
}

/// Returns the variables and reports those that are invalid. A list or a mapping becomes `Value::Null`.
fn variables(node: Node, mistakes: &mut Vec<Diagnostic>) -> BTreeMap<String, Value> {
    let Value::Map(entries) = node.value else {
        let error = Diagnostic::error(node.place, "`vars` must be a mapping of names to values");
        mistakes.push(error.help("write `vars: {leak_at: 2d14h}`"));
        return BTreeMap::new();
    };
    let mut variables = BTreeMap::new();
    for (name, value) in entries {
        let lawful = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let begins = name.value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let error = |message: String| Diagnostic::error(name.place, message);
        if !begins || !name.value.chars().all(lawful) {
            let message = format!("`{}` is not a valid variable name", name.value.escape_debug());
            mistakes.push(error(message).help("use a letter or `_`, then letters, digits, `_` or `-`"));
        } else if SCENARIO.key(&name.value).is_some() {
            let message = format!("a variable cannot have the name of the key `{}`", name.value);
            mistakes.push(error(message).help("give it another name"));
        } else if matches!(value.value, Value::List(_) | Value::Map(_) | Value::Null) {
            let message = format!("the variable `{}` is not a single value", name.value);
            mistakes.push(
                Diagnostic::error(value.place, message)
                    .help("a variable must be a text, a number, `true` or `false`"),
            );
        } else if matches!(&value.value, Value::Text(text) if text.contains("${")) {
            let message = format!("the variable `{}` refers to another variable", name.value);
            mistakes.push(Diagnostic::error(value.place, message).help("write the value itself"));
        }
        // Invalid variables were reported above. They are kept, so that their uses are not reported too.
        let is_one = !matches!(value.value, Value::List(_) | Value::Map(_));
        variables.insert(name.value, if is_one { value.value } else { Value::Null });
    }
    variables
}

struct Writer<'a> {
    variables: BTreeMap<String, Value>,
    sources: &'a Sources,
    mistakes: &'a mut Vec<Diagnostic>,
    put_in: PutIn,
    /// The number of bytes that were put together so far.
    bytes: usize,
    is_full: bool,
}

/// The maximum size of all texts that variables produce, in bytes.
const MOST_BYTES: usize = 16 << 20;
/// The maximum number of characters of one value that a message shows.
const MOST_SHOWN: usize = 60;

impl Writer<'_> {
    fn put_into(&mut self, node: &mut Node, form: Option<&'static Form>) {
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(|one| self.put_into(one, item(form))),
            Value::Map(entries) => {
                entries.iter_mut().for_each(|(key, value)| self.put_into(value, below(form, &key.value)));
            }
            Value::Text(text) if text.contains("${") => {
                let text = std::mem::take(text);
                let value = self.put_together(&text, node.place);
                self.put_in.push((node.place, scalar(&value).chars().take(MOST_SHOWN).collect()));
                node.value = typed(value, form);
            }
            _ => {}
        }
    }

    fn put_together(&mut self, text: &str, place: Place) -> Value {
        let mut out = String::new();
        let mut rest = text;
        while let Some(i) = rest.find("${") {
            if rest[..i].ends_with('$') {
                out.push_str(&rest[..i - 1]);
                out.push_str("${");
                rest = &rest[i + 2..];
                continue;
            }
            out.push_str(&rest[..i]);
            let Some(end) = rest[i..].find('}') else {
                let error =
                    Diagnostic::error(self.within(place, &rest[i..]), "a variable has no closing `}`");
                self.mistakes
                    .push(of_variable(error.help("write `${name}`, or `$${` for a literal `${`"), place));
                return Value::Text(text.into());
            };
            let (written, name) = (&rest[i..=i + end], &rest[i + 2..i + end]);
            let Some(value) = self.value(name, written, place) else { return Value::Text(text.into()) };
            if written == text {
                return value;
            }
            out.push_str(&scalar(&value));
            self.bytes += out.len();
            if self.bytes > MOST_BYTES {
                if !self.is_full {
                    let message = format!("the variables expand to more than {} MiB", MOST_BYTES >> 20);
                    self.mistakes.push(of_variable(Diagnostic::error(place, message), place));
                }
                self.is_full = true;
                return Value::Text(String::new());
            }
            rest = &rest[i + end + 1..];
        }
        out.push_str(rest);
        Value::Text(out)
    }

    fn value(&mut self, name: &str, written: &str, place: Place) -> Option<Value> {
        if let Some(value) = self.variables.get(name) {
            return Some(value.clone());
        }
        let error =
            Diagnostic::error(self.within(place, written), format!("variable `{name}` does not exist"));
        let names = || self.variables.keys().map(String::as_str);
        let error = match self.variables.is_empty() {
            true => error.help(format!("add `vars: {{{name}: …}}`, or write `$${{` for a literal `${{`")),
            false => error.label(format!("`vars` has {}", quoted(names()))).nearest(name, names()),
        };
        self.mistakes.push(of_variable(error, place));
        None
    }

    /// Returns the place of a part of a text.
    fn within(&self, place: Place, part: &str) -> Place {
        match self.sources.text(place).and_then(|text| text.find(part)) {
            Some(i) => {
                let start = place.start + i as u32;
                Place { start, end: start + part.len() as u32, ..place }
            }
            None => place,
        }
    }
}

fn of_variable(mistake: Diagnostic, value: Place) -> Diagnostic {
    Diagnostic { of_variable: true, value: Some(value), ..mistake }
}

/// Returns a scalar as it appears within a text.
fn scalar(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}
