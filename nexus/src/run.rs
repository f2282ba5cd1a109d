//! Running the services: everything is made first, then driven, then drained.

use crate::{
    cli::{Command, Invocation},
    failure::Outcome,
    jobs::Times,
    progress::Counter,
    relay,
    reload::Reload,
    settings::{Service as Name, Settings},
    social::open_store,
    sync,
};
use axum::Router;
use nexus_config::Bind;
use nexus_http::{AdminToken, Paths, Readiness, Server, Site, metrics_router};
use nexus_runtime::{CancellationToken, Clock, Tasks, Telemetry, raise_descriptor_limit, stop_on_signal};
use nexus_social_server::{
    keyed::Keyed,
    service::{Parts, Service},
    shared::About,
};
use nexus_sqlite::social::SocialStore;
use nexus_tantivy::TextIndex;
use std::{sync::Arc, time::Duration};

/// Its page, if it has one.
const HOMEPAGE: &str = env!("CARGO_PKG_HOMEPAGE");

/// What this program is.
const ABOUT: About = About {
    name: env!("CARGO_PKG_NAME"),
    // Without a page of its own, the source is where it is described.
    homepage: if HOMEPAGE.is_empty() { env!("CARGO_PKG_REPOSITORY") } else { HOMEPAGE },
    repository: env!("CARGO_PKG_REPOSITORY"),
    license: env!("CARGO_PKG_LICENSE"),
    version: env!("CARGO_PKG_VERSION"),
    commit: option_env!("NEXUS_COMMIT"),
};

/// Runs until a signal or a failure.
pub(crate) fn run(settings: Settings, invocation: Invocation) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("nexus").enable_all().build()?;
    let outcome = runtime.block_on(serve(settings, invocation));
    // Nothing is waited for any more: what is left are threads that read and can be cut.
    runtime.shutdown_background();
    outcome
}

async fn serve(held: Settings, invocation: Invocation) -> Outcome {
    let settings = &held;
    raise_descriptor_limit();
    let mut data = settings.take_data()?;
    let telemetry = Telemetry::install(&settings.telemetry_options())?;
    let (tasks, clock, readiness) = (Tasks::new(), Clock::system(), Readiness::default());
    let social = match settings.services.contains(&Name::Social) {
        true => Some(Social::build(settings, &clock, &readiness).await?),
        false => None,
    };
    let sync = match settings.services.contains(&Name::Sync) {
        true => Some(sync::build(settings, &clock, &readiness).await?),
        false => None,
    };
    let relay = match settings.services.contains(&Name::Relay) {
        true => Some(relay::build(settings, &clock).await?),
        false => None,
    };
    // Pubky Nexus's watcher alone serves nothing.
    let served = social.as_ref().filter(|_| !matches!(invocation.command(), Command::Watcher));
    let social_mount = served.map(|social| Mount::social(&social.service));
    let mounts = social_mount.into_iter().chain(sync.as_ref().map(|sync| sync::mount(settings, sync)));
    let mounts = mounts.chain(relay.as_ref().map(relay::mount));
    let site = Site::new(readiness, settings.trusted_proxies(), &clock);
    let listeners = listeners(settings, mounts.collect(), &site).await?;
    let metrics = metrics_listener(settings, &telemetry, &site).await?;
    let reloads = Reload::on_hangup()?;
    if served.is_some()
        && let Some(url) = social_url(&listeners)
    {
        data.tell(&url)?;
    }
    announce(settings, &listeners, metrics.as_ref());
    let signals = tokio::spawn(stop_on_signal(tasks.clone(), settings.server.grace.duration()));
    if let Some(social) = social {
        social.run(settings, &tasks, &clock);
    }
    if let Some(sync) = sync {
        sync.run(&tasks);
    }
    let reloader = relay.as_ref().map(nexus_relay_server::service::Service::reloader);
    if let Some(relay) = relay {
        relay.run(&tasks);
    }
    listeners.into_iter().chain(metrics).for_each(|listener| listener.run(&tasks));
    tasks.spawn("telemetry", |stop| telemetry.upkeep(stop));
    let reload = reloads.of(invocation, held, reloader);
    tasks.spawn("reload", |stop| reload.run(stop));
    let ended = tasks.finish().await;
    signals.abort();
    tracing::info!("stopped");
    telemetry.shutdown().await;
    Ok(ended?)
}

