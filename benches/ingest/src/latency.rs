//! Single writes, as a user makes them: from the homeserver's answer to the moment when readers see the post.

use crate::pipeline::Pipeline;
use http_body_util::Full;
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use nexus_pubky::{PubkyId, TimestampId};
use nexus_social::row::PostKey;
use std::{
    error::Error,
    time::{Duration, Instant},
};

/// How long one write may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who writes: a key that no generated user has.
const AUTHOR: &str = "operrr8wsbpr3ue9d4qj41ge1kcc6r7fdiy6o3ugjrrhi4y77rdo";

type Sender = http1::SendRequest<Full<Bytes>>;

/// Writes a profile, and then posts one by one with pauses of up to `pause` milliseconds.
pub(crate) async fn measure(
    homeserver: &str,
    pipeline: &Pipeline,
    writes: usize,
    pause: u64,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let host = homeserver.trim_start_matches("http://").to_owned();
    let socket = tokio::net::TcpStream::connect(&host).await?;
    socket.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let driver = tokio::spawn(connection);
    put(&mut sender, &host, "profile.json", r#"{"name":"measure"}"#.to_owned()).await?;
    let (mut random, mut times) = (fastrand::Rng::with_seed(1), Vec::with_capacity(writes));
    for number in 0..writes {
        tokio::time::sleep(Duration::from_millis(random.u64(0..pause.max(1)))).await;
        times.push(one(&mut sender, &host, pipeline, number).await?);
    }
    driver.abort();
    Ok(times)
}

async fn one(sender: &mut Sender, host: &str, pipeline: &Pipeline, number: usize) -> Result<Duration, Box<dyn Error>> {
    let id: TimestampId = format!("0034A0X7{:05}", number * 2).parse()?;
    let post = PostKey { author: AUTHOR.parse::<PubkyId>()?, id };
    put(sender, host, &format!("posts/{id}"), r#"{"content":"now","kind":"short"}"#.to_owned()).await?;
    let written = Instant::now();
    while !pipeline.sees(&post) {
        if written.elapsed() > PATIENCE {
            return Err(format!("post {id} never became visible").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(written.elapsed())
}

async fn put(sender: &mut Sender, host: &str, path: &str, body: String) -> Result<(), Box<dyn Error>> {
    let request = http::Request::put(format!("/pub/pubky.app/{path}")).header("host", host);
    let request = request.header("pubky-host", AUTHOR).body(Full::new(Bytes::from(body)))?;
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    http_body_util::BodyExt::collect(answer.into_body()).await?;
    Ok(())
}
