//! Addresses to listen on, as people write them.

use crate::node::Scalar;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, or `:8080` for every interface, v4 and v6.
/// Port 0 takes a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bind(SocketAddr);

impl Bind {
    /// Port `port` on this machine alone.
    pub const fn loopback(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// The address.
    pub const fn address(self) -> SocketAddr {
        self.0
    }

    /// True if other machines can reach it.
    pub const fn is_public(self) -> bool {
        !self.0.ip().is_loopback()
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |port: &str| port.parse::<u16>().map_err(|_| format!("{port:?} is no port"));
        match text.rsplit_once(':') {
            Some(("", digits)) => Ok(Self(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port(digits)?))),
            Some(("localhost", digits)) => Ok(Self::loopback(port(digits)?)),
            _ => text.parse().map(Self).map_err(|_| "an address has the form IP:PORT or :PORT".to_owned()),
        }
    }
}

impl TryFrom<String> for Bind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Bind> for String {
    fn from(bind: Bind) -> Self {
        bind.to_string()
    }
}

impl Scalar for Bind {
    fn kind() -> String {
        "address, IP:PORT or :PORT for every interface".to_owned()
    }

    fn example() -> Self {
        Self::loopback(8080)
    }
}
