//! The API by key (spec d.0): over TLS with a raw public key, where the key is the server's name, and the pkarr packet
//! by which clients find the address. Publishing is the operator's choice: nothing here needs the DHT.

mod packet;
mod secret;

use crate::{config, source::PkarrDirectory};
use nexus_config::Bind;
use nexus_pubky::PubkyId;
use nexus_runtime::{CancellationToken, Clock};
use pkarr::Keypair;
use rustls::ServerConfig;
use std::{convert::Infallible, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

/// First pause after a publication failed; it doubles each time, up to the time between publications.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The server's key, and what is done with it.
#[derive(Clone)]
pub struct Keyed {
    pair: Keypair,
    bind: Bind,
    settings: config::Keyed,
    directory: Arc<PkarrDirectory>,
    clock: Clock,
}

impl Keyed {
    /// Reads the key, or makes one if there is no file. `None` if the API isn't to be reached by key.
    ///
    /// # Errors
    /// If the file can't be read or written, or holds no key.
    pub fn open(
        settings: &config::Keyed,
        file: &Path,
        directory: Arc<PkarrDirectory>,
        clock: Clock,
    ) -> io::Result<Option<Self>> {
        let Some(bind) = settings.bind else { return Ok(None) };
        let pair = secret::read_or_make(file)?;
        Ok(Some(Self { pair, bind, settings: settings.clone(), directory, clock }))
    }

    /// The public key whose secret is in the file; `None` if there is no file. Makes none.
    ///
    /// # Errors
    /// If the file can't be read, or holds no key.
    pub fn stored(file: &Path) -> io::Result<Option<String>> {
        Ok(secret::read_file(file)?.map(|pair| pair.to_z32()))
    }

    /// Where it is to listen.
    pub const fn bind(&self) -> Bind {
        self.bind
    }

    /// The public key.
    ///
    /// # Panics
    /// Never: both types hold the same keys.
    pub fn key(&self) -> PubkyId {
        self.pair.to_z32().parse().expect("a public key is an id")
    }

    /// TLS that proves the key (RFC 7250).
    pub fn tls(&self) -> ServerConfig {
        self.pair.to_rpk_rustls_server_config()
    }

    /// Publishes where the listener is, again and again, if that is wanted. A failure is told and tried again.
    ///
    /// # Errors
    /// None; the type fits `Tasks::spawn`.
    pub async fn publish(self, listener: SocketAddr, stop: CancellationToken) -> Result<(), Infallible> {
        let Some(ip) = self.settings.published_ip().filter(|_| self.settings.publish) else { return Ok(()) };
        let address = SocketAddr::new(ip, listener.port());
        stop.run_until_cancelled(self.keep_published(address)).await;
        Ok(())
    }

    async fn keep_published(&self, address: SocketAddr) {
        let usual = self.settings.republish.duration();
        let mut pause = FIRST_PAUSE.min(usual);
        loop {
            let published = self.publish_once(address).await;
            let result = if published.is_ok() { "done" } else { "failed" };
            metrics::counter!("social_key_publications_total", "result" => result).increment(1);
            match published {
                Ok(()) => {
                    tracing::info!(key = %self.key(), %address, "published where the API is reached by key");
                    pause = FIRST_PAUSE.min(usual);
                    tokio::time::sleep(usual).await;
                }
                Err(error) => {
                    tracing::warn!(%error, again_in = ?pause, "could not publish where the API is reached by key");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(usual);
                }
            }
        }
    }

    async fn publish_once(&self, address: SocketAddr) -> Result<(), PublishError> {
        let packet = packet::of(&self.pair, address, self.clock.now())?;
        Ok(self.directory.publish(&packet).await?)
    }
}

/// Why a publication failed.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error("the packet can't be signed: {0}")]
    Packet(#[from] pkarr::errors::SignedPacketBuildError),
    #[error(transparent)]
    Directory(#[from] crate::source::DirectoryError),
}
