//! What a schema says of itself: flags, the nearest key, the handbook's table.

use crate::{Root, file, problems, schema, settings};
use nexus_config::{Flag, Schema, Takes};
use proptest::prelude::*;

/// Every key that stands by itself.
const KEYS: [&str; 10] = [
    "services",
    "server.bind",
    "server.limit",
    "server.timeout",
    "server.token",
    "server.open",
    "relay.url",
    "relay.storage.type",
    "relay.storage.path",
    "jobs.trust-recompute.cron",
];

#[test]
fn a_flag_says_what_it_takes_and_what_it_is_for() {
    let schema = Schema::of::<Root>().flags(&[
        Flag { name: "open", key: "server.open" },
        Flag { name: "limit", key: "server.limit" },
        Flag { name: "services", key: "services" },
        Flag { name: "token", key: "server.token" },
        Flag { name: "nothing", key: "server.nothing" },
    ]);
    let told: Vec<_> = schema.described_flags().map(|(flag, takes, doc)| (flag.name, takes, doc)).collect();
    let line = |name, takes, doc: &str| (name, takes, doc.to_owned());
    assert_eq!(
        told,
        [
            line("open", Takes::YesOrNo, "Yes or no."),
            line("limit", Takes::Value, "How many."),
            line("services", Takes::List, "Which run."),
            line("token", Takes::Value, "Who may."),
        ]
    );
    assert_eq!(
        nexus_config::flags(&schema),
        "--open      server.open\n--limit     server.limit\n--services  services\n--token     server.token\n\
         --nothing   server.nothing\n"
    );
}

#[test]
fn the_handbook_has_each_key_once_with_what_holds_without_it() {
    let text = nexus_config::reference(&schema());
    for key in KEYS {
        assert_eq!(text.matches(&format!("| `{key}` |")).count(), 1, "{key}");
    }
    assert!(text.contains("| `server.token` | `NEXUS__SERVER__TOKEN` | – | text, kept secret | Who may. |"), "{text}");
    assert!(text.contains("| `jobs.trust-recompute.cron` | `NEXUS__JOBS__TRUST_RECOMPUTE__CRON` | – |"), "{text}");
    assert!(text.lines().skip(2).all(|line| line.matches(" | ").count() == 4), "{text}");
}

#[test]
fn the_commented_file_names_each_key_its_range_and_its_default() {
    let text = nexus_config::commented(&schema(), "Title.\nTwo lines.");
    assert!(text.starts_with("# Title.\n# Two lines.\n"), "{text}");
    assert!(text.contains("\n# How many.\n# (number, 1 to 1000)\n# limit = 50\n"), "{text}");
    assert!(text.contains("\n# Who may.\n# (text, kept secret; not set by default)\n# token = \"…\"\n"), "{text}");
    assert!(text.contains("\n[jobs.trust-recompute]\n"), "{text}");
    assert!(text.contains("\n# [[relay.rules]]\n"), "{text}");
}

proptest! {
    /// A slip of the finger in any key leads back to it: one letter too many, too few, another one, or two swapped.
    #[test]
    fn a_slip_leads_back_to_its_key(which in 0..KEYS.len(), at: prop::sample::Index, letter in "[a-z]", slip in 0usize..4) {
        let key = KEYS[which];
        let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
        let mut letters: Vec<char> = name.chars().collect();
        let at = at.index(letters.len());
        let letter = letter.chars().next().unwrap();
        match slip {
            0 => letters.insert(at, letter),
            1 => drop(letters.remove(at)),
            2 => letters[at] = letter,
            _ => letters.swap(at, (at + 1) % name.len()),
        }
        let wrong: String = letters.into_iter().collect();
        let dotted = if table.is_empty() { wrong.clone() } else { format!("{table}.{wrong}") };
        let is_known = KEYS.iter().any(|known| *known == dotted || known.starts_with(&format!("{dotted}.")));
        // Of a short name too little is left to know it by.
        prop_assume!(!is_known && name.chars().count() > 4 && !wrong.is_empty() && (slip != 3 || at + 1 < name.len()));
        let told = problems(vec![file(&format!("{dotted} = 1"))]);
        let line = told.first().unwrap();
        prop_assert!(line.ends_with(&format!("unknown key `{dotted}`, did you mean `{key}`?")), "{}", line);
    }

    /// Whatever is unknown, what is offered instead is known.
    #[test]
    fn what_is_offered_instead_is_a_key(name in "[a-z._-]{1,20}") {
        let text = format!("'{name}' = 1");
        let told = match nexus_config::load::<Root>(vec![file(&text)]) {
            Err(nexus_config::Error::Invalid(told)) => told,
            other => return Err(TestCaseError::fail(format!("{name}: {other:?}"))),
        };
        if let nexus_config::Problem::Unknown { nearest: Some(nearest), .. } = &told[0] {
            let leads = |key: &str| key == nearest.as_str() || key.starts_with(&format!("{nearest}."));
            prop_assert!(KEYS.iter().any(|key| leads(key)) || nearest.starts_with("relay.rules"), "{}", nearest);
        }
    }
}

#[test]
fn a_key_in_the_wrong_table_is_recognised() {
    let told = problems(vec![file("timeout = '1s'")]);
    assert_eq!(told, ["nexus.toml: unknown key `timeout`, did you mean `server.timeout`?"]);
    assert_eq!(settings(vec![file("server.timeout = '1s'")]).server.timeout.get(), 1000);
}
