//! Listeners over sockets, and the time until each hears of what it wants.

use crate::{
    Arguments, Failure,
    history::{By, History},
};
use axum::{
    Router,
    extract::{Path, State, WebSocketUpgrade},
    http::StatusCode,
    response::Response,
    routing::get,
};
use futures_util::StreamExt;
use nexus_delivery::{Session, Start, Tail, sse, ws};
use std::{
    fmt, fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_tungstenite::tungstenite::Message;

/// What was measured.
pub(crate) struct Report {
    listeners: usize,
    changes: u64,
    elapsed: Duration,
    processor: Duration,
    /// In nanoseconds, sorted.
    latencies: Vec<u64>,
}

impl Report {
    fn quantile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share) as usize;
        self.latencies.get(index).map_or(f64::NAN, |nanos| *nanos as f64 / 1e6)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = self.latencies.len();
        writeln!(
            f,
            "{} listeners, {} changes in {:.1} s, {frames} frames",
            self.listeners,
            self.changes,
            self.elapsed.as_secs_f64()
        )?;
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| self.quantile(share));
        writeln!(f, "from commit to listener: p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms")?;
        let processor = self.processor.as_secs_f64() * 1e6 / frames.max(1) as f64;
        write!(f, "processor time, listeners included: {processor:.1} µs a frame")
    }
}

/// When each change was made, in nanoseconds since the beginning.
struct Times {
    begun: Instant,
    made: Vec<AtomicU64>,
}

impl Times {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// How old the change is that `frame` tells of, if it tells of one.
    fn age(&self, frame: &str) -> Option<u64> {
        let digits = frame.strip_prefix(r#"{"seq":"#)?.split(',').next()?;
        let made = self.made.get(digits.parse::<usize>().ok()?)?.load(Ordering::Acquire);
        Some(self.now().saturating_sub(made))
    }
}

/// Opens the listeners, makes the changes, and waits until every listener has heard of all it wants.
pub(crate) async fn measure(arguments: &Arguments, history: &History, tail: Tail) -> Result<Report, Failure> {
    let at = serve(tail.clone()).await?;
    let made = (0..=arguments.changes).map(|_| AtomicU64::new(0)).collect();
    let times = Arc::new(Times { begun: Instant::now(), made });
    let mut listeners = JoinSet::new();
    for number in 0..arguments.listeners {
        let author = number % arguments.authors;
        let wanted = wanted_by(author as u64, arguments);
        match number % 2 {
            0 => listeners.spawn(hear_events(at, author, wanted, times.clone())),
            _ => listeners.spawn(hear_messages(at, author, wanted, times.clone())),
        };
    }
    while tail.sessions() < arguments.listeners {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (begun, processor) = (Instant::now(), processor_time());
    let mut tick = tokio::time::interval(Duration::from_secs(1) / arguments.rate);
    for seq in 1..=arguments.changes {
        tick.tick().await;
        times.made[usize::try_from(seq)?].store(times.now(), Ordering::Release);
        history.append(&(seq % arguments.authors as u64).to_string());
    }
    let mut latencies = Vec::new();
    while let Some(heard) = listeners.join_next().await {
        latencies.extend(heard??);
    }
    latencies.sort_unstable();
    Ok(Report {
        listeners: arguments.listeners,
        changes: arguments.changes,
        elapsed: begun.elapsed(),
        processor: processor_time().saturating_sub(processor),
        latencies,
    })
}

/// How many of the changes 1, 2, 3 and so on are by this author.
fn wanted_by(author: u64, arguments: &Arguments) -> usize {
    let authors = arguments.authors as u64;
    (1..=arguments.changes).filter(|seq| seq % authors == author).count()
}

async fn serve(tail: Tail) -> Result<SocketAddr, Failure> {
    let routes =
        Router::new().route("/sse/{author}", get(events)).route("/ws/{author}", get(messages)).with_state(tail);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(at)
}

/// The benchmark's tail refuses nobody.
fn session(tail: &Tail, author: String) -> Result<Session, StatusCode> {
    tail.subscribe("bench", Arc::new(By(author)), Start::Now).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

async fn events(State(tail): State<Tail>, Path(author): Path<String>) -> Result<Response, StatusCode> {
    session(&tail, author).map(sse::response)
}

async fn messages(
    State(tail): State<Tail>,
    Path(author): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, StatusCode> {
    let session = session(&tail, author)?;
    Ok(upgrade.on_upgrade(|socket| ws::serve(socket, session)))
}

async fn hear_events(at: SocketAddr, author: usize, wanted: usize, times: Arc<Times>) -> Result<Vec<u64>, Failure> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(format!("GET /sse/{author} HTTP/1.1\r\nhost: bench\r\n\r\n").as_bytes()).await?;
    let mut lines = BufReader::new(stream).lines();
    let mut heard = Vec::with_capacity(wanted);
    while heard.len() < wanted {
        let line = lines.next_line().await?.ok_or("the server hung up")?;
        heard.extend(line.strip_prefix("data: ").and_then(|frame| times.age(frame)));
    }
    Ok(heard)
}

async fn hear_messages(at: SocketAddr, author: usize, wanted: usize, times: Arc<Times>) -> Result<Vec<u64>, Failure> {
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{at}/ws/{author}")).await?;
    let mut heard = Vec::with_capacity(wanted);
    while heard.len() < wanted {
        if let Message::Text(frame) = socket.next().await.ok_or("the server hung up")?? {
            heard.extend(times.age(&frame));
        }
    }
    Ok(heard)
}

/// Processor time of this process so far, from Linux's `/proc`; nothing elsewhere.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