/// The social service with the backends that were picked for it.
struct Social {
    service: Service,
    store: Arc<SocialStore>,
}

impl Social {
    async fn build(settings: &Settings, clock: &Clock, readiness: &Readiness) -> Outcome<Self> {
        let store = open_store(settings)?;
        let text = TextIndex::open(&settings.full_text(), settings.text_options())?;
        let token = settings.server.admin_token.as_ref().map(nexus_config::Secret::expose);
        let parts = Parts {
            config: settings.social.clone(),
            schedule: settings.jobs.trust_recompute.clone(),
            trust: settings.trust_job(),
            store: Arc::clone(&store) as _,
            text: Arc::new(text),
            files: settings.files(),
            key_file: settings.key_file(),
            about: ABOUT,
            admin: AdminToken::new(token),
            readiness: readiness.clone(),
            clock: clock.clone(),
        };
        let counter = Counter::new("rows read:");
        let told = counter.clone();
        let service = Service::build(parts, move |rows| told.at(rows)).await?;
        counter.done();
        Ok(Self { service, store })
    }

    fn run(self, settings: &Settings, tasks: &Tasks, clock: &Clock) {
        let (store, pause) = (self.store, settings.social.scrub.duration());
        tasks.spawn("social-scrub", move |stop| scrub(store, pause, stop));
        if let Some(times) = Times::of(settings, self.service.desk(), clock.clone()) {
            tasks.spawn("jobs", |stop| times.keep(stop));
        }
        self.service.run(tasks);
    }
}

/// Clears what deletions left in the write-ahead log, now and then.
async fn scrub(store: Arc<SocialStore>, pause: Duration, stop: CancellationToken) -> std::io::Result<()> {
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let store = Arc::clone(&store);
        let scrubbed = tokio::task::spawn_blocking(move || store.scrub()).await.map_err(std::io::Error::other)?;
        if let Err(error) = scrubbed {
            tracing::warn!(error = &error as &dyn std::error::Error, "the write-ahead log was not cleared");
        }
    }
    Ok(())
}

/// A port, what it serves, and what it proves by its key, if it has one.
struct Listener {
    server: Server,
    site: Site,
    keyed: Option<Keyed>,
}

impl Listener {
    async fn plain(settings: &Settings, bind: Bind, site: Site) -> Outcome<Self> {
        Ok(Self { server: listen(settings, bind).await?, site, keyed: None })
    }

    async fn keyed(settings: &Settings, keyed: Keyed, site: Site) -> Outcome<Self> {
        let (address, limits) = (keyed.bind().address(), settings.connection_limits());
        Ok(Self { server: Server::bind_as(address, limits, keyed.tls()).await?, site, keyed: Some(keyed) })
    }

    /// Serves, and tells where if that is wanted.
    fn run(self, tasks: &Tasks) {
        let Self { server, site, keyed } = self;
        if let Some(keyed) = keyed {
            let address = server.address();
            tasks.spawn("social-key", move |stop| keyed.publish(address, stop));
        }
        tasks.spawn("http", |stop| server.serve(site, stop));
    }
}

/// A service's routes, the paths that it answers, and the key that it proves, if it has one.
pub(crate) struct Mount {
    service: Name,
    router: Router,
    paths: Vec<Paths>,
    keyed: Option<Keyed>,
    /// How long a client may take nothing of an answer, if that is bounded.
    stall: Option<Duration>,
}

