//! The Nexus that runs on this data directory: where it is reached, and what it is asked over its administrative
//! routes. Another address can be given, for one behind a name or on another machine.

use crate::{
    datadir::DataDir,
    failure::{Exit, Failure, Outcome},
    settings::Settings,
};
use nexus_config::Secret;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::{Deserialize, de::DeserializeOwned};
use std::{net::IpAddr, time::Duration};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running Nexus, and the right to ask it.
pub(crate) struct Running {
    client: Client,
    url: String,
    token: String,
}

impl Running {
    /// The one at `url`, or else the one that has the data directory, which `locked` says.
    ///
    /// # Errors
    /// If there is no token, or the running one doesn't say where it is reached.
    pub(crate) fn find(settings: &Settings, url: Option<&str>, locked: Option<&Failure>) -> Outcome<Self> {
        let why = |more: &str| {
            let first = locked.map(|locked| format!("{locked}; ")).unwrap_or_default();
            Failure::new(if locked.is_some() { Exit::Locked } else { Exit::Usage }, format!("{first}{more}"))
        };
        let token = settings.server.admin_token.as_ref().map(Secret::expose).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| why("a running Nexus takes the job if both know a `server.admin_token`"))?;
        let told = || DataDir::address(&settings.server.data_dir);
        let is_local = url.is_none();
        let url = url.map(str::to_owned).or_else(told);
        let url = url.ok_or_else(|| why("it serves no social API yet: ask again, or say where with --at URL"))?;
        // No certificate names a loopback address. Whoever has the data directory wrote it down, and the way there
        // leads past nobody else; every other address has to prove who it is.
        let is_vouched_for = is_local && is_loopback(&url);
        let client = Client::builder().no_proxy().timeout(PATIENCE);
        let client = client.tls_danger_accept_invalid_certs(is_vouched_for).build()?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }

    /// Where it is reached.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What it has at a path below `/admin`.
    ///
    /// # Errors
    /// If it can't be reached or refuses.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.ask(Method::GET, path).await
    }

    /// Has it do what a path below `/admin` stands for.
    ///
    /// # Errors
    /// If it can't be reached or refuses.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.ask(Method::POST, path).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Outcome<T> {
        let request: RequestBuilder = self.client.request(method, format!("{}{path}", self.url));
        let response = request.bearer_auth(&self.token).send().await?;
        match response.status().is_success() {
            true => Ok(response.json().await?),
            false => Err(self.refusal(response).await),
        }
    }

    async fn refusal(&self, response: Response) -> Failure {
        #[derive(Deserialize)]
        struct Body {
            error: String,
        }
        let status = response.status();
        let told = response.json().await.map_or_else(|_| status.to_string(), |body: Body| body.error);
        let hint = match status {
            StatusCode::UNAUTHORIZED => ": it has another `server.admin_token`",
            StatusCode::FORBIDDEN => ": start it with the same `server.admin_token`",
            _ => "",
        };
        Failure::new(Exit::Failed, format!("the Nexus at {} refuses: {told}{hint}", self.url))
    }
}

/// True if the host of a URL is a loopback address, by its number.
fn is_loopback(url: &str) -> bool {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).map(|host| host.trim_matches(['[', ']']));
    host.and_then(|host| host.parse().ok()).is_some_and(|ip: IpAddr| ip.is_loopback())
}
