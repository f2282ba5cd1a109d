//! Who sends a request: the peer, or whom a trusted proxy says it speaks for.

use http::{HeaderMap, header::FORWARDED};
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// The address that a request is counted under. Every request that a [`Site`](crate::Site) serves carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(pub IpAddr);

impl Client {
    /// The address, without the part of an IPv6 one that a single client chooses freely (its lower 64 bits).
    pub(crate) const fn bucket(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        }
    }
}

/// A range of addresses: `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// True if `address` lies in the range.
    pub const fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                same_prefix(base.to_bits() as u128, address.to_bits() as u128, 32 - self.prefix)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                same_prefix(base.to_bits(), address.to_bits(), 128 - self.prefix)
            }
            _ => false,
        }
    }
}

const fn same_prefix(a: u128, b: u128, free_bits: u8) -> bool {
    free_bits >= 128 || (a ^ b) >> free_bits == 0
}

/// Not an address and not a range.
#[derive(Debug, thiserror::Error)]
#[error("not a network such as 10.0.0.0/8: {0:?}")]
pub struct NotANetwork(String);

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let refuse = || NotANetwork(text.into());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let base: IpAddr = address.parse().map_err(|_| refuse())?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |p| p.parse().map_err(|_| refuse()))?;
        if prefix > longest { Err(refuse()) } else { Ok(Self { base, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// Proxies whose word about their clients is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Proxies in these networks.
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// True if `address` is such a proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Who sent a request that arrived from `peer`. Of the chain that proxies wrote, only the part behind
    /// trusted ones counts: what stands left of it could be written by anybody.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return Client(peer);
        }
        let mut client = peer;
        for hop in forwarded_chain(headers).into_iter().rev() {
            client = hop.to_canonical();
            if !self.contains(client) {
                break;
            }
        }
        Client(client)
    }
}

/// Addresses that proxies wrote down, the farthest first. The chain is cut at what is not an address. A line counts
/// even if part of it is no text: proxies append to what clients sent, who must not choose which header is read.
fn forwarded_chain(headers: &HeaderMap) -> Vec<IpAddr> {
    let texts = |name: &str| {
        let lines = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
        lines.collect::<Vec<_>>().join(",")
    };
    let listed = [texts("x-forwarded-for"), forwarded_for(&texts(FORWARDED.as_str())), texts("x-real-ip")];
    let chain = listed.iter().find(|text| !text.is_empty()).map_or("", String::as_str);
    let mut hops: Vec<_> = chain.rsplit(',').map_while(|hop| address(hop.trim())).collect();
    hops.reverse();
    hops
}

/// The `for=` members of RFC 7239, as the older header writes them. A hop may leave it out, and is unknown then.
fn forwarded_for(text: &str) -> String {
    let hop = |part: &str| {
        let named = part.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"').to_owned())
        });
        named.unwrap_or_else(|| "unknown".to_owned())
    };
    if text.is_empty() { String::new() } else { text.split(',').map(hop).collect::<Vec<_>>().join(",") }
}

/// An address, with or without a port or brackets.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.parse().ok();
    let bracketed = || text.strip_prefix('[')?.split(']').next()?.parse().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip());
    plain.or_else(bracketed).or_else(with_port)
}
