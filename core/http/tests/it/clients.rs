//! Who a request is counted under: the peer, or whom trusted proxies name. What a client writes itself never counts.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use nexus_http::{Client, Network, TrustedProxies};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), bytes(value.as_bytes()));
    lines.iter().map(line).collect::<Vec<_>>().into_iter().fold(HeaderMap::new(), |mut headers, (name, value)| {
        headers.append(name, value);
        headers
    })
}

fn bytes(value: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(value).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn proxies(networks: &[&str]) -> TrustedProxies {
    TrustedProxies::new(networks.iter().map(|n| n.parse().unwrap()).collect())
}

/// Who a request from 10.0.0.1, a trusted proxy, is counted under.
fn behind_a_proxy(lines: &[(&'static str, &str)]) -> IpAddr {
    proxies(&["10.0.0.0/8", "fd00::/8"]).client(ip("10.0.0.1"), &headers(lines)).0
}

#[test]
fn a_stranger_cannot_name_another_client() {
    for name in ["x-forwarded-for", "x-real-ip", "forwarded"] {
        let says = headers(&[(name, if name == "forwarded" { "for=1.1.1.1" } else { "1.1.1.1" })]);
        assert_eq!(proxies(&["10.0.0.0/8"]).client(ip("9.9.9.9"), &says), Client(ip("9.9.9.9")), "{name}");
        assert_eq!(TrustedProxies::default().client(ip("10.0.0.1"), &says), Client(ip("10.0.0.1")), "{name}");
    }
}

#[test]
fn the_last_hop_before_trusted_ones_counts() {
    assert_eq!(behind_a_proxy(&[("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.1.1.1")]), ip("1.2.3.4"));
    assert_eq!(behind_a_proxy(&[("x-real-ip", "1.2.3.4")]), ip("1.2.3.4"));
    let standard = "for=6.6.6.6, For=\"[2001:db8::1]:80\";proto=https, for=10.2.2.2";
    assert_eq!(behind_a_proxy(&[("forwarded", standard)]), ip("2001:db8::1"));
    assert_eq!(behind_a_proxy(&[("x-forwarded-for", "::ffff:1.2.3.4")]), ip("1.2.3.4"), "one client, one spelling");
}

#[test]
fn hops_are_read_with_ports_brackets_and_over_several_lines() {
    for hop in ["1.2.3.4", "1.2.3.4:567", " 1.2.3.4 "] {
        assert_eq!(behind_a_proxy(&[("x-forwarded-for", hop)]), ip("1.2.3.4"), "{hop}");
    }
    for hop in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:567"] {
        assert_eq!(behind_a_proxy(&[("x-forwarded-for", hop)]), ip("2001:db8::1"), "{hop}");
    }
    let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "10.9.9.9")];
    assert_eq!(behind_a_proxy(&lines), ip("1.2.3.4"));
}

#[test]
fn a_chain_is_cut_at_what_is_no_address() {
    assert_eq!(behind_a_proxy(&[("x-forwarded-for", "1.2.3.4, unknown")]), ip("10.0.0.1"));
    assert_eq!(behind_a_proxy(&[("x-forwarded-for", "1.2.3.4, _hidden, 10.3.3.3")]), ip("10.3.3.3"));
    assert_eq!(behind_a_proxy(&[("x-forwarded-for", "1.2.3.4,, 10.3.3.3")]), ip("10.3.3.3"));
    assert_eq!(behind_a_proxy(&[("x-forwarded-for", "")]), ip("10.0.0.1"));
}

/// A proxy appends to what the client sent. If an unreadable beginning made the line unreadable as a whole, the
/// client could choose which header is believed instead.
#[test]
fn a_line_that_is_no_text_does_not_make_way_for_another_header() {
    let mut says = headers(&[("forwarded", "for=6.6.6.6"), ("x-real-ip", "7.7.7.7")]);
    says.insert("x-forwarded-for", bytes(b"\xff, 1.2.3.4"));
    assert_eq!(proxies(&["10.0.0.0/8"]).client(ip("10.0.0.1"), &says).0, ip("1.2.3.4"));
    says.insert("x-forwarded-for", bytes(b"1.2.3.4, \xff"));
    assert_eq!(proxies(&["10.0.0.0/8"]).client(ip("10.0.0.1"), &says).0, ip("10.0.0.1"));
}

