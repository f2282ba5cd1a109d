//! The configuration, through a small schema of its own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod layers;
mod schema;
mod values;

use nexus_config::{Alias, Bind, Bounded, Error, Layer, Problem, Schema, Secret, Short, Span, Tables, load, section};
use proptest::prelude::*;
use std::path::Path;

section! {
    struct Root {
        /// Which run.
        pub services: Vec<String> = vec!["social".to_owned()],
        /// The server.
        pub server: Server = Server::default(),
        /// The relay.
        pub relay: Relay = Relay::default(),
        /// Jobs.
        pub jobs: Jobs = Jobs::default(),
    }
}

section! {
    struct Server {
        /// Where.
        pub bind: Bind = Bind::loopback(8080),
        /// How many.
        pub limit: Bounded<1, 1000> = Bounded::of(50),
        /// How long.
        pub timeout: Span<1, 60_000> = Span::of(30_000),
        /// Who may.
        pub token: Option<Secret> = None,
        /// Yes or no.
        pub open: bool = false,
    }
}

section! {
    struct Relay {
        /// Its public URL.
        pub url: Option<String> = None,
        /// Where events lie.
        pub storage: Storage = Storage::default(),
        /// Rules.
        pub rules: Tables<Rule> = Tables::none(),
    }
}

section! {
    struct Storage {
        /// What kind.
        pub kind as "type": String = "sqlite".to_owned(),
        /// Where.
        pub path: Option<String> = None,
    }
}

section! {
    struct Jobs {
        /// Anew.
        pub trust as "trust-recompute": Job = Job::default(),
    }
}

section! {
    struct Job {
        /// When.
        pub cron: Option<String> = None,
    }
}

section! {
    struct Rule {
        /// Which kinds.
        pub kinds: Vec<Bounded<0, 65535>> = Vec::new(),
        /// How many.
        pub keep: Bounded<1, 9> = Bounded::of(1),
    }
}

