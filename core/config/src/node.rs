//! The shape of the settings: a tree of tables and leaves, read off the default values.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    net::{IpAddr, Ipv4Addr},
    ops::Deref,
    path::PathBuf,
};
use toml::Value;

/// Something that can stand in the configuration: a value, or a table of them.
pub trait Setting: Serialize + DeserializeOwned + 'static {
    /// Its shape, with `self` as the default and `doc` as what is said about it.
    fn node(&self, doc: &[&'static str]) -> Node;
}

/// A single value.
pub trait Scalar: Serialize + DeserializeOwned + 'static {
    /// What fits, in words, with the range: "1 to 1000".
    fn kind() -> String;

    /// A value that fits, shown where there is no default.
    fn example() -> Self;

    /// What its shape alone doesn't tell.
    ///
    /// # Errors
    /// With what is wrong with it.
    fn fits(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A place in the tree.
#[derive(Clone, Debug)]
pub enum Node {
    /// Keys by name, in the order of their declaration.
    Table {
        /// What it is for.
        doc: String,
        /// True for `[[name]]`: any number of tables of this shape.
        repeated: bool,
        /// The keys.
        children: Vec<(&'static str, Node)>,
    },
    /// A value.
    Leaf(Leaf),
}

/// A single value's shape.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// What it is for.
    pub(crate) doc: String,
    /// What fits.
    pub(crate) kind: String,
    /// What holds when nothing is set; `None` if that is nothing.
    pub(crate) default: Option<Value>,
    /// A value that fits.
    pub(crate) example: Value,
    check: fn(Value) -> Result<(), String>,
}

impl Leaf {
    /// Whether `value` fits.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        (self.check)(value.clone())
    }
}

/// The values of a leaf.
struct Values {
    default: Option<Value>,
    example: Value,
    check: fn(Value) -> Result<(), String>,
}

impl Node {
    /// A table.
    pub fn table(doc: &[&'static str], children: Vec<(&'static str, Self)>) -> Self {
        Self::Table { doc: joined(doc), repeated: false, children }
    }

    fn leaf(doc: &[&'static str], kind: String, values: Values) -> Self {
        let Values { default, example, check } = values;
        Self::Leaf(Leaf { doc: joined(doc), kind, default, example, check })
    }

    /// The node below this one that `name` means. Case and the difference of `-` and `_` don't matter where
    /// the name comes from the environment.
    pub(crate) fn child(&self, name: &str, spelling: Spelling) -> Option<(&'static str, &Self)> {
        let Self::Table { children, .. } = self else { return None };
        let same = |known: &str| match spelling {
            Spelling::Exact => known == name,
            Spelling::Environment => known.replace('-', "_").eq_ignore_ascii_case(&name.replace('-', "_")),
        };
        children.iter().find(|(known, _)| same(known)).map(|(known, node)| (*known, node))
    }

    /// Every table and leaf below with its path.
    pub(crate) fn walk<'a>(&'a self, path: &mut Vec<&'static str>, visit: &mut impl FnMut(&[&'static str], &'a Self)) {
        if !path.is_empty() {
            visit(path, self);
        }
        if let Self::Table { children, .. } = self {
            for (name, child) in children {
                path.push(name);
                child.walk(path, visit);
                path.pop();
            }
        }
    }
}

/// How a key is compared with the known ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Letter by letter.
    Exact,
    /// As environment names allow.
    Environment,
}

fn joined(doc: &[&'static str]) -> String {
    let lines: Vec<&str> = doc.iter().map(|line| line.trim()).collect();
    lines.join("\n").trim().to_owned()
}

fn value(of: &impl Serialize) -> Value {
    Value::try_from(of).expect("an example is a plain value")
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error: toml::de::Error| error.message().trim().to_owned())
}

impl<T: Scalar> Setting for T {
    fn node(&self, doc: &[&'static str]) -> Node {
        let check = |value| read::<T>(value)?.fits();
        let values = Values { default: Value::try_from(self).ok(), example: value(&T::example()), check };
        Node::leaf(doc, T::kind(), values)
    }
}

impl<T: Scalar> Setting for Option<T> {
    fn node(&self, doc: &[&'static str]) -> Node {
        let check = |value| read::<Self>(value)?.iter().try_for_each(T::fits);
        let values = Values { default: Value::try_from(self).ok(), example: value(&T::example()), check };
        Node::leaf(doc, T::kind(), values)
    }
}

impl<T: Scalar> Setting for Vec<T> {
    fn node(&self, doc: &[&'static str]) -> Node {
        let check = |value| read::<Self>(value)?.iter().try_for_each(T::fits);
        let example = Value::Array(vec![value(&T::example())]);
        Node::leaf(
            doc,
            format!("list of: {}", T::kind()),
            Values { default: Value::try_from(self).ok(), example, check },
        )
    }
}

/// Any number of tables of one shape, `[[name]]` in the file. There are none by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tables<T>(Vec<T>);

impl<T> Tables<T> {
    /// No tables.
    pub const fn none() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<Vec<T>> for Tables<T> {
    fn from(tables: Vec<T>) -> Self {
        Self(tables)
    }
}

impl<T> Deref for Tables<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Setting + Default> Setting for Tables<T> {
    fn node(&self, doc: &[&'static str]) -> Node {
        match T::default().node(doc) {
            Node::Table { doc, children, .. } => Node::Table { doc, repeated: true, children },
            leaf @ Node::Leaf(_) => leaf,
        }
    }
}

impl Scalar for String {
    fn kind() -> String {
        "text".to_owned()
    }

    fn example() -> Self {
        "…".to_owned()
    }
}

impl Scalar for bool {
    fn kind() -> String {
        "true or false".to_owned()
    }

    fn example() -> Self {
        true
    }
}

impl Scalar for IpAddr {
    fn kind() -> String {
        "IP address".to_owned()
    }

    fn example() -> Self {
        Self::V4(Ipv4Addr::LOCALHOST)
    }
}

impl Scalar for PathBuf {
    fn kind() -> String {
        "path".to_owned()
    }

    fn example() -> Self {
        "./path".into()
    }

    fn fits(&self) -> Result<(), String> {
        let bytes = self.as_os_str().as_encoded_bytes();
        match bytes {
            [] => Err("it is empty".to_owned()),
            _ if bytes.contains(&0) => Err("no path has a zero byte".to_owned()),
            _ => Ok(()),
        }
    }
}
