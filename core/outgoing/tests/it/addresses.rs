//! The rule for addresses, against IANA's registries of special purposes, block by block and bit by bit.

use nexus_outgoing::ChosenBy;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IANA's IPv4 special-purpose registry without what is globally reachable, multicast, and the reserved top.
const REFUSED_V4: [(&str, u32, &str); 17] = [
    ("0.0.0.0", 8, "this network"),
    ("10.0.0.0", 8, "private use"),
    ("100.64.0.0", 10, "shared address space"),
    ("127.0.0.0", 8, "loopback"),
    ("169.254.0.0", 16, "link local, and the metadata of clouds"),
    ("172.16.0.0", 12, "private use"),
    ("192.0.0.0", 24, "protocol assignments"),
    ("192.0.2.0", 24, "documentation"),
    ("192.88.99.0", 24, "6to4 relays, deprecated"),
    ("192.168.0.0", 16, "private use"),
    ("198.18.0.0", 15, "benchmarking"),
    ("198.51.100.0", 24, "documentation"),
    ("203.0.113.0", 24, "documentation"),
    ("224.0.0.0", 4, "multicast"),
    ("240.0.0.0", 4, "reserved"),
    ("255.255.255.255", 32, "broadcast"),
    ("127.0.0.1", 32, "this machine"),
];

/// The same of IPv6, inside 2000::/3 and out of it. Of 3fff::/16 only a part is documentation, and nothing is in use.
const REFUSED_V6: [(&str, u32, &str); 18] = [
    ("::", 128, "unspecified"),
    ("::1", 128, "loopback"),
    ("64:ff9b:1::", 48, "local translation"),
    ("100::", 64, "discarded"),
    ("100:0:0:1::", 64, "dummy"),
    ("2001::", 23, "protocol assignments, Teredo among them"),
    ("2001:db8::", 32, "documentation"),
    ("3fff::", 16, "documentation"),
    ("4000::", 3, "not assigned"),
    ("5f00::", 16, "segment routing"),
    ("6000::", 3, "not assigned"),
    ("8000::", 2, "not assigned"),
    ("c000::", 3, "not assigned"),
    ("e000::", 4, "not assigned"),
    ("fc00::", 7, "unique local"),
    ("fe80::", 10, "link local"),
    ("fec0::", 10, "site local, deprecated"),
    ("ff00::", 8, "multicast"),
];

fn reaches(address: impl Into<IpAddr>) -> bool {
    let address = address.into();
    assert!(ChosenBy::Operator.allows(address), "the operator means what they say: {address}");
    ChosenBy::Stranger.allows(address)
}

fn v4(text: &str) -> u32 {
    text.parse::<Ipv4Addr>().unwrap().to_bits()
}

fn v6(text: &str) -> u128 {
    text.parse::<Ipv6Addr>().unwrap().to_bits()
}

/// The last address of a block.
fn end_v4(first: u32, prefix: u32) -> u32 {
    first | u32::MAX.checked_shr(prefix).unwrap_or(0)
}

fn end_v6(first: u128, prefix: u32) -> u128 {
    first | u128::MAX.checked_shr(prefix).unwrap_or(0)
}

fn is_refused_v4(bits: u32) -> bool {
    REFUSED_V4.iter().any(|(first, prefix, _)| (v4(first)..=end_v4(v4(first), *prefix)).contains(&bits))
}

/// By the registry alone, with what an address of IPv4 inside says.
fn is_refused_v6(bits: u128) -> bool {
    let inside = |shift: u32| (bits >> shift) as u32;
    let embedded = [
        ("::ffff:0:0", 96, inside(0)),
        ("::", 96, inside(0)),
        ("64:ff9b::", 96, inside(0)),
        ("2002::", 16, inside(80)),
    ];
    for (first, prefix, v4) in embedded {
        if (v6(first)..=end_v6(v6(first), prefix)).contains(&bits) {
            return is_refused_v4(v4);
        }
    }
    let is_unicast = bits >> 125 == 1;
    let listed = REFUSED_V6.iter().any(|(first, prefix, _)| (v6(first)..=end_v6(v6(first), *prefix)).contains(&bits));
    !is_unicast || listed
}

#[test]
fn no_block_of_the_registry_is_reached_from_its_first_to_its_last_address() {
    for (first, prefix, what) in REFUSED_V4 {
        let (first, last) = (v4(first), end_v4(v4(first), prefix));
        for bits in [first, first / 2 + last / 2, last] {
            let address = Ipv4Addr::from_bits(bits);
            assert!(!reaches(address), "{address}: {what}");
        }
    }
    for (first, prefix, what) in REFUSED_V6 {
        let (first, last) = (v6(first), end_v6(v6(first), prefix));
        for bits in [first, first / 2 + last / 2, last] {
            let address = Ipv6Addr::from_bits(bits);
            assert!(!reaches(address), "{address}: {what}");
        }
    }
}

