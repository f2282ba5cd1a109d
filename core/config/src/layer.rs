//! One source of values: a file, the environment, or flags. Later layers win.

use crate::{
    error::{Error, Origin, Problem},
    node::{Node, Spelling},
    schema::{Alias, Schema},
};
use std::path::Path;
use toml::{Table, Value};

/// Values by path, checked, with what was wrong or worth a word.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    pub(crate) values: Vec<(Vec<&'static str>, Value)>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<String>,
}

impl Layer {
    /// The values of a file.
    ///
    /// # Errors
    /// If it can't be read or is no TOML. What is wrong with its values is told when the layers are joined.
    pub fn file(schema: &Schema, path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|cause| Error::Unreadable { path: path.to_owned(), cause })?;
        Self::toml(schema, path, &text)
    }

    /// The values of a TOML text that stands at `path`.
    ///
    /// # Errors
    /// If it is no TOML.
    pub fn toml(schema: &Schema, path: &Path, text: &str) -> Result<Self, Error> {
        let mut table: Table =
            text.parse().map_err(|cause| Error::Syntax { path: path.to_owned(), cause: Box::new(cause) })?;
        let origin = Origin::File(path.to_owned());
        let mut layer = Self::default();
        for alias in &schema.aliases {
            layer.unalias(&mut table, alias, &origin);
        }
        layer.take(schema, &schema.root, &mut Vec::new(), &table, &origin);
        Ok(layer)
    }

    /// The values of environment variables. Every `NEXUS__A__B` sets `a.b`; the short names come from the
    /// schema's table and give way to the long ones; any other `NEXUS_X` is worth a warning.
    pub fn environment(schema: &Schema, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables: Vec<(String, String)> = variables.into_iter().collect();
        let mut layer = Self::default();
        for short in &schema.shorts {
            if let Some((name, text)) = variables.iter().find(|(name, _)| name == short.name) {
                let path: Vec<&str> = short.key.split('.').collect();
                layer.set(schema, &path, Spelling::Exact, text, Origin::Environment(name.clone()));
            }
        }
        for (name, text) in &variables {
            if let Some(long) = name.strip_prefix("NEXUS__") {
                let path: Vec<&str> = long.split("__").collect();
                layer.set(schema, &path, Spelling::Environment, text, Origin::Environment(name.clone()));
            } else if name.starts_with("NEXUS_") && !schema.knows(name) {
                layer.warnings.push(format!("the environment variable {name} means nothing here"));
            }
        }
        layer
    }

    /// Adds the value of a flag that sets the key `key`.
    pub fn flag(&mut self, schema: &Schema, flag: &str, key: &str, text: &str) {
        let path: Vec<&str> = key.split('.').collect();
        self.set(schema, &path, Spelling::Exact, text, Origin::Flag(flag.to_owned()));
    }

    /// Adds a value that stands in a file of another shape than ours, under the key `key` of ours.
    pub fn moved(&mut self, schema: &Schema, file: &Path, key: &str, value: &Value) {
        let mut table = Table::new();
        put(&mut table, key, value.clone());
        self.take(schema, &schema.root, &mut Vec::new(), &table, &Origin::File(file.to_owned()));
    }

    /// Adds a warning of the caller's.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    fn set(&mut self, schema: &Schema, path: &[&str], spelling: Spelling, text: &str, origin: Origin) {
        let Some((mut path, node)) = schema.find(path, spelling) else {
            return self.unknown(schema, path.join(".").to_lowercase(), origin);
        };
        match fitting(node, text) {
            Ok(Value::Array(tables)) if matches!(node, Node::Table { .. }) => {
                self.take_repeated(schema, node, &mut path, &tables, &origin);
            }
            Ok(value) => self.values.push((path, value)),
            Err(reason) => self.misfit(&path.join("."), &Value::String(text.to_owned()), reason, node, origin),
        }
    }

    /// Takes the values of a table whose shape is `node`.
    fn take(&mut self, schema: &Schema, node: &Node, path: &mut Vec<&'static str>, table: &Table, origin: &Origin) {
        for (name, value) in table {
            let Some((name, child)) = node.child(name, Spelling::Exact) else {
                let key = path.iter().copied().chain([name.as_str()]).collect::<Vec<_>>().join(".");
                self.unknown(schema, key, origin.clone());
                continue;
            };
            path.push(name);
            match (child, value) {
                (Node::Table { repeated: false, .. }, Value::Table(table)) => {
                    self.take(schema, child, path, table, origin);
                }
                (Node::Table { repeated: true, .. }, Value::Array(tables)) => {
                    self.take_repeated(schema, child, path, tables, origin);
                }
                _ => match check(child, value) {
                    Ok(()) => self.values.push((path.clone(), value.clone())),
                    Err(reason) => self.misfit(&path.join("."), value, reason, child, origin.clone()),
                },
            }
            path.pop();
        }
    }

    /// Takes `[[name]]` tables: the whole list is one value, each table's keys are checked.
    fn take_repeated(
        &mut self,
        schema: &Schema,
        node: &Node,
        path: &mut Vec<&'static str>,
        tables: &[Value],
        origin: &Origin,
    ) {
        for table in tables {
            let mut inner = Self::default();
            match table {
                Value::Table(table) => inner.take(schema, node, path, table, origin),
                other => inner.misfit(&path.join("."), other, "not a table".to_owned(), node, origin.clone()),
            }
            self.problems.append(&mut inner.problems);
        }
        self.values.push((path.clone(), Value::Array(tables.to_vec())));
    }

    fn unalias(&mut self, table: &mut Table, alias: &Alias, origin: &Origin) {
        let Some(value) = cut(table, alias.from) else { return };
        if let Some((key, text)) = alias.implies
            && get(table, key).is_none()
        {
            let implied: Table = format!("value = {text}").parse().expect("an alias implies valid TOML");
            put(table, key, implied["value"].clone());
        }
        match (get(table, alias.to), value) {
            (None, value) => put(table, alias.to, value),
            (Some(Value::Table(there)), Value::Table(moved)) => {
                let mut joined = there.clone();
                for (name, value) in moved {
                    if joined.insert(name.clone(), value).is_some() {
                        let (first, second) = (format!("{}.{name}", alias.to), format!("{}.{name}", alias.from));
                        self.problems.push(Problem::Twice { first, second, origin: origin.clone() });
                    }
                }
                put(table, alias.to, Value::Table(joined));
            }
            (Some(_), _) => self.problems.push(Problem::Twice {
                first: alias.to.to_owned(),
                second: alias.from.to_owned(),
                origin: origin.clone(),
            }),
        }
    }

    fn unknown(&mut self, schema: &Schema, key: String, origin: Origin) {
        let nearest = schema.nearest(&key);
        self.problems.push(Problem::Unknown { key, origin, nearest });
    }

    fn misfit(&mut self, key: &str, value: &Value, reason: String, node: &Node, origin: Origin) {
        let wanted = match node {
            Node::Leaf(leaf) => leaf.kind.clone(),
            Node::Table { repeated: true, .. } => "a list of tables".to_owned(),
            Node::Table { .. } => "a table".to_owned(),
        };
        let hides = wanted.ends_with("secret") && value.as_str() != Some("");
        // The reader's reason may repeat the value.
        let (value, reason) = match hides {
            true => ("(secret)".to_owned(), "not text".to_owned()),
            false => (shortened(value), reason),
        };
        self.problems.push(Problem::Value { key: key.to_owned(), origin, value, reason, wanted });
    }
}

