//! Which addresses may be reached on a stranger's word.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpStream;

/// Who chose where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// The operator, in the configuration: any address is meant.
    Operator,
    /// Whoever published a packet, a document or a record: public addresses only, unless the operator says
    /// otherwise.
    Stranger,
}

impl ChosenBy {
    /// True if the address may be connected to.
    pub fn allows(self, address: IpAddr) -> bool {
        self == Self::Operator || is_public(address)
    }

    /// Connects to the first address that is allowed and answers.
    ///
    /// # Errors
    /// If none does: the last failure, which is [`io::ErrorKind::PermissionDenied`] for one that is not allowed.
    pub async fn connect(self, addresses: impl IntoIterator<Item = SocketAddr>) -> io::Result<TcpStream> {
        let mut failure = io::ErrorKind::AddrNotAvailable.into();
        for address in addresses {
            if !self.allows(address.ip()) {
                failure = io::Error::new(io::ErrorKind::PermissionDenied, crate::Refused::Private);
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// True for addresses of the public internet: not this machine, its networks, or what leads back to them.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => v4_inside(v6).map_or_else(|| is_public_v6(v6), is_public_v4),
    }
}

/// IANA's special-purpose registry for IPv4, multicast and the reserved top.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

/// Only global unicast, without documentation, benchmarking and Teredo.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_global_unicast = a & 0xe000 == 0x2000;
    let special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x3fff;
    is_global_unicast && !special
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64 and 6to4.
fn v4_inside(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}
