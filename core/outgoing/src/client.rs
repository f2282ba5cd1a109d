//! HTTP requests under the rule.

use crate::guard::ChosenBy;
use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Method, RequestBuilder, Response, Url, redirect};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How requests are made.
#[derive(Clone, Debug)]
pub struct Manners {
    /// Who asks.
    pub user_agent: String,
    /// Until there is a connection.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub silence: Duration,
    /// Redirects that are followed one after another.
    pub redirects: usize,
}

impl Manners {
    /// Ten seconds for each step, and at most five redirects.
    pub fn new(user_agent: impl Into<String>) -> Self {
        let step = Duration::from_secs(10);
        Self { user_agent: user_agent.into(), connect: step, silence: step, redirects: 5 }
    }
}

/// A URL that is not asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is none, or not of the web.
    #[error("not an address of the web")]
    Url,
    /// It leads into a private network.
    #[error("the address is not on the public internet")]
    Private,
}

/// An HTTP client for addresses that `chosen_by` chose. Clones share connections.
#[derive(Clone, Debug)]
pub struct Outgoing {
    client: Client,
    chosen_by: ChosenBy,
}

impl Outgoing {
    /// A client that keeps the rule for `chosen_by`. A proxy of the environment is used for the operator's own
    /// addresses only: it would look up names in our stead.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub fn new(chosen_by: ChosenBy, manners: &Manners) -> Result<Self, reqwest::Error> {
        Self::with_names(chosen_by, manners, Arc::new(PublicNames))
    }

    /// A client that asks `names` what a stranger's names lead to.
    fn with_names(chosen_by: ChosenBy, manners: &Manners, names: Arc<dyn Resolve>) -> Result<Self, reqwest::Error> {
        let most = manners.redirects;
        let follow = redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > most {
                return attempt.error("too many redirects");
            }
            match allowed(attempt.url(), chosen_by) {
                Ok(()) => attempt.follow(),
                Err(refused) => attempt.error(refused),
            }
        });
        let builder = Client::builder()
            .user_agent(&manners.user_agent)
            .connect_timeout(manners.connect)
            .read_timeout(manners.silence)
            .redirect(follow);
        let builder = match chosen_by {
            ChosenBy::Operator => builder,
            ChosenBy::Stranger => builder.no_proxy().dns_resolver(names),
        };
        Ok(Self { client: builder.build()?, chosen_by })
    }

    /// A request for `url`, to be sent.
    ///
    /// # Errors
    /// If it is no URL of the web, or names an address that is out of reach. What a name leads to is found when the
    /// request is sent.
    pub fn request(&self, method: Method, url: &str) -> Result<RequestBuilder, Refused> {
        let url: Url = url.parse().map_err(|_| Refused::Url)?;
        allowed(&url, self.chosen_by)?;
        Ok(self.client.request(method, url))
    }

    /// A request that reads `url`.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn get(&self, url: &str) -> Result<RequestBuilder, Refused> {
        self.request(Method::GET, url)
    }
}

/// Addresses in URLs are never looked up, so the resolver doesn't see them.
fn allowed(url: &Url, chosen_by: ChosenBy) -> Result<(), Refused> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refused::Url);
    }
    let host = url.host_str().ok_or(Refused::Url)?;
    let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    match literal {
        Some(address) if !chosen_by.allows(address) => Err(Refused::Private),
        _ => Ok(()),
    }
}

/// Looks up names and keeps what is on the public internet.
struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|at| ChosenBy::Stranger.allows(at.ip())).collect();
            if public.is_empty() {
                return Err(Refused::Private.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Why the body of an answer couldn't be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke, or was silent for too long.
    #[error("the answer broke off")]
    Broken(#[from] reqwest::Error),
    /// There is more than expected.
    #[error("an answer of more than {limit} bytes")]
    TooLarge {
        /// What is allowed, in bytes.
        limit: usize,
    },
}

/// The whole body, which may have `limit` bytes at most, once it is unpacked.
///
/// # Errors
/// If it is larger, or breaks off.
pub async fn read_body(mut answer: Response, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::get;

    /// Calls every name a public one, wherever it leads: what only a name server on the internet could do.
    struct EveryName;

    impl Resolve for EveryName {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(async { Ok(Box::new(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0)))) as Addrs) })
        }
    }

    #[tokio::test]
    async fn a_public_server_leads_nobody_into_a_private_network() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let inside = format!("http://127.0.0.1:{port}/");
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/there", get(|| async { Redirect::temporary("/") }))
            .route("/inside", get(move || async move { Redirect::temporary(&inside) }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let manners = Manners::new("nexus/test");
        let client = Outgoing::with_names(ChosenBy::Stranger, &manners, Arc::new(EveryName)).expect("a client");
        let ask = async |path: &str| {
            client.get(&format!("http://public.net:{port}/{path}")).expect("a public name").send().await
        };
        assert_eq!(ask("there").await.expect("an answer").text().await.expect("a body"), "here");
        let refused = ask("inside").await.expect_err("it leads inside");
        assert!(refused.is_redirect() && format!("{refused:?}").contains("Private"), "{refused:?}");
    }
}
