//! Measures what share of a real homeserver's GET rate ingestion reaches: objects a second that a plain client is
//! served at the best concurrency, then objects a second from Nexus' start until all of them are indexed.
//!
//! Homeserver, its clients and Nexus share the machine, and PostgreSQL beside them. See `docs/benchmarks.md`.

use anyhow::{Context as _, Result, ensure};
use nexus_peers::{Nexus, processor_time};
use pubky_app_specs::{
    PubkyAppPost, PubkyAppPostKind, PubkyAppUser,
    traits::{HasIdPath as _, HasPath as _, TimestampId as _},
};
use pubky_testnet::{
    EphemeralTestnet,
    pubky::{ClientId, Keypair, PubkySession},
};
use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Requests at once that are tried for the plain rate.
const LEVELS: [usize; 5] = [4, 8, 16, 32, 64];

/// How long Nexus may take for all objects.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is asked of the program.
struct Arguments {
    users: usize,
    posts: usize,
    rounds: usize,
}

impl Arguments {
    /// `--users N --posts N --rounds N`.
    fn read() -> Result<Self> {
        let mut arguments = Self { users: 20, posts: 5_000, rounds: 3 };
        let mut words = env::args().skip(1);
        while let Some(name) = words.next() {
            let place = match name.as_str() {
                "--users" => &mut arguments.users,
                "--posts" => &mut arguments.posts,
                "--rounds" => &mut arguments.rounds,
                other => anyhow::bail!("{other}: known are --users N, --posts N and --rounds N"),
            };
            *place = words.next().with_context(|| format!("{name} without a number"))?.parse()?;
        }
        ensure!(arguments.users > 0 && arguments.posts > 0 && arguments.rounds > 0, "nothing can be measured of none");
        Ok(arguments)
    }
}

/// An object that was written: who wrote it, and its path.
#[derive(Clone)]
struct Object {
    owner: String,
    path: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    let net = EphemeralTestnet::builder().build().await?;
    let homeserver = net.homeserver_app().icann_http_url().to_string();
    let began = Instant::now();
    let objects = Arc::new(write(&net, &arguments).await?);
    println!("{} objects of {} users written in {:.1?}", objects.len(), arguments.users, began.elapsed());
    let plain = best_rate(&homeserver, &objects).await?;
    let mut shares = Vec::with_capacity(arguments.rounds);
    for _ in 0..arguments.rounds {
        shares.push(ingested(&homeserver, &objects).await? / plain);
    }
    shares.sort_unstable_by(f64::total_cmp);
    println!("share of the GET rate: {:.0} % at the median, target 80 %", 100.0 * shares[shares.len() / 2]);
    Ok(())
}

/// Each user writes a profile and the same number of posts, one after the other.
async fn write(net: &EphemeralTestnet, arguments: &Arguments) -> Result<Vec<Object>> {
    let mut writers = JoinSet::new();
    for number in 0..arguments.users {
        let keys = Keypair::random();
        let signer = net.sdk()?.signer(keys.clone());
        signer.signup(&net.homeserver_app().public_key(), None).await?;
        let session = signer.signin(ClientId::new("bench.test")?).await?;
        let posts = arguments.posts / arguments.users + usize::from(number < arguments.posts % arguments.users);
        writers.spawn(write_one(session, keys.public_key().z32(), posts));
    }
    let mut objects = Vec::with_capacity(arguments.posts + arguments.users);
    while let Some(written) = writers.join_next().await {
        objects.extend(written??);
    }
    Ok(objects)
}

async fn write_one(session: PubkySession, owner: String, posts: usize) -> Result<Vec<Object>> {
    let profile = PubkyAppUser::new("A writer".into(), None, None, None, None);
    let mut written = vec![(PubkyAppUser::create_path(), serde_json::to_string(&profile)?)];
    for number in 0..posts {
        let post = PubkyAppPost::new(format!("post {number}"), PubkyAppPostKind::Short, None, None, None);
        // Ids are times: no two of a user's may be the same.
        tokio::time::sleep(Duration::from_millis(1)).await;
        written.push((PubkyAppPost::create_path(&post.create_id()), serde_json::to_string(&post)?));
    }
    let mut objects = Vec::with_capacity(written.len());
    for (path, body) in written {
        session.storage().put(path.clone(), body).await?;
        objects.push(Object { owner: owner.clone(), path });
    }
    Ok(objects)
}

