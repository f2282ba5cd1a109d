//! Single values: what is read, what is refused, and that whatever is printed is read back.

use nexus_config::{Bind, Bounded, Scalar, Secret, Share, Size, Span, Switch, choice};
use proptest::prelude::*;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use toml::Value;

/// Times and sizes without bounds.
type AnySpan = Span<0, { u64::MAX }>;
type AnySize = Size<0, { u64::MAX }>;
type AnyCount = Bounded<0, { u64::MAX }>;

choice! {
    /// How it looks.
    enum Look {
        /// For people.
        Text = "text",
        /// For machines.
        Json = "json",
    }
}

fn read<T: Scalar>(text: &str) -> Option<T> {
    Value::from(text).try_into().ok()
}

fn written<T: Scalar>(value: &T) -> Value {
    Value::try_from(value).unwrap()
}

#[test]
fn an_empty_path_or_secret_is_none() {
    for (path, fits) in [("data", true), ("/", true), ("", false), ("a\0b", false)] {
        assert_eq!(PathBuf::from(path).fits().is_ok(), fits, "{path:?}");
    }
    assert_eq!((Secret::from("x").fits(), Secret::from("").fits().is_err()), (Ok(()), true));
    assert_eq!(Bind::loopback(1).fits(), Ok(()), "most values need nothing but their shape");
}

#[test]
fn times_are_read_as_people_write_them() {
    for (text, millis) in [
        ("250ms", 250),
        ("5s", 5_000),
        ("10m", 600_000),
        ("1h", 3_600_000),
        ("7d", 604_800_000),
        ("1h30m", 5_400_000),
        ("1d1h1m1s1ms", 90_061_001),
        ("1.5s", 1_500),
        ("0.25m", 15_000),
        ("0.0009s", 0),
        ("0s", 0),
        ("0", 0),
        (" 5s ", 5_000),
    ] {
        assert_eq!(read::<AnySpan>(text).map(AnySpan::get), Some(millis), "{text}");
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        " ",
        "5",
        "s",
        "ms",
        "5 s",
        "5S",
        "1w",
        "-1s",
        "+1s",
        "1e3s",
        "1.s",
        ".5s",
        "1..5s",
        "1.5.5s",
        "5sec",
        "99999999999999999999s",
        "400000000000000d",
        "0.00000000000000000000001s",
        "١s",
    ] {
        assert_eq!(read::<AnySpan>(text), None, "{text}");
    }
}

#[test]
fn sizes_are_read_as_people_write_them() {
    for (text, bytes) in [
        ("17", 17),
        ("9 B", 9),
        ("2 KiB", 2 << 10),
        ("50MiB", 50 << 20),
        ("1 GiB", 1 << 30),
        ("1 kB", 1_000),
        ("3MB", 3_000_000),
        ("2 GB", 2_000_000_000),
        ("0", 0),
    ] {
        assert_eq!(read::<AnySize>(text).map(AnySize::get), Some(bytes), "{text}");
    }
    for text in ["", "MiB", "1 mib", "1 KB", "1.5 GiB", "-1", "1 GiB 1 KiB", "99999999999 GiB", "18446744073709551616"]
    {
        assert_eq!(read::<AnySize>(text), None, "{text}");
    }
}

#[test]
fn numbers_in_toml_are_numbers_whatever_they_count() {
    assert_eq!(Value::from(5).try_into::<AnyCount>().unwrap().get(), 5);
    assert_eq!(Value::from(5).try_into::<AnySize>().unwrap().get(), 5);
    assert_eq!(Value::from(0).try_into::<AnySpan>().unwrap().get(), 0);
    assert!(Value::from(5).try_into::<AnySpan>().is_err(), "five of what?");
    for wrong in [Value::from(-1), Value::from(1.0), Value::from(true), Value::from(vec![1])] {
        assert!(wrong.clone().try_into::<AnyCount>().is_err(), "{wrong}");
        assert!(wrong.clone().try_into::<AnySize>().is_err(), "{wrong}");
        assert!(wrong.clone().try_into::<AnySpan>().is_err(), "{wrong}");
    }
}

