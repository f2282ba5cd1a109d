//! Layers against the obvious model: a map in which later ones overwrite, and one problem for each wrong value.

use crate::{Root, environment, file, problems, schema, settings};
use nexus_config::{Error, Layer, Secret, load};
use proptest::prelude::*;

/// The key with its spelling in each kind of layer.
struct Key {
    path: &'static str,
    environment: &'static str,
    flag: &'static str,
    /// Values that fit, as TOML and as plain text.
    good: [(&'static str, &'static str); 3],
    /// Values that don't.
    bad: [&'static str; 2],
}

const KEYS: [Key; 7] = [
    Key {
        path: "server.bind",
        environment: "NEXUS__SERVER__BIND",
        flag: "--bind",
        good: [("':1'", ":1"), ("'127.0.0.1:2'", "127.0.0.1:2"), ("'[::1]:3'", "[::1]:3")],
        bad: ["'nowhere'", "7"],
    },
    Key {
        path: "server.limit",
        environment: "NEXUS__SERVER__LIMIT",
        flag: "--limit",
        good: [("1", "1"), ("77", "77"), ("'1000'", "1000")],
        bad: ["0", "1001"],
    },
    Key {
        path: "server.timeout",
        environment: "NEXUS__SERVER__TIMEOUT",
        flag: "--timeout",
        good: [("'1ms'", "1ms"), ("'2s'", "2s"), ("'1m'", "1m")],
        bad: ["'61s'", "5"],
    },
    Key {
        path: "server.open",
        environment: "NEXUS__SERVER__OPEN",
        flag: "--open",
        good: [("true", "true"), ("false", "false"), ("true", "true")],
        bad: ["'perhaps'", "2"],
    },
    Key {
        path: "relay.url",
        environment: "NEXUS__RELAY__URL",
        flag: "--url",
        good: [("'wss://x'", "wss://x"), ("''", ""), ("'5'", "5")],
        bad: ["5", "['x']"],
    },
    Key {
        path: "services",
        environment: "NEXUS__SERVICES",
        flag: "--services",
        good: [("['a']", "a"), ("['a', 'b']", "a,b"), ("[]", "[]")],
        bad: ["[1]", "{ a = 1 }"],
    },
    Key {
        path: "jobs.trust-recompute.cron",
        environment: "NEXUS__JOBS__TRUST_RECOMPUTE__CRON",
        flag: "--cron",
        good: [("'* * * * *'", "* * * * *"), ("'@daily'", "@daily"), ("'0'", "0")],
        bad: ["0", "true"],
    },
];

/// What a history of layers sets: for each layer its kind, and for each key perhaps one of its values.
type Histories = Vec<(usize, Vec<Option<usize>>)>;

fn histories() -> impl Strategy<Value = Histories> {
    prop::collection::vec((0usize..3, prop::collection::vec(prop::option::of(0usize..3), KEYS.len())), 0..5)
}

/// A file, an environment or flags that set `chosen` of the good values.
fn layer(kind: usize, chosen: &[Option<usize>]) -> Layer {
    let set: Vec<(&Key, usize)> = KEYS.iter().zip(chosen).filter_map(|(key, which)| Some((key, (*which)?))).collect();
    match kind {
        0 => {
            file(&set.iter().map(|(key, which)| format!("{} = {}\n", key.path, key.good[*which].0)).collect::<String>())
        }
        1 => environment(&set.iter().map(|(key, which)| (key.environment, key.good[*which].1)).collect::<Vec<_>>()),
        _ => {
            let mut layer = Layer::default();
            for (key, which) in set {
                layer.flag(&schema(), key.flag, key.path, key.good[which].1);
            }
            layer
        }
    }
}

/// The settings of a file that sets for each key what the last layer that sets it sets.
fn expected(histories: &Histories) -> Root {
    let last = |at: usize| histories.iter().rev().find_map(|(_, chosen)| chosen[at]);
    let lines = KEYS.iter().enumerate().filter_map(|(at, key)| {
        let (toml, _) = key.good[last(at)?];
        Some(format!("{} = {toml}\n", key.path))
    });
    settings(vec![file(&lines.collect::<String>())])
}

proptest! {
    #[test]
    fn the_last_layer_that_sets_a_key_holds(histories in histories()) {
        let layers = histories.iter().map(|(kind, chosen)| layer(*kind, chosen)).collect();
        prop_assert_eq!(settings(layers), expected(&histories));
    }

    /// Nothing of what is wrong hides anything else that is wrong, and nothing right is called wrong.
    #[test]
    fn each_wrong_value_is_one_problem_that_names_its_key_and_origin(
        chosen in prop::collection::vec(prop::option::of(0usize..5), KEYS.len()),
        stray in prop::option::of("[a-z]{12}"),
    ) {
        let value = |key: &Key, which: usize| if which < 3 { key.good[which].0 } else { key.bad[which - 3] };
        let set: Vec<_> = KEYS.iter().zip(&chosen).filter_map(|(key, which)| Some((key, (*which)?))).collect();
        let stray = stray.map(|name| format!("{name} = 1\n")).unwrap_or_default();
        let lines: String = set.iter().map(|(key, which)| format!("{} = {}\n", key.path, value(key, *which))).collect();
        let wrong: Vec<_> = set.iter().filter(|(_, which)| *which >= 3).map(|(key, _)| key.path).collect();
        match load::<Root>(vec![file(&format!("{stray}{lines}"))]) {
            Ok(_) => prop_assert!(wrong.is_empty() && stray.is_empty()),
            Err(Error::Invalid(told)) => {
                prop_assert_eq!(told.len(), wrong.len() + usize::from(!stray.is_empty()));
                let told: Vec<String> = told.iter().map(ToString::to_string).collect();
                prop_assert!(told.iter().all(|line| line.starts_with("nexus.toml: ")), "{:?}", told);
                for path in wrong {
                    prop_assert!(told.iter().any(|line| line.contains(&format!("`{path}`"))), "{}: {:?}", path, told);
                }
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    /// The environment's spelling is free in its case, and in dashes and underscores.
    #[test]
    fn long_names_are_read_in_any_case(upper in prop::collection::vec(any::<bool>(), 40), dash: bool) {
        let name = if dash { "JOBS__TRUST-RECOMPUTE__CRON" } else { "JOBS__TRUST_RECOMPUTE__CRON" };
        let cased = name.chars().zip(upper).map(|(c, upper)| if upper { c } else { c.to_ascii_lowercase() });
        let name = format!("NEXUS__{}", cased.collect::<String>());
        let root = settings(vec![environment(&[(&name, "@hourly")])]);
        prop_assert_eq!(root.jobs.trust.cron.as_deref(), Some("@hourly"));
    }

    /// Whatever a text is, a key that takes text takes it as it is, unless it is a quoted string.
    #[test]
    fn text_in_the_environment_is_kept(text in "[^\"'\\[]{0,30}") {
        let root = settings(vec![environment(&[("NEXUS__RELAY__URL", &text)])]);
        prop_assert_eq!(root.relay.url, Some(text));
    }
}

#[test]
fn the_tables_in_a_list_of_the_environment_are_checked_like_those_of_a_file() {
    let told = problems(vec![environment(&[("NEXUS__RELAY__RULES", "[{ keep = 10 }, { kidns = [1] }, 5]")])]);
    assert_eq!(
        told,
        [
            "NEXUS__RELAY__RULES: `relay.rules.keep` = 10: out of range (wanted: number, 1 to 9)",
            "NEXUS__RELAY__RULES: unknown key `relay.rules.kidns`, did you mean `relay.rules.kinds`?",
            "NEXUS__RELAY__RULES: `relay.rules` = 5: not a table (wanted: a list of tables)",
        ]
    );
}

#[test]
fn a_later_list_replaces_an_earlier_one() {
    let file = file("services = ['a', 'b']\n[[relay.rules]]\nkeep = 2\n[[relay.rules]]\nkeep = 3");
    let root =
        settings(vec![file, environment(&[("NEXUS__SERVICES", "c"), ("NEXUS__RELAY__RULES", "[{ keep = 4 }]")])]);
    assert_eq!(root.services, ["c"]);
    assert_eq!(root.relay.rules.iter().map(|rule| rule.keep.get()).collect::<Vec<_>>(), [4]);
}

#[test]
fn a_table_is_not_set_as_a_whole_from_outside_a_file() {
    let told = problems(vec![environment(&[("NEXUS__SERVER", "{ limit = 3 }")])]);
    assert!(told[0].starts_with("NEXUS__SERVER: `server` = "), "{told:?}");
    assert!(told[0].ends_with("not a table (wanted: a table)"), "{told:?}");
    let told = problems(vec![environment(&[("NEXUS__RELAY__RULES__KEEP", "3")])]);
    assert!(told[0].starts_with("NEXUS__RELAY__RULES__KEEP: unknown key `relay.rules.keep`"), "{told:?}");
    let told = problems(vec![environment(&[("NEXUS__SERVER__LIMIT__MOST", "3")])]);
    assert!(told[0].starts_with("NEXUS__SERVER__LIMIT__MOST: unknown key `server.limit.most`"), "{told:?}");
}

#[test]
fn a_flag_for_no_key_and_a_flag_with_no_value_are_told() {
    let mut layer = Layer::default();
    layer.flag(&schema(), "--limit", "server.limit", "");
    layer.flag(&schema(), "--zebra", "server.zebra", "1");
    let told = problems(vec![layer]);
    assert!(told[0].starts_with("--limit: `server.limit` = \"\": "), "{told:?}");
    assert!(told[1].starts_with("--zebra: unknown key `server.zebra`"), "{told:?}");
}

/// A password of digits alone is an easy mistake in a file, and must not end up in a log.
#[test]
fn no_problem_repeats_a_secret() {
    for value in ["271828", "2.71828", "['271828']", "{ x = 271828 }"] {
        let told = problems(vec![file(&format!("[server]\ntoken = {value}"))]);
        assert!(told[0].contains("`server.token` = (secret)"), "{told:?}");
        assert!(!told[0].contains("71828"), "{told:?}");
    }
    let loaded = settings(vec![environment(&[("NEXUS__SERVER__TOKEN", "271828")])]);
    assert_eq!(loaded.server.token, Some(Secret::from("271828")), "in the environment everything is text");
}

#[test]
fn what_stands_where_an_alias_leads_is_still_told() {
    let told = problems(vec![file("relay = 5\n[storage]\npath = 'x'")]);
    assert_eq!(told, ["nexus.toml: `relay` = 5: not a table (wanted: a table)"]);
}

#[test]
fn an_alias_that_means_nothing_is_told_under_its_key() {
    let told = problems(vec![file("[storage]\npaht = 'x'")]);
    assert_eq!(told, ["nexus.toml: unknown key `relay.storage.paht`, did you mean `relay.storage.path`?"]);
    let told = problems(vec![file("storage = 'x'")]);
    assert_eq!(told, ["nexus.toml: `relay.storage` = \"x\": not a table (wanted: a table)"]);
}

#[test]
fn a_long_value_is_shortened_in_whole_characters() {
    let told = problems(vec![file(&format!("[server]\nlimit = '{}'", "ß".repeat(500)))]);
    assert!(told[0].contains("ß…: ") && told[0].chars().count() < 200, "{told:?}");
}

#[test]
fn values_of_another_file_count_like_those_of_ours() {
    let mut layer = Layer::default();
    let old = std::path::Path::new("config.toml");
    layer.moved(&schema(), old, "server.limit", &toml::Value::from(9));
    layer.moved(&schema(), old, "relay.rules", &toml::Value::Array(vec![toml::Value::from(1)]));
    layer.warn("something was left out".to_owned());
    let told = problems(vec![layer.clone()]);
    assert_eq!(told, ["config.toml: `relay.rules` = 1: not a table (wanted: a list of tables)"]);
    let mut good = Layer::default();
    good.moved(&schema(), old, "server.limit", &toml::Value::from(9));
    good.warn("something was left out".to_owned());
    let loaded = load::<Root>(vec![good]).unwrap();
    assert_eq!((loaded.settings.server.limit.get(), loaded.warnings), (9, vec!["something was left out".to_owned()]));
}
