//! The server over real sockets, and what services put around their routes.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod admin;
mod buckets;
mod clients;
mod conditional;
mod layers;
mod limits;
mod paths;
mod server;
mod site;
mod stall;
mod tls;
mod wire;

use axum::Router;
use nexus_http::{ConnectionLimits, Paths, Readiness, Server, Site, TlsFiles, TrustedProxies};
use nexus_runtime::{CancellationToken, Clock};
use std::{convert::Infallible, net::SocketAddr};
use tokio::task::JoinHandle;

/// A server that runs.
struct Running {
    address: SocketAddr,
    url: String,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), Infallible>>,
}

impl Running {
    async fn start(site: Site) -> Self {
        Self::with(site, ConnectionLimits::default(), None).await
    }

    async fn with(site: Site, limits: ConnectionLimits, tls: Option<TlsFiles>) -> Self {
        let server = Server::bind(([127, 0, 0, 1], 0).into(), limits, tls).await.unwrap();
        let (address, url, stop) = (server.address(), server.url(), CancellationToken::new());
        let ended = tokio::spawn(server.serve(site, stop.clone()));
        Self { address, url, stop, ended }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        client().get(format!("{}{path}", self.url)).send().await.unwrap()
    }
}

fn client() -> reqwest::Client {
    builder().build().unwrap()
}

fn builder() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true)
}

/// A site with one router.
fn site(router: Router) -> Site {
    site_behind(router, TrustedProxies::default())
}

fn site_behind(router: Router, proxies: TrustedProxies) -> Site {
    Site::new(Readiness::default(), proxies, &Clock::system()).mount("test", &[Paths::Rest], router)
}