#[test]
fn a_kind_names_the_range() {
    assert_eq!(Bounded::<1, 1000>::kind(), "number, 1 to 1000");
    assert_eq!(Span::<20, 3_600_000>::kind(), "time, 20ms to 1h");
    assert_eq!(Size::<1, { u64::MAX }>::kind(), "size in bytes, at least 1");
    assert_eq!(Size::<0, { 64 << 20 }>::kind(), "size in bytes, 0 to 64 MiB");
    assert_eq!(Look::kind(), "one of text, json");
}

#[test]
fn a_number_is_used_as_what_it_counts() {
    assert_eq!(Span::<1, 9_000>::of(1_500).duration(), Duration::from_millis(1_500));
    assert_eq!(Bounded::<1, 9>::of(7).count(), 7);
    assert_eq!(format!("{:?} {:?}", Span::<1, 9_000>::of(1_500), Size::<1, 9_000>::of(2_048)), "1500ms 2 KiB");
}

/// An example stands in the commented file, so it must fit.
#[test]
fn examples_fit() {
    fn holds<T: Scalar>() {
        assert!(written(&T::example()).try_into::<T>().is_ok(), "{}", T::kind());
    }
    holds::<Bounded<3, 9>>();
    holds::<Span<20, 60_000>>();
    holds::<Size<4_096, { 1 << 30 }>>();
    holds::<Share>();
    holds::<Switch>();
    holds::<Bind>();
    holds::<Look>();
    holds::<Secret>();
    holds::<String>();
    holds::<bool>();
    holds::<IpAddr>();
    holds::<std::path::PathBuf>();
}

#[test]
fn a_choice_is_one_of_its_words() {
    assert_eq!(Look::ALL.iter().map(|look| look.as_str()).collect::<Vec<_>>(), ["text", "json"]);
    for look in Look::ALL {
        assert_eq!(read::<Look>(look.as_str()), Some(*look));
        assert_eq!(written(look), Value::from(look.as_str()));
    }
    for wrong in ["", "Text", "JSON", "texts"] {
        assert_eq!(read::<Look>(wrong), None, "{wrong}");
    }
}

#[test]
fn a_share_is_more_than_nothing_and_at_most_all() {
    for (value, fits) in [
        (Value::from(0.5), true),
        (Value::from(1.0), true),
        (Value::from(1), true),
        (Value::from(f64::MIN_POSITIVE), true),
        (Value::from(0.0), false),
        (Value::from(0), false),
        (Value::from(-0.5), false),
        (Value::from(1.000_000_1), false),
        (Value::from(f64::NAN), false),
        (Value::from(f64::INFINITY), false),
        (Value::from("0.5"), false),
    ] {
        assert_eq!(value.clone().try_into::<Share>().is_ok(), fits, "{value}");
    }
}

#[test]
fn every_spelling_of_yes_and_no_is_read_and_no_other() {
    for (words, on) in
        [(["1", "t", "T", "TRUE", "true", "True"], true), (["0", "f", "F", "FALSE", "false", "False"], false)]
    {
        for word in words {
            assert_eq!(read::<Switch>(word), Some(Switch::of(on)), "{word}");
        }
        assert_eq!(Value::from(on).try_into::<Switch>(), Ok(Switch::of(on)));
        assert_eq!(written(&Switch::of(on)), Value::from(on));
    }
    for wrong in [Value::from("yes"), Value::from("on"), Value::from(""), Value::from(1), Value::from("tRUE")] {
        assert!(wrong.clone().try_into::<Switch>().is_err(), "{wrong}");
    }
}

#[test]
fn a_bare_port_means_every_interface() {
    let all: Bind = ":8080".parse().unwrap();
    assert_eq!((all.address().port(), all.is_public()), (8080, true));
    assert!(all.address().ip().is_unspecified() && all.address().is_ipv6());
}

#[test]
fn loopback_in_every_spelling_is_private_and_nothing_else_is() {
    for text in ["127.0.0.1:1", "127.8.0.1:1", "[::1]:1", "localhost:1"] {
        assert!(!text.parse::<Bind>().unwrap().is_public(), "{text}");
    }
    for text in ["0.0.0.0:1", "[::]:1", ":1", "192.168.0.1:1", "10.0.0.1:1", "[fe80::1]:1", "[::2]:1"] {
        assert!(text.parse::<Bind>().unwrap().is_public(), "{text}");
    }
}

