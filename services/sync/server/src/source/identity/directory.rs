//! Fetching DID documents: `did:plc` from its directory, `did:web` from the host that it names.

use super::names::NameHosts;
use crate::source::settings;
use crate::source::turnstile::Turnstile;
use crate::source::{BuildError, described, measure, patience};
use nexus_atproto::{Did, Document, Handle, MAX_DOCUMENT};
use nexus_outgoing::{ChosenBy, Manners, Outgoing, read_body};
use nexus_runtime::Clock;
use nexus_sync::identity::Found;
use reqwest::{RequestBuilder, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long the directory is left alone that asks for patience and doesn't say how much.
const PAUSE: Duration = Duration::from_secs(10);

/// Hosts of `did:web` that are asked at once.
const HOSTS: usize = 32;

/// Where documents are.
pub(super) struct Directory {
    plc: String,
    operator: Outgoing,
    hosts: NameHosts,
    plc_turnstile: Turnstile,
    web_turnstile: Turnstile,
    patience: Duration,
    clock: Clock,
}

impl Directory {
    pub(super) fn new(
        settings: &settings::Identity,
        manners: &Manners,
        hosts: NameHosts,
        clock: Clock,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            plc: settings.plc.trim_end_matches('/').to_owned(),
            operator: Outgoing::new(ChosenBy::Operator, manners)?,
            hosts,
            plc_turnstile: Turnstile::new(settings.requests, settings.rate),
            web_turnstile: Turnstile::new(HOSTS, 0),
            patience: settings.patience,
            clock,
        })
    }

    /// The document of `did`, or why there is none.
    pub(super) async fn document(&self, did: &Did) -> Found {
        let found = match did.method() {
            "plc" => self.of_plc(did).await,
            "web" => self.of_web(did).await,
            method => Found::Failed(format!("did:{method} is not supported")),
        };
        let outcome = match &found {
            Found::Document(_) => "found",
            Found::Nothing => "nothing",
            Found::Failed(_) => "failed",
        };
        measure::looked_up("document", outcome);
        found
    }

    async fn of_plc(&self, did: &Did) -> Found {
        // Whoever waits for a document holds up the messages of its account: better the one before, or none.
        let Ok(_place) = self.plc_turnstile.enter().await else {
            return Found::Failed("the directory asks for patience".to_owned());
        };
        match self.operator.get(&format!("{}/{did}", self.plc)) {
            Ok(request) => self.fetch(did, request, Some(&self.plc_turnstile)).await,
            Err(refused) => Found::Failed(refused.to_string()),
        }
    }

    async fn of_web(&self, did: &Did) -> Found {
        // A host, without port and path: `:` and `%` are not of handles.
        let Some(host) = Handle::parse(did.id()).ok().filter(Handle::is_resolvable) else {
            return Found::Failed("a did:web that is not a plain host name".to_owned());
        };
        let _place = self.web_turnstile.enter().await;
        match self.hosts.get(&host, "/.well-known/did.json") {
            Ok(request) => self.fetch(did, request, None).await,
            Err(refused) => Found::Failed(refused.to_string()),
        }
    }

    async fn fetch(&self, did: &Did, request: RequestBuilder, turnstile: Option<&Turnstile>) -> Found {
        match timeout(self.patience, self.read(did, request, turnstile)).await {
            Ok(Ok(found)) => found,
            Ok(Err(reason)) => Found::Failed(reason),
            Err(_) => Found::Failed("the answer came too slowly".to_owned()),
        }
    }

    async fn read(&self, did: &Did, request: RequestBuilder, turnstile: Option<&Turnstile>) -> Result<Found, String> {
        let answer = request.send().await.map_err(|error| described(&error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(Found::Nothing),
            status => {
                if status == StatusCode::TOO_MANY_REQUESTS
                    && let Some(turnstile) = turnstile
                {
                    let asked = patience::asked(answer.headers(), self.clock.now().millis());
                    turnstile.pause(asked.unwrap_or(PAUSE));
                }
                return Err(format!("status {status}"));
            }
        }
        let body = read_body(answer, MAX_DOCUMENT).await.map_err(|error| error.to_string())?;
        let document = Document::parse(did, &body).map_err(|error| error.to_string())?;
        Ok(Found::Document(Arc::new(document)))
    }
}
