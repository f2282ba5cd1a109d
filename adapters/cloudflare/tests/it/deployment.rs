use nexus_cloudflare::{Deployment, VariableError, WRANGLER};
use nexus_relay::settings::Requirement;
use std::collections::{BTreeSet, HashMap};

fn read(variables: &[(&str, &str)]) -> Result<Deployment, VariableError> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    Deployment::read(|name| variables.get(name).map(|value| (*value).to_owned()))
}

const KEY: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

#[test]
fn variables_become_settings() {
    let two = format!("{KEY}, {KEY}");
    let deployment = read(&[
        ("RELAY_URL", "wss://relay.example.com"),
        ("AUTH_REQUIRED", "true"),
        ("RELAY_NAME", "Mine"),
        ("RELAY_PUBKEY", KEY),
        ("ADMIN_PUBKEYS", &two),
        ("RELAY_CONTACT", ""),
    ])
    .unwrap();
    assert_eq!(deployment.settings.urls.len(), 1);
    assert_eq!(deployment.settings.auth.required, Requirement::Required);
    assert_eq!((deployment.name.as_deref(), deployment.contact), (Some("Mine"), None));
    assert_eq!((deployment.pubkey.unwrap().to_string(), deployment.admins.len()), (KEY.to_owned(), 2));
    assert_eq!(read(&[]).unwrap().settings.auth.required, Requirement::Optional);
}

#[test]
fn what_cannot_be_understood_is_named() {
    for (variables, name) in [
        (&[("RELAY_URL", "relay")][..], "RELAY_URL"),
        (&[("AUTH_REQUIRED", "yes")], "AUTH_REQUIRED"),
        (&[("AUTH_REQUIRED", "true")], "RELAY_URL"),
        (&[("RELAY_PUBKEY", "npub1")], "RELAY_PUBKEY"),
        (&[("ADMIN_PUBKEYS", "a,b")], "ADMIN_PUBKEYS"),
    ] {
        assert_eq!(read(variables).unwrap_err().name, name, "{variables:?}");
    }
}

/// The file that is deployed sets the variables that are read, and has the bindings of the first Nexus relay.
#[test]
fn the_deployment_is_complete() {
    let file: toml::Table = WRANGLER.parse().unwrap();
    let variables = file["vars"].as_table().unwrap();
    let value = |name: &str| variables.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    assert!(Deployment::read(value).is_ok());
    let named: BTreeSet<&str> = variables.keys().map(String::as_str).chain(["ADMIN_PUBKEYS"]).collect();
    assert_eq!(named, BTreeSet::from(Deployment::NAMES));
    assert_eq!(file["d1_databases"][0]["binding"].as_str(), Some("DB"));
    let object = &file["durable_objects"]["bindings"][0];
    assert_eq!((object["name"].as_str(), object["class_name"].as_str()), (Some("NEXUS_RELAY"), Some("NexusRelay")));
    assert_eq!(file["migrations"][0]["new_sqlite_classes"][0].as_str(), Some("NexusRelay"));
    assert!(file["migrations"][0]["tag"].is_str());
}
