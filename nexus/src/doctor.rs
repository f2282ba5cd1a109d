//! `nexus doctor`: looks at everything that a start needs, and says what to fix. It changes nothing.

mod atproto;

use crate::{
    datadir::DataDir,
    failure::{Exit, Failure, Outcome},
    settings::Settings,
};
use nexus_config::Bind;
use nexus_http::Server;
use nexus_pubky::PubkyId;
use nexus_runtime::raise_descriptor_limit;
use nexus_social_server::{
    config::HomeserverAt,
    keyed::Keyed,
    source::{Directory as _, PkarrDirectory},
};
use nexus_sqlite::social::SocialStore;
use std::{path::Path, time::Duration};

/// What was found.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Good.
    Fine(String),
    /// It works, and could be better.
    Doubtful(String),
    /// A start or its purpose would fail: what it is, and what to do.
    Broken {
        /// What is wrong.
        what: String,
        /// How to mend it.
        fix: String,
    },
}

/// Disk space below which the doctor doubts.
const LITTLE_SPACE: u64 = 5 << 30;

/// Disk space below which the doctor warns of a failure.
const NO_SPACE: u64 = 256 << 20;

/// Checks everything and prints the findings.
///
/// # Errors
/// If anything is broken.
pub(crate) fn run(settings: &Settings) -> Outcome {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut findings = vec![descriptors(settings)];
    let (running, data) = data_directory(&settings.server.data_dir);
    findings.extend(data);
    findings.extend(schema(settings));
    findings.extend(key(settings));
    if running == Running::No {
        findings.extend(runtime.block_on(listeners(settings)));
    }
    findings.extend(runtime.block_on(homeservers(settings)));
    findings.extend(runtime.block_on(atproto::look(settings)));
    report(&findings)
}

fn report(findings: &[Finding]) -> Outcome {
    let mut broken = 0;
    for finding in findings {
        match finding {
            Finding::Fine(what) => println!("ok       {what}"),
            Finding::Doubtful(what) => println!("warning  {what}"),
            Finding::Broken { what, fix } => {
                broken += 1;
                println!("broken   {what}\n         to fix: {fix}");
            }
        }
    }
    match broken {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Failed, "one thing is broken")),
        more => Err(Failure::new(Exit::Failed, format!("{more} things are broken"))),
    }
}

/// Whether a Nexus runs on the data directory now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Running {
    Yes,
    No,
}

fn data_directory(path: &Path) -> (Running, Vec<Finding>) {
    let shown = path.display();
    if !path.exists() {
        return (
            Running::No,
            vec![Finding::Fine(format!("{shown} does not exist yet: it is made at the first start"))],
        );
    }
    match DataDir::take(path) {
        Ok(taken) => {
            drop(taken);
            (Running::No, vec![Finding::Fine(format!("{shown} can be written")), space(path)])
        }
        Err(failure) if failure.is_locked() => {
            (Running::Yes, vec![Finding::Fine(format!("Nexus is running: {failure}")), space(path)])
        }
        Err(failure) => {
            let fix = "let this user write there, or set `server.data_dir`".to_owned();
            (Running::No, vec![Finding::Broken { what: failure.to_string(), fix }])
        }
    }
}

fn space(path: &Path) -> Finding {
    let fix = || "make room, or set `server.data_dir` to a larger disk".to_owned();
    match rustix::fs::statvfs(path) {
        Err(error) => Finding::Doubtful(format!("the free space of {} is unknown: {error}", path.display())),
        Ok(disk) => match disk.f_bavail.saturating_mul(disk.f_frsize) {
            free if free < NO_SPACE => {
                Finding::Broken { what: format!("only {} MiB are free", free >> 20), fix: fix() }
            }
            free if free < LITTLE_SPACE => Finding::Doubtful(format!("only {} MiB are free", free >> 20)),
            free => Finding::Fine(format!("{} GiB are free", free >> 30)),
        },
    }
}

