//! Every key of the configuration, as the handbook lists it: known in every spelling, its range kept, and what is
//! printed can be read again. The list comes from the program itself, so a new key is tested with it.

use crate::program::{command, printed, run};
use std::{collections::BTreeSet, fs, path::Path, process::Output};

/// A line of the handbook's table.
struct Key {
    name: String,
    /// Its long name in the environment; tables in a list have none.
    environment: Option<String>,
    /// What holds if nothing is set, as TOML.
    default: Option<String>,
    kind: String,
}

impl Key {
    fn of(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
        let [name, environment, default, kind, ..] = cells[..] else { return None };
        let plain = |cell: &str| cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).map(str::to_owned);
        Some(Self {
            name: plain(name)?,
            environment: plain(environment),
            default: plain(default),
            kind: kind.to_owned(),
        })
    }

    /// The bounds of a number, as they are written.
    fn bounds(&self) -> Option<(&str, &str)> {
        let range = ["number, ", "time, ", "size in bytes, "].iter().find_map(|noun| self.kind.strip_prefix(noun))?;
        range.split_once(" to ")
    }

    /// True if not every text fits.
    fn is_choosy(&self) -> bool {
        self.kind == "true or false" || self.kind.starts_with("one of ") || self.bounds().is_some()
    }
}

fn keys(directory: &Path) -> Vec<Key> {
    let page = printed(&run(directory, ["config", "--reference"]));
    let keys: Vec<Key> = page.lines().filter_map(Key::of).collect();
    assert!(keys.len() > 150, "{} keys in {page}", keys.len());
    keys
}

/// `config check` with some keys set in the environment, each to a value of its own.
fn check<'a>(directory: &Path, values: impl IntoIterator<Item = (&'a Key, String)>) -> Output {
    let named = values.into_iter().filter_map(|(key, value)| Some((key.environment.clone()?, value)));
    command(directory).args(["config", "check"]).envs(named).output().unwrap()
}

#[test]
fn every_default_is_a_value_that_fits() {
    let directory = tempfile::tempdir().unwrap();
    let keys = keys(directory.path());
    let set = |key: &Key| key.default.clone().filter(|_| key.environment.is_some());
    let defaults: Vec<(&Key, String)> = keys.iter().filter_map(|key| Some((key, set(key)?))).collect();
    assert!(defaults.len() > 100, "{} defaults", defaults.len());
    let checked = check(directory.path(), defaults.iter().map(|(key, value)| (*key, value.clone())));
    assert_eq!((checked.status.code(), printed(&checked).as_str()), (Some(0), "the configuration is valid\n"));
    let flags = defaults.iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{}={value}", key.name)]);
    let checked = run(directory.path(), ["config".to_owned(), "check".to_owned()].into_iter().chain(flags));
    assert_eq!((checked.status.code(), printed(&checked).as_str()), (Some(0), "the configuration is valid\n"));
}

#[test]
fn every_key_refuses_what_does_not_fit_and_is_named_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let keys = keys(directory.path());
    let choosy: Vec<&Key> = keys.iter().filter(|key| key.is_choosy() && key.environment.is_some()).collect();
    assert!(choosy.len() > 80, "{} keys", choosy.len());
    let checked = check(directory.path(), choosy.iter().map(|key| (*key, "no such value!".to_owned())));
    assert_eq!(checked.status.code(), Some(2));
    let told = printed(&checked);
    for key in choosy {
        let line = told.lines().find(|line| line.contains(&format!("`{}` = \"no such value!\": ", key.name)));
        let line = line.unwrap_or_else(|| panic!("{} is not told of in {told}", key.name));
        assert!(line.contains(key.environment.as_deref().unwrap()), "{line}");
        assert!(line.ends_with(&format!("(wanted: {})", key.kind)), "{line}");
    }
}

/// A number, a time or a size beyond one that is written with a unit: one more of the unit.
fn beyond(bound: &str) -> String {
    let digits = bound.find(|c: char| !c.is_ascii_digit()).unwrap_or(bound.len());
    let (number, unit) = bound.split_at(digits);
    format!("{}{unit}", number.parse::<u64>().unwrap() + 1)
}

/// The same on the other side.
fn below(bound: &str) -> Option<String> {
    let digits = bound.find(|c: char| !c.is_ascii_digit()).unwrap_or(bound.len());
    let (number, unit) = bound.split_at(digits);
    Some(format!("{}{unit}", number.parse::<u64>().unwrap().checked_sub(1)?))
}

#[test]
fn ranges_end_where_the_handbook_says() {
    let directory = tempfile::tempdir().unwrap();
    let keys = keys(directory.path());
    let ranged: Vec<(&Key, &str, &str)> = keys
        .iter()
        .filter(|key| key.environment.is_some())
        .filter_map(|key| key.bounds().map(|(least, most)| (key, least, most)))
        .collect();
    assert!(ranged.len() > 60, "{} ranges", ranged.len());
    let names = |told: &str| -> BTreeSet<String> {
        let out = told.lines().filter(|line| line.contains(": out of range (wanted: "));
        out.filter_map(|line| line.split('`').nth(1).map(str::to_owned)).collect()
    };
    let above = check(directory.path(), ranged.iter().map(|(key, _, most)| (*key, beyond(most))));
    assert_eq!(names(&printed(&above)), ranged.iter().map(|(key, ..)| key.name.clone()).collect());
    let under = ranged.iter().filter_map(|(key, least, _)| Some((*key, below(least)?)));
    let under: Vec<(&Key, String)> = under.collect();
    let told = check(directory.path(), under.iter().map(|(key, value)| (*key, value.clone())));
    assert_eq!(names(&printed(&told)), under.iter().map(|(key, _)| key.name.clone()).collect());
    for at in [|least: &str, _: &str| least.to_owned(), |_: &str, most: &str| most.to_owned()] {
        let told = check(directory.path(), ranged.iter().map(|(key, least, most)| (*key, at(least, most))));
        assert!(!printed(&told).contains("wanted: "), "{}", printed(&told));
    }
}