/// RFC 7239 lets a proxy leave its `for` out: then nobody knows who stands left of it.
#[test]
fn a_standard_hop_that_names_nobody_cuts_the_chain() {
    assert_eq!(behind_a_proxy(&[("forwarded", "for=6.6.6.6, by=203.0.113.43;proto=https")]), ip("10.0.0.1"));
    assert_eq!(behind_a_proxy(&[("forwarded", "for=6.6.6.6, for=unknown")]), ip("10.0.0.1"));
    assert_eq!(behind_a_proxy(&[("forwarded", "for=6.6.6.6, proto=https, for=10.3.3.3")]), ip("10.3.3.3"));
}

#[test]
fn trusting_everybody_gives_the_far_end() {
    let all = proxies(&["0.0.0.0/0", "::/0"]);
    let says = headers(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2")]);
    assert_eq!(all.client(ip("9.9.9.9"), &says), Client(ip("1.1.1.1")));
}

#[test]
fn networks_refuse_what_is_none() {
    for text in ["", "/", "10.0.0.0/33", "::/129", "10.0.0/8", "x/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", " ::"]
    {
        let told = text.parse::<Network>().unwrap_err().to_string();
        assert_eq!(told, format!("not a network such as 10.0.0.0/8: {text:?}"));
    }
    assert!("1.2.3.4".parse::<Network>().unwrap().contains(ip("::ffff:1.2.3.4")));
}

fn address() -> impl Strategy<Value = IpAddr> {
    // Few bits that differ, so that addresses lie in each other's networks.
    let v4 = prop::sample::select(vec![0u32, 1, 0x0a00_0000, 0x0a00_0001, 0x0a01_0000, 0x8000_0000, u32::MAX]);
    let v6 = (0u128..3, 0u32..128).prop_map(|(bits, shift)| bits << shift);
    prop_oneof![
        v4.prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        v6.prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        any::<IpAddr>(),
    ]
}

/// An address as the text of its bits; one of IPv4 that is mapped is that of IPv4.
fn bits(address: IpAddr) -> (bool, String) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (true, format!("{:032b}", v4.to_bits())),
        IpAddr::V6(v6) => (false, format!("{:0128b}", v6.to_bits())),
    }
}

proptest! {
    #[test]
    fn a_network_is_a_common_beginning_of_bits(base in address(), other in address(), prefix in 0usize..=128) {
        let base = base.to_canonical();
        let (base_is_v4, base_bits) = bits(base);
        let prefix = prefix.min(base_bits.len());
        let network: Network = format!("{base}/{prefix}").parse().unwrap();
        let (is_v4, bits) = bits(other);
        let expected = is_v4 == base_is_v4 && bits[..prefix] == base_bits[..prefix];
        prop_assert_eq!(network.contains(other), expected);
        prop_assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
    }

    /// From the right, as long as hops are trusted; one step further is the client.
    #[test]
    fn the_client_is_where_trust_ends(hops in prop::collection::vec(prop::option::of(0u8..6), 0..6), peer in 0u8..6) {
        let address = |host: u8| IpAddr::from([10, 0, 0, host]);
        let trusted = proxies(&["10.0.0.0/31", "10.0.0.2"]);
        let is_trusted = |host: u8| host < 3;
        let mut expected = address(peer);
        let mut trusting = is_trusted(peer);
        for hop in hops.iter().rev() {
            let Some(host) = hop else { break };
            if !trusting {
                break;
            }
            expected = address(*host);
            trusting = is_trusted(*host);
        }
        let text = |hop: &Option<u8>| hop.map_or("unknown".to_owned(), |host| address(host).to_string());
        let chain = hops.iter().map(text).collect::<Vec<_>>().join(", ");
        let standard = hops.iter().map(|hop| format!("for=\"{}\";by=1.1.1.1", text(hop))).collect::<Vec<_>>().join(",");
        prop_assert_eq!(trusted.client(address(peer), &headers(&[("x-forwarded-for", &chain)])).0, expected);
        prop_assert_eq!(trusted.client(address(peer), &headers(&[("forwarded", &standard)])).0, expected);
    }

    #[test]
    fn arbitrary_headers_give_some_client(value in prop::collection::vec(prop_oneof![32u8..127, 128u8..=255], 0..60), which in 0usize..3) {
        let name = ["x-forwarded-for", "forwarded", "x-real-ip"][which];
        let mut says = HeaderMap::new();
        says.insert(name, bytes(&value));
        let client = proxies(&["10.0.0.0/8"]).client(ip("9.9.9.9"), &says);
        prop_assert_eq!(client.0, ip("9.9.9.9"));
        let _ = proxies(&["0.0.0.0/0", "::/0"]).client(ip("9.9.9.9"), &says);
    }
}
