//! The whole configuration's shape: the joined sections, with the other names that keys have.

use crate::node::{Node, Setting, Spelling};

/// Another name of a key or of a whole table in the file, as an original system wrote it.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// The other name, dotted.
    pub from: &'static str,
    /// The key that it means, dotted.
    pub to: &'static str,
    /// What its use says about another key that is not set: that key and its value as TOML.
    pub implies: Option<(&'static str, &'static str)>,
}

/// A short environment name.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    /// The name.
    pub name: &'static str,
    /// The key that it sets, dotted.
    pub key: &'static str,
}

/// A flag of the command line.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The name, without dashes before it.
    pub name: &'static str,
    /// The key that it sets, dotted.
    pub key: &'static str,
}

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A value.
    Value,
    /// `true` or `false`, or nothing for `true`.
    YesOrNo,
    /// Values between commas; it may be given several times.
    List,
}

/// The shape of a configuration.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(crate) root: Node,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) shorts: Vec<Short>,
    pub(crate) flags: Vec<Flag>,
    pub(crate) reserved: Vec<&'static str>,
}

impl Schema {
    /// The shape of `T`.
    pub fn of<T: Setting + Default>() -> Self {
        Self {
            root: T::default().node(&[]),
            aliases: Vec::new(),
            shorts: Vec::new(),
            flags: Vec::new(),
            reserved: Vec::new(),
        }
    }

    /// Adds other names for keys in files.
    #[must_use]
    pub fn aliases(mut self, aliases: &[Alias]) -> Self {
        self.aliases.extend_from_slice(aliases);
        self
    }

    /// Adds short environment names. Where two that are set mean one key, the later in the list wins.
    #[must_use]
    pub fn shorts(mut self, shorts: &[Short]) -> Self {
        self.shorts.extend_from_slice(shorts);
        self
    }

    /// Adds flags.
    #[must_use]
    pub fn flags(mut self, flags: &[Flag]) -> Self {
        self.flags.extend_from_slice(flags);
        self
    }

    /// Every flag, with what it takes, and what its key is for.
    pub fn described_flags(&self) -> impl Iterator<Item = (Flag, Takes, String)> + '_ {
        self.flags.iter().filter_map(|flag| {
            let path: Vec<&str> = flag.key.split('.').collect();
            let (_, Node::Leaf(leaf)) = self.find(&path, Spelling::Exact)? else { return None };
            let takes = match leaf.default {
                Some(toml::Value::Boolean(_)) => Takes::YesOrNo,
                Some(toml::Value::Array(_)) => Takes::List,
                _ => Takes::Value,
            };
            Some((*flag, takes, leaf.doc.replace('\n', " ")))
        })
    }

    /// Adds environment names that set no key but mean something to the program.
    #[must_use]
    pub fn reserved(mut self, names: &[&'static str]) -> Self {
        self.reserved.extend_from_slice(names);
        self
    }

    /// The node at a path, with the path as it is declared. Tables in a list have no path.
    pub(crate) fn find(&self, path: &[&str], spelling: Spelling) -> Option<(Vec<&'static str>, &Node)> {
        let mut node = &self.root;
        let mut found = Vec::with_capacity(path.len());
        for name in path {
            if matches!(node, Node::Table { repeated: true, .. }) {
                return None;
            }
            let (known, child) = node.child(name, spelling)?;
            found.push(known);
            node = child;
        }
        Some((found, node))
    }

    /// The known key that looks most like `key`, if one does: misspelt, or in another table.
    pub(crate) fn nearest(&self, key: &str) -> Option<String> {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let mut best: Option<(usize, String)> = None;
        self.root.walk(&mut Vec::new(), &mut |path, _| {
            let known = path.join(".");
            let moved = strsim::osa_distance(&last(key), &last(&known)) + 1;
            let distance = strsim::osa_distance(key, &known).min(moved);
            if best.as_ref().is_none_or(|(least, _)| distance < *least) {
                best = Some((distance, known));
            }
        });
        best.filter(|(distance, _)| *distance <= 1 + last(key).chars().count() / 3).map(|(_, known)| known)
    }
}
