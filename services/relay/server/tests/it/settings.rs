//! What an operator writes is what the relay goes by: each key reaches the setting that it names.

use nexus_relay::settings;
use nexus_relay_server::config::Relay;

fn read(text: &str) -> settings::Settings {
    toml::from_str::<Relay>(text).expect("a configuration").settings()
}

/// No two numbers are the same, so that none can stand in another's place.
#[test]
fn each_limit_is_the_one_that_it_is_called() {
    let text = r#"
        [connections]
        outbound = 5000
        [limits]
        message = 2001
        event = 1002
        tags = 3
        tag_value = 104
        subscriptions = 5
        authenticated_subscriptions = 6
        filters = 7
        filter_values = 8
        search_words = 9
        subscription_values = 10
        tag_conditions = 11
        limit = 12
        default_limit = 13
        future = "14s"
        past = "15s"
        ephemeral_age = "16s"
        count = 17
        negentropy = 18
        negentropy_frame = 4119
        negentropy_idle = "20s"
        live_buffer = 21
        protocol_errors = 22
        keys = 23
        boundary = 24
        removal_days = 25
        held = 26
    "#;
    let expected = settings::Limits {
        message_bytes: 2_001,
        event_bytes: 1_002,
        tags: 3,
        tag_value_bytes: 104,
        subscriptions: 5,
        authenticated_subscriptions: 6,
        filters: 7,
        filter_values: 8,
        search_words: 9,
        subscription_values: 10,
        tag_conditions: 11,
        limit: 12,
        default_limit: 13,
        future: 14,
        past: 15,
        ephemeral_age: 16,
        count: 17,
        negentropy: 18,
        negentropy_frame: 4_119,
        negentropy_idle: 20,
        live_buffer: 21,
        outbound_bytes: 5_000,
        protocol_errors: 22,
        keys: 23,
        boundary: 24,
        removal_days: 25,
        held: 26,
    };
    assert_eq!(format!("{:?}", read(text).limits), format!("{expected:?}"));
}

#[test]
fn each_rate_is_the_one_that_it_is_called() {
    let text = r#"
        [rates]
        messages = { burst = 1, per_minute = 2 }
        events = { burst = 3, per_minute = 4 }
        queries = { burst = 5, per_minute = 6 }
        negentropy = { burst = 7, per_minute = 8 }
        author_events = { burst = 9, per_minute = 10 }
        gift_wraps = { burst = 11, per_minute = 12 }
        bad_signatures = 13
        ban = "14s"
        authenticated_factor = 15
        remembered = 1016
        trusted_ips = ["192.0.2.0/24"]
        [[rates.kinds]]
        kind = 17
        burst = 18
        per_minute = 19
    "#;
    let rate = |burst, per_minute| settings::Rate { burst, per_minute };
    let rates = read(&text.replace("1016", "2016")).rates;
    let of_addresses = [rates.messages, rates.events, rates.queries, rates.negentropy];
    assert_eq!(of_addresses, [rate(1, 2), rate(3, 4), rate(5, 6), rate(7, 8)]);
    assert_eq!((rates.author_events, rates.gift_wraps), (rate(9, 10), rate(11, 12)));
    assert_eq!((rates.bad_signatures, rates.ban, rates.authenticated_factor, rates.remembered), (13, 14, 15, 2_016));
    assert_eq!(rates.kinds, [(nexus_nostr::Kind::new(17), rate(18, 19))]);
    assert!(rates.spare([192, 0, 2, 9].into()) && !rates.spare([192, 0, 3, 9].into()));
    assert!(toml::from_str::<Relay>(text).is_err(), "1,016 is fewer than the relay can work with");
}

#[test]
fn a_key_that_nobody_knows_and_a_number_out_of_range_are_errors() {
    for (text, expected) in [
        ("[limits]\nlimits = 3", "limits"),
        ("[limits]\nlimit = 0", "limit"),
        ("[limits]\nsubscriptions = -1", "subscriptions"),
        ("[limits]\nfuture = \"soon\"", "future"),
        ("[rates]\nevents = { burst = 1, per_hour = 3 }", "per_hour"),
        ("[[policy]]\naction = \"perhaps\"", "perhaps"),
        ("[[retention]]\nranges = [[3, 1]]", "ranges"),
        ("admin_pubkeys = [\"nobody\"]", "admin_pubkeys"),
        ("[rates]\ntrusted_ips = [\"192.0.2.0/33\"]", "trusted_ips"),
    ] {
        let error = toml::from_str::<Relay>(text).err().unwrap_or_else(|| panic!("{text} is taken"));
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
}
