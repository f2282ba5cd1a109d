//! Whom a handle leads to: a TXT record in the DNS, or a file on the host that it names.

use crate::source::{BuildError, measure, settings};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{Resolver, TokioResolver};
use nexus_atproto::{Did, Handle};
use nexus_outgoing::{Manners, Outgoing, Refused, read_body};
use reqwest::header::HOST;
use reqwest::{RequestBuilder, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Bytes of the file that names an account.
const MAX_FILE: usize = 2_048;

/// Names that are never in the DNS: their host answers for all of them.
const WITHOUT_RECORDS: &str = ".bsky.social";

/// Where handles lead.
pub(super) struct Names {
    resolver: Option<TokioResolver>,
    hosts: NameHosts,
    patience: Duration,
    dns_patience: Duration,
}

/// Where a handle leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// To this account.
    To(Did),
    /// To none.
    Nowhere,
    /// Nobody knows now.
    Unknown,
}

/// Asks hosts that accounts name.
#[derive(Clone)]
pub(super) struct NameHosts {
    client: Outgoing,
    instead: Arc<[(String, String)]>,
}

impl NameHosts {
    pub(super) fn new(settings: &settings::Settings, manners: &Manners) -> Result<Self, BuildError> {
        let instead = settings.identity.name_hosts.as_slice().into();
        Ok(Self { client: Outgoing::new(settings.strangers, manners)?, instead })
    }

    fn instead_of(&self, name: &Handle) -> Option<&str> {
        let fits = |(suffix, _): &&(String, String)| name.as_str().ends_with(suffix);
        self.instead.iter().find(fits).map(|(_, base)| base.trim_end_matches('/'))
    }

    /// A request for `path` on the host called `name`.
    pub(super) fn get(&self, name: &Handle, path: &str) -> Result<RequestBuilder, Refused> {
        match self.instead_of(name) {
            Some(base) => Ok(self.client.get(&format!("{base}{path}"))?.header(HOST, name.as_str())),
            None => self.client.get(&format!("https://{name}{path}")),
        }
    }
}

impl Names {
    pub(super) fn new(settings: &settings::Identity, hosts: NameHosts) -> Self {
        let resolver = resolver(&settings.name_servers, settings.dns_patience);
        if resolver.is_none() {
            tracing::warn!("no name server is known: handles are looked up by HTTPS alone");
        }
        Self { resolver, hosts, patience: settings.patience, dns_patience: settings.dns_patience }
    }

    /// Whom `handle` leads to. The record in the DNS counts first.
    pub(super) async fn look_up(&self, handle: &Handle) -> Leads {
        if !handle.is_resolvable() {
            return Leads::Nowhere;
        }
        let by_record = self.by_record(handle).await;
        let leads = match &by_record {
            Leads::To(_) => by_record,
            Leads::Nowhere | Leads::Unknown => match self.by_file(handle).await {
                Leads::Nowhere => by_record,
                leads => leads,
            },
        };
        let outcome = match &leads {
            Leads::To(_) => "found",
            Leads::Nowhere => "nothing",
            Leads::Unknown => "failed",
        };
        measure::looked_up("handle", outcome);
        leads
    }

    async fn by_record(&self, handle: &Handle) -> Leads {
        let has_records = !handle.as_str().ends_with(WITHOUT_RECORDS) && self.hosts.instead_of(handle).is_none();
        let Some(resolver) = self.resolver.as_ref().filter(|_| has_records) else { return Leads::Nowhere };
        // The dot at the end keeps local search domains out of it.
        let asked = resolver.txt_lookup(format!("_atproto.{handle}."));
        let found = match timeout(self.dns_patience, asked).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) if error.is_nx_domain() || error.is_no_records_found() => return Leads::Nowhere,
            Ok(Err(_)) | Err(_) => return Leads::Unknown,
        };
        let texts = found.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        });
        let mut dids = texts.filter_map(|text| std::str::from_utf8(&text).ok()?.strip_prefix("did=")?.parse().ok());
        dids.next().map_or(Leads::Nowhere, Leads::To)
    }

    async fn by_file(&self, handle: &Handle) -> Leads {
        timeout(self.patience, self.read_file(handle)).await.unwrap_or(Leads::Unknown)
    }

    async fn read_file(&self, handle: &Handle) -> Leads {
        let Ok(request) = self.hosts.get(handle, "/.well-known/atproto-did") else { return Leads::Nowhere };
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => return Leads::Unknown,
            Err(_) => return Leads::Nowhere,
        };
        match answer.status() {
            StatusCode::OK => {}
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => return Leads::Unknown,
            _ => return Leads::Nowhere,
        }
        let Ok(body) = read_body(answer, MAX_FILE).await else { return Leads::Nowhere };
        let did = std::str::from_utf8(&body).ok().and_then(|text| text.trim().parse().ok());
        did.map_or(Leads::Nowhere, Leads::To)
    }
}

/// A resolver that asks `servers`, or those of the system.
fn resolver(servers: &[SocketAddr], patience: Duration) -> Option<TokioResolver> {
    let builder = match servers {
        [] => TokioResolver::builder_tokio().ok()?,
        servers => {
            let server = |at: &SocketAddr| {
                let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
                connections.iter_mut().for_each(|connection| connection.port = at.port());
                NameServerConfig::new(at.ip(), true, connections)
            };
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let mut options = ResolverOpts::default();
    options.timeout = patience;
    options.attempts = 1;
    // Whoever asks again wants to know what is so now.
    options.cache_size = 0;
    builder.with_options(options).build().ok()
}