/// The highest rate over all levels, each of which gets every object once.
async fn best_rate(homeserver: &str, objects: &Arc<Vec<Object>>) -> Result<f64> {
    let mut best = 0.0f64;
    for level in LEVELS {
        let spent_before = processor_time(std::process::id()).unwrap_or_default();
        let took = get_all(homeserver, objects, level).await?;
        let spent = processor_time(std::process::id()).unwrap_or_default() - spent_before;
        let rate = objects.len() as f64 / took.as_secs_f64();
        println!(
            "plain GET, {level} at once: {rate:.0} objects/s; for each {:.0} µs of the homeserver's processor time, \
             with that of its clients",
            micros_each(spent, objects)
        );
        best = best.max(rate);
    }
    Ok(best)
}

async fn get_all(homeserver: &str, objects: &Arc<Vec<Object>>, level: usize) -> Result<Duration> {
    let client = reqwest::Client::builder().tcp_nodelay(true).build()?;
    let (next, base) = (Arc::new(AtomicUsize::new(0)), homeserver.trim_end_matches('/').to_owned());
    let began = Instant::now();
    let mut readers = JoinSet::new();
    for _ in 0..level {
        let (client, next, base, objects) = (client.clone(), Arc::clone(&next), base.clone(), Arc::clone(objects));
        readers.spawn(async move {
            while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = client.get(format!("{base}{}", object.path)).header("pubky-host", &object.owner);
                request.send().await?.error_for_status()?.bytes().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = readers.join_next().await {
        ended??;
    }
    Ok(began.elapsed())
}

/// Objects a second, from the start of a Nexus with an empty data directory until everything is indexed.
async fn ingested(homeserver: &str, objects: &[Object]) -> Result<f64> {
    let data = tempfile::tempdir()?;
    let settings = ["--homeserver", homeserver, "--set", "social.watcher.follow_external=false"];
    let began = Instant::now();
    let nexus = Nexus::start(data.path(), &settings.map(str::to_owned))?;
    let started = began.elapsed();
    // To make a client takes milliseconds, which the homeserver would lack.
    let client = reqwest::Client::new();
    let spent_before = processor_time(std::process::id()).unwrap_or_default();
    until_ready(&nexus, &client, began).await?;
    let took = began.elapsed();
    let served = processor_time(std::process::id()).unwrap_or_default() - spent_before;
    let posts = indexed_posts(&nexus, &client, objects).await?;
    let written = objects.iter().filter(|object| object.path.contains("/posts/")).count();
    ensure!(posts == written, "{posts} of {written} posts are indexed");
    let rate = objects.len() as f64 / took.as_secs_f64();
    let spent = processor_time(nexus.process()).unwrap_or_default();
    println!(
        "ingestion: {rate:.0} objects/s, {took:.2?} from start to indexed, {started:.2?} of it until it listens; \
         for each {:.0} µs of Nexus' processor time and {:.0} of the homeserver's",
        micros_each(spent, objects),
        micros_each(served, objects)
    );
    Ok(rate)
}

fn micros_each(spent: Duration, objects: &[Object]) -> f64 {
    spent.as_secs_f64() * 1e6 / objects.len() as f64
}

async fn until_ready(nexus: &Nexus, client: &reqwest::Client, began: Instant) -> Result<()> {
    loop {
        let answer = client.get(nexus.url("/ready")).send().await?;
        if answer.status().is_success() {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "not ready after {PATIENCE:?}: {}", answer.text().await?);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Posts that the API counts, over all who wrote.
async fn indexed_posts(nexus: &Nexus, client: &reqwest::Client, objects: &[Object]) -> Result<usize> {
    let mut owners: Vec<&str> = objects.iter().map(|object| object.owner.as_str()).collect();
    owners.sort_unstable();
    owners.dedup();
    let mut posts = 0;
    for owner in owners {
        let url = nexus.url(&format!("/v0/user/{owner}/counts"));
        let counts: serde_json::Value = client.get(url).send().await?.error_for_status()?.json().await?;
        posts += usize::try_from(counts["posts"].as_u64().context("no count of posts")?)?;
    }
    Ok(posts)
}