fn descriptors(settings: &Settings) -> Finding {
    let wanted = settings.server.max_connections.get() + 1_000;
    match raise_descriptor_limit().soft {
        Some(limit) if limit < wanted => Finding::Doubtful(format!(
            "only {limit} files may be open, {wanted} are wanted for `server.max_connections`: raise `ulimit -n`"
        )),
        Some(limit) => Finding::Fine(format!("{limit} files may be open")),
        None => Finding::Fine("any number of files may be open".to_owned()),
    }
}

/// Whether the database is this program's.
fn schema(settings: &Settings) -> Option<Finding> {
    let path = settings.social_database();
    let shown = path.display();
    let pending = path.exists().then(|| SocialStore::pending(&path))?;
    Some(match pending {
        Ok(None) => Finding::Fine(format!("{shown} has this program's schema")),
        Ok(Some((found, known))) => {
            Finding::Fine(format!("{shown} has schema version {found}: the next start brings it to {known}"))
        }
        Err(error) => Finding::Broken {
            what: format!("{shown}: {}", nexus_runtime::told(&error)),
            fix: "use the program that wrote it, or bring back a backup".to_owned(),
        },
    })
}

/// The key by which the API is reached, if it is to be.
fn key(settings: &Settings) -> Option<Finding> {
    settings.social.keyed.bind?;
    let file = settings.key_file();
    Some(match Keyed::stored(&file) {
        Ok(Some(key)) => Finding::Fine(format!("the API is reached as https://{key}")),
        Ok(None) => Finding::Fine(format!("{} does not exist yet: the first start makes a key", file.display())),
        Err(error) => Finding::Broken {
            what: error.to_string(),
            fix: "bring back the file; a new key, which the start makes when there is no file, is a new name"
                .to_owned(),
        },
    })
}

/// How long a homeserver may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks each configured homeserver for the beginning of its log.
async fn homeservers(settings: &Settings) -> Vec<Finding> {
    let watcher = &settings.social.watcher;
    let directory = PkarrDirectory::new(watcher);
    let mut findings = Vec::new();
    for at in &watcher.homeservers {
        let answer = match at {
            HomeserverAt::Url(url) => tokio::time::timeout(PATIENCE, answers(url)).await,
            HomeserverAt::Key(key) => tokio::time::timeout(PATIENCE, is_found(&directory, key)).await,
        };
        findings.push(match answer.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(how) => Finding::Fine(format!("{at} {how}")),
            Err(why) => Finding::Broken {
                what: format!("{at} can't be read: {why}"),
                fix: "check `social.watcher.homeservers`, the network, and `social.watcher.pkarr`".to_owned(),
            },
        });
    }
    findings
}

async fn answers(url: &str) -> Result<&'static str, String> {
    let response = reqwest::get(format!("{url}/events/?limit=1")).await.map_err(|error| nexus_runtime::told(&error))?;
    response.error_for_status().map(|_| "answers").map_err(|error| nexus_runtime::told(&error))
}

async fn is_found(directory: &PkarrDirectory, key: &PubkyId) -> Result<&'static str, String> {
    directory.route(key).await.map(|_| "is found through pkarr").map_err(|error| nexus_runtime::told(&error))
}

/// Takes every port once, with the certificate, as a start would.
async fn listeners(settings: &Settings) -> Vec<Finding> {
    let wanted: Vec<Bind> = settings.binds().collect();
    let mut findings = Vec::new();
    for bind in wanted {
        findings.push(match Server::bind(bind.address(), settings.connection_limits(), settings.tls_files()).await {
            Ok(server) => Finding::Fine(format!("{} is free", server.url())),
            Err(error) => Finding::Broken {
                what: nexus_runtime::told(&error),
                fix: "stop what listens there or choose another address; check `tls.cert` and `tls.key`".to_owned(),
            },
        });
    }
    findings
}
