//! Running the services: everything is made first, then driven, then drained.

use crate::{
    cli::Command,
    datadir::DataDir,
    failure::Outcome,
    jobs::TrustJob,
    progress::Counter,
    settings::{Service as Name, Settings},
    social::open_store,
};
use nexus_config::Bind;
use nexus_http::{AdminToken, Readiness, Server, Site, metrics_router};
use nexus_runtime::{CancellationToken, Clock, Tasks, Telemetry, raise_descriptor_limit, stop_on_signal};
use nexus_social_server::service::{Parts, Service};
use nexus_sqlite::social::SocialStore;
use nexus_tantivy::TextIndex;
use std::{sync::Arc, time::Duration};

/// Runs until a signal or a failure.
pub(crate) fn run(settings: &Settings, command: &Command) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("nexus").enable_all().build()?;
    let outcome = runtime.block_on(serve(settings, command));
    // Nothing is waited for any more: what is left are threads that read and can be cut.
    runtime.shutdown_background();
    outcome
}

async fn serve(settings: &Settings, command: &Command) -> Outcome {
    raise_descriptor_limit();
    let _data = DataDir::take(&settings.server.data_dir)?;
    let telemetry = Telemetry::install(&settings.telemetry_options())?;
    let (tasks, clock, readiness) = (Tasks::new(), Clock::system(), Readiness::default());
    let social = match settings.services.contains(&Name::Social) {
        true => Some(Social::build(settings, &clock, &readiness).await?),
        false => None,
    };
    let listeners = listeners(settings, social.as_ref(), command, &readiness, &clock).await?;
    let metrics = metrics_listener(settings, &telemetry, &readiness, &clock).await?;
    announce(settings, &listeners, metrics.as_ref());
    let signals = tokio::spawn(stop_on_signal(tasks.clone(), settings.server.grace.duration()));
    if let Some(social) = social {
        social.run(settings, &tasks, &clock);
    }
    for (server, site) in listeners.into_iter().chain(metrics) {
        tasks.spawn("http", |stop| server.serve(site, stop));
    }
    tasks.spawn("telemetry", |stop| telemetry.upkeep(stop));
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
            store: Arc::clone(&store) as _,
            text: Arc::new(text),
            files: settings.files(),
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
        if let Some(job) = TrustJob::scheduled(settings, self.service.operator(), clock.clone()) {
            tasks.spawn("jobs", |stop| job.run(stop));
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

/// The shared port, and the service's own if it has one.
async fn listeners(
    settings: &Settings,
    social: Option<&Social>,
    command: &Command,
    readiness: &Readiness,
    clock: &Clock,
) -> Outcome<Vec<(Server, Site)>> {
    let mut shared = Site::new(readiness.clone(), settings.trusted_proxies(), clock);
    let mut own = Vec::new();
    // Pubky Nexus's watcher alone serves nothing.
    if let Some(social) = social.filter(|_| !matches!(command, Command::Watcher)) {
        let (router, paths) = social.service.router();
        match settings.social.bind {
            None => shared = shared.mount(Name::Social.as_str(), paths, router),
            Some(bind) => {
                let site = Site::new(readiness.clone(), settings.trusted_proxies(), clock);
                own.push((listen(settings, bind).await?, site.mount(Name::Social.as_str(), paths, router)));
            }
        }
    }
    own.insert(0, (listen(settings, settings.server.bind).await?, shared));
    Ok(own)
}

async fn metrics_listener(
    settings: &Settings,
    telemetry: &Telemetry,
    readiness: &Readiness,
    clock: &Clock,
) -> Outcome<Option<(Server, Site)>> {
    let Some(bind) = settings.server.metrics_bind else { return Ok(None) };
    let render = telemetry.render();
    let site = Site::new(readiness.clone(), settings.trusted_proxies(), clock);
    let paths = [nexus_http::Paths::Exact("/metrics")];
    let site = site.mount("metrics", &paths, metrics_router(move || render.text()));
    Ok(Some((listen(settings, bind).await?, site)))
}

async fn listen(settings: &Settings, bind: Bind) -> Outcome<Server> {
    Ok(Server::bind(bind.address(), settings.connection_limits(), settings.tls_files()).await?)
}

/// Says where it is reached and what it follows.
fn announce(settings: &Settings, listeners: &[(Server, Site)], metrics: Option<&(Server, Site)>) {
    println!("Nexus {}", env!("CARGO_PKG_VERSION"));
    for (server, _) in listeners {
        println!("  listens on  {}", server.url());
    }
    if let Some((server, _)) = metrics {
        println!("  metrics on  {}/metrics", server.url());
    }
    println!("  data in     {}", settings.server.data_dir.display());
    if settings.services.contains(&Name::Social) {
        println!("  follows     {}", followed(settings));
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