fn schema() -> Schema {
    let relay = Some(("services", r#"["relay"]"#));
    Schema::of::<Root>()
        .aliases(&[
            Alias { from: "storage", to: "relay.storage", implies: relay },
            Alias { from: "server.relay_url", to: "relay.url", implies: relay },
        ])
        .shorts(&[Short { name: "NEXUS_BIND", key: "server.bind" }, Short { name: "TAP_BIND", key: "server.bind" }])
        .reserved(&["NEXUS_CONFIG"])
}

fn file(text: &str) -> Layer {
    Layer::toml(&schema(), Path::new("nexus.toml"), text).unwrap()
}

fn environment(pairs: &[(&str, &str)]) -> Layer {
    Layer::environment(&schema(), pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
}

fn settings(layers: Vec<Layer>) -> Root {
    load(layers).unwrap().settings
}

fn problems(layers: Vec<Layer>) -> Vec<String> {
    match load::<Root>(layers) {
        Err(Error::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_layer_gives_the_defaults() {
    assert_eq!(settings(vec![]), Root::default());
}

#[test]
fn later_layers_win() {
    let file = file("[server]\nbind = '127.0.0.1:1'\nlimit = 7\ntimeout = '2s'");
    let environment = environment(&[("NEXUS__SERVER__BIND", ":2"), ("NEXUS__SERVER__LIMIT", "8")]);
    let mut flags = Layer::default();
    flags.flag(&schema(), "--limit", "server.limit", "9");
    let server = settings(vec![file, environment, flags]).server;
    assert_eq!(server.bind.to_string(), "[::]:2");
    assert_eq!((server.limit.get(), server.timeout.get()), (9, 2000));
}

#[test]
fn unknown_keys_are_errors_that_name_the_nearest_known_one() {
    let told = problems(vec![file("[server]\nbnd = ':1'\n[sever]\n[relay]\nlimit = 3\n[zebra]\nx = 1")]);
    assert_eq!(told.len(), 4);
    assert!(told[0].contains("unknown key `relay.limit`, did you mean `server.limit`?"), "{told:?}");
    assert!(told[1].contains("unknown key `server.bnd`, did you mean `server.bind`?"), "{told:?}");
    assert!(told[2].contains("unknown key `sever`, did you mean `server`?"), "{told:?}");
    assert!(told[3].ends_with("unknown key `zebra`"), "{told:?}");
}

#[test]
fn a_value_out_of_range_is_told_with_the_range() {
    let told = problems(vec![file("server = { limit = 0, timeout = '2h', open = 'perhaps' }")]);
    assert_eq!(told[0], "nexus.toml: `server.limit` = 0: out of range (wanted: number, 1 to 1000)");
    assert_eq!(
        told[1],
        "nexus.toml: `server.open` = \"perhaps\": invalid type: string \"perhaps\", expected a boolean (wanted: true or false)"
    );
    assert_eq!(told[2], "nexus.toml: `server.timeout` = \"2h\": out of range (wanted: time, 1ms to 1m)");
}

#[test]
fn an_unknown_long_name_is_an_error_and_another_is_a_warning() {
    assert_eq!(
        problems(vec![environment(&[("NEXUS__SERVER__LIMTI", "1")])]),
        ["NEXUS__SERVER__LIMTI: unknown key `server.limti`, did you mean `server.limit`?"]
    );
    let loaded = load::<Root>(vec![environment(&[("NEXUS_PORT", "tcp://1"), ("NEXUS_CONFIG", "x"), ("HOME", "/")])]);
    assert_eq!(loaded.unwrap().warnings, ["the environment variable NEXUS_PORT means nothing here"]);
}

#[test]
fn short_names_give_way_to_long_ones_and_to_later_ones() {
    let bind = |pairs: &[(&str, &str)]| settings(vec![environment(pairs)]).server.bind.address().port();
    assert_eq!(bind(&[("NEXUS_BIND", ":1")]), 1);
    assert_eq!(bind(&[("TAP_BIND", ":2"), ("NEXUS_BIND", ":1")]), 2);
    assert_eq!(bind(&[("NEXUS__SERVER__BIND", ":3"), ("TAP_BIND", ":2"), ("NEXUS_BIND", ":1")]), 3);
}

#[test]
fn the_environment_reaches_keys_with_a_dash_lists_and_tables_in_lists() {
    let root = settings(vec![environment(&[
        ("NEXUS__JOBS__TRUST_RECOMPUTE__CRON", "0 0 4 * * *"),
        ("NEXUS__SERVICES", "relay, sync"),
        ("NEXUS__RELAY__RULES", "[{ kinds = [1, 2], keep = 3 }]"),
        ("NEXUS__RELAY__URL", "123"),
    ])]);
    assert_eq!(root.jobs.trust.cron.as_deref(), Some("0 0 4 * * *"));
    assert_eq!(root.services, ["relay", "sync"]);
    assert_eq!(root.relay.rules[0].keep.get(), 3);
    assert_eq!(root.relay.url.as_deref(), Some("123"));
}

#[test]
fn tables_in_a_list_are_checked_like_others() {
    let told = problems(vec![file("[[relay.rules]]\nkeep = 10\n[[relay.rules]]\nkidns = [1]")]);
    assert_eq!(told[0], "nexus.toml: `relay.rules.keep` = 10: out of range (wanted: number, 1 to 9)");
    assert_eq!(told[1], "nexus.toml: unknown key `relay.rules.kidns`, did you mean `relay.rules.kinds`?");
}

#[test]
fn an_alias_means_its_key_and_what_it_implies() {
    let root = settings(vec![file("[server]\nrelay_url = 'wss://x'\n[storage]\ntype = 'memory'")]);
    assert_eq!((root.relay.url.as_deref(), root.relay.storage.kind.as_str()), (Some("wss://x"), "memory"));
    assert_eq!(root.services, ["relay"]);
    let chosen = settings(vec![file("services = ['sync']\n[storage]\npath = 'x'")]);
    assert_eq!(chosen.services, ["sync"]);
}

#[test]
fn two_spellings_of_one_key_are_an_error() {
    let told = problems(vec![file("[storage]\npath = 'a'\n[relay.storage]\npath = 'b'\ntype = 'c'")]);
    assert_eq!(told, ["nexus.toml: `relay.storage.path` and `storage.path` are the same key, keep one of them"]);
    let told = problems(vec![file("[server]\nrelay_url = 'a'\n[relay]\nurl = 'b'")]);
    assert_eq!(told, ["nexus.toml: `relay.url` and `server.relay_url` are the same key, keep one of them"]);
}

#[test]
fn secrets_are_never_shown() {
    let secret = settings(vec![file("[server]\ntoken = 'hunter2'")]);
    assert!(!format!("{secret:?}").contains("hunter2"));
    let told = problems(vec![file("[server]\ntoken = ['hunter2']")]);
    assert!(told[0].contains("(secret)"), "{told:?}");
    assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
}

#[test]
fn a_file_that_is_no_toml_or_missing_is_reported() {
    let broken = Layer::toml(&schema(), Path::new("n.toml"), "[server").unwrap_err();
    assert!(broken.to_string().starts_with("n.toml is not valid TOML: TOML parse error at line 1"), "{broken}");
    let missing = Layer::file(&schema(), Path::new("/nowhere/n.toml")).unwrap_err();
    assert!(missing.to_string().starts_with("/nowhere/n.toml can't be read: "), "{missing}");
}

#[test]
fn the_commented_file_is_the_defaults_and_uncommented_it_is_valid() {
    let text = nexus_config::commented(&schema(), "Title.");
    assert_eq!(settings(vec![file(&text)]), Root::default());
    let key = |line: &&str| line.starts_with("# [[") || line.trim_start_matches("# ").split(" = ").count() == 2;
    let uncommented: String = text
        .lines()
        .map(|line| if key(&line) { line.trim_start_matches("# ") } else { line })
        .map(|line| format!("{line}\n"))
        .collect();
    let root = settings(vec![file(&uncommented)]);
    assert_eq!(root.server.limit, Server::default().limit);
    assert_eq!(root.relay.rules.len(), 1);
    assert_eq!(root.relay.url.as_deref(), Some("…"));
}

#[test]
fn the_reference_has_a_line_for_every_key() {
    let text = nexus_config::reference(&schema());
    assert!(
        text.contains("| `server.limit` | `NEXUS__SERVER__LIMIT` | `50` | number, 1 to 1000 | How many. |"),
        "{text}"
    );
    assert!(text.contains("| `relay.rules.keep` | – | `1` |"), "{text}");
    assert_eq!(nexus_config::environment(&schema()), "NEXUS_BIND  server.bind\nTAP_BIND    server.bind\n");
}

proptest! {
    #[test]
    fn any_text_in_the_environment_is_a_value_or_a_problem(text in ".{0,40}", which in 0usize..5) {
        let name = ["NEXUS__SERVER__BIND", "NEXUS__SERVER__LIMIT", "NEXUS__SERVICES", "NEXUS__RELAY__RULES", "NEXUS__RELAY"][which];
        match load::<Root>(vec![environment(&[(name, &text)])]) {
            Ok(_) | Err(Error::Invalid(_)) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn any_misspelling_by_one_letter_is_recognised(position in 0usize..7, letter in "[a-z]") {
        let mut key = "timeout".to_owned();
        key.replace_range(position..=position, &letter);
        prop_assume!(key != "timeout");
        let told = load::<Root>(vec![file(&format!("[server]\n{key} = '1s'"))]);
        let Err(Error::Invalid(told)) = told else { panic!("taken") };
        let Problem::Unknown { nearest, .. } = &told[0] else { panic!("{told:?}") };
        prop_assert_eq!(nearest.as_deref(), Some("server.timeout"));
    }
}