/// The keys of a TOML file whose every key is a comment, with those of tables in lists.
fn commented_keys(file: &str) -> Vec<(String, String)> {
    let mut table = String::new();
    let mut keys = Vec::new();
    for line in file.lines() {
        let bare = line.trim_start_matches("# ");
        if let Some(name) = bare.strip_prefix('[').filter(|_| bare.ends_with(']') && !bare.contains(' ')) {
            table = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((name, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(" = "))
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        {
            let dotted = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
            keys.push((dotted, value.to_owned()));
        }
    }
    keys
}

#[test]
fn the_printed_file_and_the_handbook_have_the_same_keys_and_defaults() {
    let directory = tempfile::tempdir().unwrap();
    let keys = keys(directory.path());
    let file = commented_keys(&printed(&run(directory.path(), ["config"])));
    let names = |keys: &[(String, String)]| keys.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let mut listed: Vec<String> = keys.iter().map(|key| key.name.clone()).collect();
    let mut printed = names(&file);
    listed.sort();
    printed.sort();
    assert_eq!(printed, listed);
    for key in &keys {
        let (_, value) = file.iter().find(|(name, _)| *name == key.name).unwrap();
        assert!(key.default.as_ref().is_none_or(|default| default == value), "{}: {value}", key.name);
    }
}

/// The file with every key that has a default made effective: what is printed means what holds without it.
#[test]
fn the_printed_file_can_be_used_as_it_is_and_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let keys = keys(directory.path());
    let defaults: BTreeSet<&str> =
        keys.iter().filter(|key| key.default.is_some() && key.environment.is_some()).map(|key| &*key.name).collect();
    let mut table = String::new();
    let mut effective = 0;
    let mut file = String::new();
    for line in printed(&run(directory.path(), ["config"])).lines() {
        if line.starts_with('[') {
            table = format!("{}.", line.trim_matches(['[', ']']));
        } else if line.starts_with("# [[") {
            table = "in a list ".to_owned();
        }
        let bare = line.trim_start_matches("# ");
        let is_key = bare.split_once(" = ").is_some_and(|(name, _)| defaults.contains(&*format!("{table}{name}")));
        effective += usize::from(is_key);
        file.push_str(if is_key { bare } else { line });
        file.push('\n');
    }
    assert_eq!(effective, defaults.len());
    fs::write(directory.path().join("nexus.toml"), file).unwrap();
    let checked = run(directory.path(), ["config", "check"]);
    assert_eq!((checked.status.code(), printed(&checked).as_str()), (Some(0), "the configuration is valid\n"));
}

#[test]
fn short_names_and_flags_lead_to_known_keys() {
    let directory = tempfile::tempdir().unwrap();
    let known: BTreeSet<String> = keys(directory.path()).into_iter().map(|key| key.name).collect();
    for table in ["--env", "--flags"] {
        let text = printed(&run(directory.path(), ["config", table]));
        let mut names = BTreeSet::new();
        for line in text.lines() {
            let (name, key) = line.split_once("  ").unwrap();
            assert!(known.contains(key.trim()), "{table}: {line}");
            assert!(names.insert(name.to_owned()), "{table} has {name} twice");
        }
        assert!(names.len() > 20, "{table}: {names:?}");
    }
}

#[test]
fn a_misspelt_long_name_is_told_with_the_right_one() {
    let directory = tempfile::tempdir().unwrap();
    let known = keys(directory.path());
    let is_key = |name: &str| known.iter().any(|key| key.name == name);
    // The last two letters change places.
    let swapped: Vec<(&Key, String)> = known
        .iter()
        .filter(|key| key.environment.is_some() && key.name.rsplit('.').next().is_some_and(|last| last.len() > 6))
        .filter_map(|key| {
            let (rest, last) = key.name.split_at(key.name.len() - 2);
            let swapped: String = rest.chars().chain(last.chars().rev()).collect();
            (swapped != key.name && !is_key(&swapped)).then_some((key, swapped))
        })
        .collect();
    assert!(swapped.len() > 80, "{} keys", swapped.len());
    let flags = swapped.iter().flat_map(|(_, wrong)| ["--set".to_owned(), format!("{wrong}=1")]);
    let checked = run(directory.path(), ["config".to_owned(), "check".to_owned()].into_iter().chain(flags));
    let told = printed(&checked);
    assert_eq!(checked.status.code(), Some(2));
    for (key, wrong) in swapped {
        let line = format!("--set: unknown key `{wrong}`, did you mean `{}`?", key.name);
        assert!(told.contains(&line), "{line} is missing in {told}");
    }
}
