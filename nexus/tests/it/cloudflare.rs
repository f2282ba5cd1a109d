//! The relay's other backend: what a deployment's variables mean is what this program's configuration means.

use crate::program::{printed, run};
use nexus_cloudflare::{Deployment, WRANGLER};

const KEY: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

/// A variable, the key that says the same here, and values for both.
const SAME: [(&str, &str, &str); 12] = [
    ("RELAY_URL", "relay.url", "wss://relay.example.com"),
    ("RELAY_URL", "relay.url", "ws://127.0.0.1:8080/"),
    ("RELAY_URL", "relay.url", "relay"),
    ("AUTH_REQUIRED", "relay.auth.required", "false"),
    ("AUTH_REQUIRED", "relay.auth.required", "yes"),
    ("RELAY_NAME", "relay.info.name", "Mine"),
    ("RELAY_DESCRIPTION", "relay.info.description", "for friends"),
    ("RELAY_CONTACT", "relay.info.contact", "mailto:me@example.com"),
    ("RELAY_PUBKEY", "relay.info.pubkey", KEY),
    ("RELAY_PUBKEY", "relay.info.pubkey", "79be"),
    ("ADMIN_PUBKEYS", "relay.admin_pubkeys", KEY),
    ("ADMIN_PUBKEYS", "relay.admin_pubkeys", "nobody"),
];

#[test]
fn both_backends_take_and_refuse_the_same_values() {
    let directory = tempfile::tempdir().unwrap();
    for (variable, key, value) in SAME {
        let there = Deployment::read(|name| (name == variable).then(|| value.to_owned()));
        let here = match key {
            "relay.admin_pubkeys" => format!("{key}=[\"{value}\"]"),
            _ => format!("{key}={value}"),
        };
        let checked = run(directory.path(), ["config", "check", "--set", &here]);
        assert_eq!(checked.status.success(), there.is_ok(), "{variable}={value}: {there:?}, {}", printed(&checked));
    }
}

#[test]
fn every_variable_has_a_key_here() {
    for name in Deployment::NAMES {
        assert!(SAME.iter().any(|(variable, ..)| *variable == name), "{name}");
        assert!(name == "ADMIN_PUBKEYS" || WRANGLER.contains(&format!("\n{name} = ")), "{name}");
    }
}