#[test]
fn what_is_no_address_is_refused_with_what_would_be_one() {
    for text in [
        "",
        ":",
        "8080",
        "example.org:1",
        "1.2.3.4",
        "::1:80:x",
        ":99999",
        ":-1",
        "localhost:x",
        "localhost",
        "1.2.3.4:",
    ] {
        let told = text.parse::<Bind>().unwrap_err();
        assert!(told.ends_with("is no port") || told.contains("IP:PORT"), "{text}: {told}");
        assert_eq!(read::<Bind>(text), None, "{text}");
    }
}

#[test]
fn a_secret_is_written_to_files_and_never_shown() {
    let secret = Secret::from("hunter2");
    assert_eq!(secret.expose(), "hunter2");
    assert_eq!(written(&secret), Value::from("hunter2"));
    assert!(!format!("{secret:?}{:?}{:#?}", Some(&secret), [&secret]).contains("hunter2"));
}

/// Numbers near those at which units change, where a mistake would show.
fn number() -> impl Strategy<Value = u64> {
    let unit =
        prop::sample::select(vec![1u64, 1_000, 1 << 10, 60_000, 3_600_000, 1_000_000, 1 << 20, 86_400_000, 1 << 30]);
    let near = (unit, 0u64..5_000, -1i64..=1).prop_map(|(unit, times, off)| (unit * times).saturating_add_signed(off));
    prop_oneof![near, any::<u64>(), Just(u64::MAX)]
}

/// The value of `1d2h3m…` by hand.
fn parts() -> impl Strategy<Value = (String, u64)> {
    let part = (
        0u64..1_000,
        prop::sample::select(vec![("d", 86_400_000u64), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]),
    );
    prop::collection::vec(part, 1..6).prop_map(|parts| {
        let text = parts.iter().map(|(number, (unit, _))| format!("{number}{unit}")).collect();
        (text, parts.iter().map(|(number, (_, millis))| number * millis).sum())
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(number in number()) {
        // TOML has no larger integers; as text any number is read.
        if i64::try_from(number).is_ok() {
            prop_assert_eq!(written(&AnySpan::of(number)).try_into::<AnySpan>().unwrap().get(), number);
            prop_assert_eq!(written(&AnySize::of(number)).try_into::<AnySize>().unwrap().get(), number);
            prop_assert_eq!(written(&AnyCount::of(number)).try_into::<AnyCount>().unwrap().get(), number);
        }
        prop_assert_eq!(read::<AnySpan>(&format!("{:?}", AnySpan::of(number))).unwrap().get(), number);
        prop_assert_eq!(read::<AnySize>(&format!("{:?}", AnySize::of(number))).unwrap().get(), number);
        prop_assert_eq!(read::<AnyCount>(&format!("{:?}", AnyCount::of(number))).unwrap().get(), number);
    }

    #[test]
    fn a_time_is_the_sum_of_its_parts((text, millis) in parts()) {
        prop_assert_eq!(read::<AnySpan>(&text).map(AnySpan::get), Some(millis), "{}", text);
    }

    #[test]
    fn bounds_hold_in_every_spelling(number in -5i64..20) {
        let fits = (2..=9).contains(&number);
        prop_assert_eq!(Value::from(number).try_into::<Bounded<2, 9>>().is_ok(), fits);
        prop_assert_eq!(read::<Bounded<2, 9>>(&number.to_string()).is_some(), fits);
        prop_assert_eq!(read::<Span<2, 9>>(&format!("{number}ms")).is_some(), fits);
        prop_assert_eq!(read::<Size<2, 9>>(&format!("{number} B")).is_some(), fits);
    }

    #[test]
    fn any_text_is_a_value_or_none(text in ".{0,12}") {
        let _ = (read::<AnySpan>(&text), read::<AnySize>(&text), read::<AnyCount>(&text), read::<Bind>(&text), read::<Switch>(&text));
    }

    #[test]
    fn an_address_is_read_back(ip: IpAddr, port: u16) {
        let address = SocketAddr::new(ip, port);
        let bind: Bind = address.to_string().parse().unwrap();
        prop_assert_eq!(bind.address(), address);
        prop_assert_eq!(bind.to_string().parse::<Bind>(), Ok(bind));
        prop_assert_eq!(written(&bind).try_into::<Bind>(), Ok(bind));
        prop_assert_eq!(bind.is_public(), !ip.is_loopback());
    }
}