#[test]
fn the_neighbours_of_each_block_are_reached_unless_they_are_in_another() {
    let mut public = 0;
    for (first, prefix, _) in REFUSED_V4 {
        for bits in [v4(first).wrapping_sub(1), end_v4(v4(first), prefix).wrapping_add(1)] {
            assert_eq!(reaches(Ipv4Addr::from_bits(bits)), !is_refused_v4(bits), "{}", Ipv4Addr::from_bits(bits));
            public += usize::from(!is_refused_v4(bits));
        }
    }
    assert!(public > 15, "the test looks at addresses that are reached: {public}");
    for text in
        ["2000::", "2001:200::", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::", "2606:4700::1111", "3ffe::"]
    {
        assert!(reaches(text.parse::<Ipv6Addr>().unwrap()), "{text}");
    }
}

#[test]
fn well_known_servers_are_reached() {
    for text in ["1.1.1.1", "8.8.8.8", "9.9.9.9", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0"] {
        assert!(reaches(text.parse::<IpAddr>().unwrap()), "{text}");
    }
}

/// Each way to write an address of IPv4 into one of IPv6.
fn disguises(inner: Ipv4Addr) -> [Ipv6Addr; 4] {
    let bits = u128::from(inner.to_bits());
    [
        inner.to_ipv6_mapped(),
        Ipv6Addr::from_bits(bits),
        Ipv6Addr::from_bits(v6("64:ff9b::") | bits),
        Ipv6Addr::from_bits(v6("2002::") | bits << 80 | 0x1234),
    ]
}

/// Ways that lead to IPv4 through a translator of the network one is in: never reached, whatever they name.
fn translated(inner: Ipv4Addr) -> [Ipv6Addr; 3] {
    let bits = u128::from(inner.to_bits());
    [
        Ipv6Addr::from_bits(v6("::ffff:0:0:0") | bits),
        Ipv6Addr::from_bits(v6("64:ff9b:1::") | bits),
        Ipv6Addr::from_bits(v6("2001::") | u128::from(!inner.to_bits())),
    ]
}

#[test]
fn private_places_are_refused_in_every_disguise() {
    for text in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "0.0.0.0", "224.0.0.1"] {
        let inner: Ipv4Addr = text.parse().unwrap();
        for address in disguises(inner).into_iter().chain(translated(inner)) {
            assert!(!reaches(address), "{address} is {text}");
        }
    }
}

/// Addresses near the ends of blocks, where a mistake would show, and any others.
fn any_v4() -> impl Strategy<Value = u32> {
    let near = (prop::sample::select(&REFUSED_V4[..]), any::<bool>(), -3i32..=3).prop_map(
        |((first, prefix, _), at_end, off)| {
            let bits = if at_end { end_v4(v4(first), prefix) } else { v4(first) };
            bits.wrapping_add_signed(off)
        },
    );
    prop_oneof![near, any::<u32>()]
}

fn any_v6() -> impl Strategy<Value = u128> {
    let near = (prop::sample::select(&REFUSED_V6[..]), any::<bool>(), -3i128..=3).prop_map(
        |((first, prefix, _), at_end, off)| {
            let bits = if at_end { end_v6(v6(first), prefix) } else { v6(first) };
            bits.wrapping_add_signed(off)
        },
    );
    let unicast = any::<u128>().prop_map(|bits| bits >> 3 | 1 << 125);
    prop_oneof![near, unicast, any::<u128>()]
}

proptest! {
    #[test]
    fn the_rule_is_the_registry(bits in any_v4()) {
        prop_assert_eq!(reaches(Ipv4Addr::from_bits(bits)), !is_refused_v4(bits), "{}", Ipv4Addr::from_bits(bits));
    }

    #[test]
    fn the_rule_is_the_registry_of_ipv6_too(bits in any_v6()) {
        prop_assert_eq!(reaches(Ipv6Addr::from_bits(bits)), !is_refused_v6(bits), "{}", Ipv6Addr::from_bits(bits));
    }

    #[test]
    fn a_disguise_changes_nothing(bits in any_v4()) {
        let inner = Ipv4Addr::from_bits(bits);
        for address in disguises(inner) {
            prop_assert_eq!(reaches(address), reaches(inner), "{} is {}", address, inner);
        }
        for address in translated(inner) {
            prop_assert!(!reaches(address), "{} is {}", address, inner);
        }
    }
}