impl Mount {
    pub(crate) fn new(service: Name, (router, paths): (Router, &[Paths])) -> Self {
        Self { service, router, paths: paths.to_vec(), keyed: None, stall: None }
    }

    fn social(social: &Service) -> Self {
        let stall = Some(social.stall());
        Self { keyed: social.keyed().cloned(), stall, ..Self::new(Name::Social, social.router()) }
    }

    fn on(&self, site: Site) -> Site {
        let Self { service, router, paths, stall, .. } = self;
        match stall {
            None => site.mount(service.as_str(), paths, router.clone()),
            Some(stall) => site.mount_impatient(service.as_str(), paths, router.clone(), *stall),
        }
    }
}

/// The shared port, those of services that have one of their own, and those that prove a key.
async fn listeners(settings: &Settings, mounts: Vec<Mount>, site: &Site) -> Outcome<Vec<Listener>> {
    let (mut shared, mut listeners) = (site.clone(), Vec::new());
    for mount in mounts {
        match settings.bind_of(mount.service) {
            None => shared = mount.on(shared),
            Some(bind) => listeners.push(Listener::plain(settings, bind, mount.on(site.clone())).await?),
        }
        let alone = mount.on(site.clone());
        if let Some(keyed) = mount.keyed {
            listeners.push(Listener::keyed(settings, keyed, alone).await?);
        }
    }
    if let Some(bind) = settings.shared_bind() {
        listeners.insert(0, Listener::plain(settings, bind, shared).await?);
    }
    Ok(listeners)
}

async fn metrics_listener(settings: &Settings, telemetry: &Telemetry, site: &Site) -> Outcome<Option<Listener>> {
    let Some(bind) = settings.server.metrics_bind else { return Ok(None) };
    let render = telemetry.render();
    let paths = [nexus_http::Paths::Exact("/metrics")];
    let site = site.clone().mount("metrics", &paths, metrics_router(move || render.text()));
    Ok(Some(Listener::plain(settings, bind, site).await?))
}

async fn listen(settings: &Settings, bind: Bind) -> Outcome<Server> {
    Ok(Server::bind(bind.address(), settings.connection_limits(), settings.tls_files()).await?)
}

/// Where this machine reaches the social service.
fn social_url(listeners: &[Listener]) -> Option<String> {
    let plain = listeners.iter().filter(|listener| listener.keyed.is_none());
    let mut serving = plain.filter(|listener| listener.site.serves("/admin/social"));
    serving.next().map(|listener| listener.server.local_url())
}

/// Says where it is reached and what it follows.
fn announce(settings: &Settings, listeners: &[Listener], metrics: Option<&Listener>) {
    println!("Nexus {}", env!("CARGO_PKG_VERSION"));
    for Listener { server, keyed, .. } in listeners {
        match keyed {
            None => println!("  listens on  {}", server.url()),
            Some(keyed) => println!("  by key on   {} as https://{}", server.address(), keyed.key()),
        }
    }
    if let Some(Listener { server, .. }) = metrics {
        println!("  metrics on  {}/metrics", server.url());
    }
    println!("  data in     {}", settings.kept_in().display());
    if settings.services.contains(&Name::Social) {
        println!("  follows     {}", followed(settings));
    }
    if settings.services.contains(&Name::Sync) {
        println!("  syncs       {}", sync::followed(settings));
    }
    if settings.services.contains(&Name::Relay) {
        println!("  relays as   {}", relay::address(settings));
    }
}

fn followed(settings: &Settings) -> String {
    let homeservers = &settings.social.watcher.homeservers;
    let production = nexus_social_server::config::HomeserverAt::production();
    let named = |at: &nexus_social_server::config::HomeserverAt| match *at == production {
        true => format!("{at} (the production homeserver of Pubky; --homeserver chooses another)"),
        false => at.to_string(),
    };
    match homeservers.len() {
        0 => "no homeserver".to_owned(),
        _ => homeservers.iter().map(named).collect::<Vec<_>>().join(", "),
    }
}
