//! The configuration as documentation: a commented file, and tables for the handbook.

use crate::{
    node::{Leaf, Node, Spelling},
    schema::Schema,
};
use std::fmt::Write as _;

/// The whole configuration as a TOML file in which every key is a comment that shows its default.
pub fn commented(schema: &Schema, title: &str) -> String {
    let mut out = String::new();
    comment(&mut out, title);
    table(&mut out, &schema.root, &mut Vec::new());
    out
}

/// The short environment names, one a line: name, key.
pub fn environment(schema: &Schema) -> String {
    let width = schema.shorts.iter().map(|short| short.name.len()).max().unwrap_or(0);
    schema.shorts.iter().map(|short| format!("{:width$}  {}\n", short.name, short.key)).collect()
}

/// The flags, one a line: name, key.
pub fn flags(schema: &Schema) -> String {
    let width = schema.flags.iter().map(|flag| flag.name.len()).max().unwrap_or(0);
    schema.flags.iter().map(|flag| format!("--{:width$}  {}\n", flag.name, flag.key)).collect()
}

/// Every key as a Markdown table, with its long environment name.
pub fn reference(schema: &Schema) -> String {
    let mut out = "| key | environment | default | what fits | what it does |\n|---|---|---|---|---|\n".to_owned();
    schema.root.walk(&mut Vec::new(), &mut |path, node| {
        if let Node::Leaf(leaf) = node {
            let name = match schema.find(path, Spelling::Exact) {
                Some(_) => format!("`NEXUS__{}`", path.join("__").replace('-', "_").to_uppercase()),
                None => "–".to_owned(),
            };
            let default = leaf.default.as_ref().map_or_else(|| "–".to_owned(), |value| format!("`{value}`"));
            let (doc, key) = (leaf.doc.replace('\n', " ").replace('|', "\\|"), path.join("."));
            let kind = &leaf.kind;
            writeln!(out, "| `{key}` | {name} | {default} | {kind} | {doc} |").expect("writing to memory");
        }
    });
    out
}

fn comment(out: &mut String, text: &str) {
    for line in text.lines() {
        writeln!(out, "# {line}").expect("writing to memory");
    }
}

fn table(out: &mut String, node: &Node, path: &mut Vec<&'static str>) {
    let Node::Table { doc, repeated, children } = node else { return };
    if !path.is_empty() {
        out.push('\n');
        comment(out, doc);
        let name = path.join(".");
        out.push_str(&if *repeated { format!("# [[{name}]]\n") } else { format!("[{name}]\n") });
    }
    for (name, child) in children {
        if let Node::Leaf(child) = child {
            leaf(out, name, child);
        }
    }
    for (name, child) in children {
        path.push(name);
        table(out, child, path);
        path.pop();
    }
}

fn leaf(out: &mut String, name: &str, leaf: &Leaf) {
    out.push('\n');
    comment(out, &leaf.doc);
    match &leaf.default {
        Some(value) => comment(out, &format!("({})\n{name} = {value}", leaf.kind)),
        None => comment(out, &format!("({}; not set by default)\n{name} = {}", leaf.kind, leaf.example)),
    }
}