impl Schema {
    fn knows(&self, name: &str) -> bool {
        self.reserved.contains(&name) || self.shorts.iter().any(|short| short.name == name)
    }
}

fn check(node: &Node, value: &Value) -> Result<(), String> {
    match node {
        Node::Leaf(leaf) => leaf.check(value),
        Node::Table { .. } => Err("not a table".to_owned()),
    }
}

/// The value that a text means for `node`: TOML where that fits, else the text itself, else a list of what
/// stands between its commas.
fn fitting(node: &Node, text: &str) -> Result<Value, String> {
    let toml = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    if let (Node::Table { repeated: true, .. }, Some(Value::Array(tables))) = (node, &toml) {
        return Ok(Value::Array(tables.clone()));
    }
    let plain = Value::String(text.to_owned());
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let list = Value::Array(items.map(|item| Value::String(item.to_owned())).collect());
    let first = toml.clone().unwrap_or_else(|| plain.clone());
    let reason = match check(node, &first) {
        Ok(()) => return Ok(first),
        Err(reason) => reason,
    };
    [plain, list].into_iter().find(|value| check(node, value).is_ok()).ok_or(reason)
}

/// How much of a value an error repeats, in characters.
const SHOWN: usize = 60;

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Takes the value at a dotted path out of a table.
fn cut(table: &mut Table, key: &str) -> Option<Value> {
    match key.split_once('.') {
        Some((first, rest)) => cut(table.get_mut(first)?.as_table_mut()?, rest),
        None => table.remove(key),
    }
}

fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((first, rest)) => get(table.get(first)?.as_table()?, rest),
        None => table.get(key),
    }
}

/// Puts a value at a dotted path. Where something that is no table stands in the way, that stays: whoever reads it
/// tells that it doesn't fit.
pub(crate) fn put(table: &mut Table, key: &str, value: Value) {
    let Some((first, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return;
    };
    let inner = table.entry(first.to_owned()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        put(inner, rest, value);
    }
}
