//! Who lives where: the port to pkarr. A user's signed packet names a homeserver, a homeserver's packet names
//! its addresses. The client behind it is built when it is first asked for, since it opens a socket.

use crate::config::{Pkarr, Watcher};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, pin_mut};
use nexus_pubky::PubkyId;
use pkarr::{Client, PublicKey, ResolvePolicy, SignedPacket, dns::rdata::RData, errors::ResolveError};
use std::net::SocketAddr;
use tokio::sync::OnceCell;

/// Finds homeservers.
pub trait Directory: Send + Sync {
    /// The homeserver that a user's packet names now, if there is one.
    fn homeserver_of<'a>(&'a self, user: &'a PubkyId) -> BoxFuture<'a, Result<Option<PubkyId>, DirectoryError>>;

    /// Where a homeserver is.
    fn route<'a>(&'a self, homeserver: &'a PubkyId) -> BoxFuture<'a, Result<Route, DirectoryError>>;
}

/// How to connect to a homeserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it listens.
    pub at: At,
    /// What its connection proves.
    pub security: Security,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// At any of these addresses.
    Addresses(Vec<SocketAddr>),
    /// At a name and a port.
    Name(String, u16),
}

/// What a connection proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nothing: plain HTTP.
    Plain,
    /// The homeserver's key, by TLS with raw public keys.
    RawKey(PubkyId),
    /// A name, by a certificate of the web's authorities.
    WebPki(String),
}

/// Why the directory gives no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// It is switched off in the configuration.
    #[error("keys are not looked up: pkarr is off")]
    Off,
    /// It can't be asked now.
    #[error("pkarr can't be asked: {0}")]
    Unavailable(String),
    /// A packet says nothing that can be used.
    #[error("the pkarr packet of {0} names no usable homeserver")]
    Unusable(PubkyId),
}

/// The directory of the Pubky network.
pub struct PkarrDirectory {
    settings: Settings,
    client: OnceCell<Client>,
}

struct Settings {
    kind: Pkarr,
    testnet_host: String,
    relays: Vec<String>,
}

/// Ports of a test network (`pubky-testnet`).
const TESTNET_DHT: u16 = 6881;
const TESTNET_RELAY: u16 = 15411;

impl PkarrDirectory {
    /// A directory by the configuration. Touches no network.
    pub fn new(watcher: &Watcher) -> Self {
        let settings = Settings {
            kind: watcher.pkarr,
            testnet_host: watcher.testnet_host.clone(),
            relays: watcher.pkarr_relays.clone(),
        };
        Self { settings, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, DirectoryError> {
        self.client.get_or_try_init(|| async { self.settings.build() }).await
    }

    /// Tells everybody a key's packet.
    pub(crate) async fn publish(&self, packet: &SignedPacket) -> Result<(), DirectoryError> {
        self.client().await?.publish(packet).await.map(drop).map_err(unavailable)
    }

    async fn packet(&self, key: &PubkyId) -> Result<Option<SignedPacket>, DirectoryError> {
        let public = PublicKey::try_from(key.as_str()).map_err(|_| DirectoryError::Unusable(*key))?;
        match self.client().await?.resolve(&public, ResolvePolicy::CacheFirst).await {
            Ok(packet) => Ok(Some(packet)),
            Err(ResolveError::NotFound) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn endpoints(&self, homeserver: &PubkyId) -> Result<Route, DirectoryError> {
        let endpoints = self.client().await?.resolve_https_endpoints(homeserver.as_str());
        pin_mut!(endpoints);
        let (mut direct, mut named) = (Vec::new(), None);
        while let Some(endpoint) = endpoints.next().await {
            match endpoint.domain() {
                Some(domain) if named.is_none() => named = Some((domain.to_owned(), endpoint.port().unwrap_or(443))),
                Some(_) => {}
                None => direct.extend(endpoint.to_socket_addrs()),
            }
        }
        match named {
            _ if !direct.is_empty() => Ok(Route { at: At::Addresses(direct), security: Security::RawKey(*homeserver) }),
            Some((name, port)) => Ok(Route { at: At::Name(name.clone(), port), security: Security::WebPki(name) }),
            None => Err(DirectoryError::Unusable(*homeserver)),
        }
    }
}

impl Directory for PkarrDirectory {
    fn homeserver_of<'a>(&'a self, user: &'a PubkyId) -> BoxFuture<'a, Result<Option<PubkyId>, DirectoryError>> {
        async move {
            let Some(packet) = self.packet(user).await? else { return Ok(None) };
            let Some(target) = target(&packet) else { return Ok(None) };
            target.parse().map(Some).map_err(|_| DirectoryError::Unusable(*user))
        }
        .boxed()
    }

    fn route<'a>(&'a self, homeserver: &'a PubkyId) -> BoxFuture<'a, Result<Route, DirectoryError>> {
        self.endpoints(homeserver).boxed()
    }
}

impl Settings {
    fn build(&self) -> Result<Client, DirectoryError> {
        let mut builder = Client::builder();
        match self.kind {
            Pkarr::Off => return Err(DirectoryError::Off),
            Pkarr::Public if self.relays.is_empty() => {}
            Pkarr::Public => drop(builder.relays(&self.relays).map_err(unavailable)?),
            Pkarr::Relays => drop(builder.no_dht().relays(&self.relays).map_err(unavailable)?),
            Pkarr::Testnet => {
                let host = &self.testnet_host;
                let relay = format!("http://{host}:{TESTNET_RELAY}");
                builder.no_default_network().bootstrap(&[format!("{host}:{TESTNET_DHT}")]);
                builder.relays(&[relay]).map_err(unavailable)?;
            }
        }
        builder.build().map_err(unavailable)
    }
}

fn unavailable(error: impl std::fmt::Display) -> DirectoryError {
    DirectoryError::Unavailable(error.to_string())
}

/// The homeserver that a user's packet names.
fn target(packet: &SignedPacket) -> Option<String> {
    packet.resource_records("_pubky").find_map(|record| match &record.rdata {
        RData::SVCB(svcb) => Some(svcb.target.to_string()),
        RData::HTTPS(https) => Some(https.0.target.to_string()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pkarr::{Keypair, dns::rdata::SVCB};

    #[test]
    fn a_users_packet_names_the_homeserver() {
        let homeserver = Keypair::from_secret_key(&[1; 32]).public_key().to_z32();
        let alias = SVCB::new(0, homeserver.as_str().try_into().unwrap());
        let packet = SignedPacket::builder().https("_pubky".try_into().unwrap(), alias, 3600);
        assert_eq!(target(&packet.sign(&Keypair::from_secret_key(&[2; 32])).unwrap()), Some(homeserver));
        assert_eq!(target(&SignedPacket::builder().sign(&Keypair::from_secret_key(&[2; 32])).unwrap()), None);
    }

    #[tokio::test]
    async fn a_directory_that_is_off_asks_nobody() {
        let directory = PkarrDirectory::new(&Watcher { pkarr: Pkarr::Off, ..Watcher::default() });
        let key = "8um71us3fyw6h8wbcxb5ar3rwusy1a6u49956ikzojg3gcwd1dty".parse().unwrap();
        assert_eq!(directory.homeserver_of(&key).await, Err(DirectoryError::Off));
        assert_eq!(directory.route(&key).await, Err(DirectoryError::Off));
    }
}
