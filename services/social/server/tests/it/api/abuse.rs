//! What nobody should send: every endpoint under parameters of all sorts, and a real socket under bytes of all sorts.
//! Whatever comes, the answer says what is wrong with it, and the next request is answered.

use super::town::{World, hash, id, town, user};
use nexus_http::{ConnectionLimits, Readiness, Server, Site, TrustedProxies};
use nexus_runtime::CancellationToken;
use nexus_social::dice::Dice;
use nexus_social_server::api;
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Values that a parameter of this name may take for good, already encoded.
fn sensible(name: &str) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match name {
        "post_id" => [1, 3, 5, 9].map(|n| id(n).to_string()).to_vec(),
        "tag_id" => [1, 4].map(|n| hash(n).to_string()).to_vec(),
        name if name.ends_with("_id") => [0, 1, 2, 3, 9].map(|n| user(n).to_string()).to_vec(),
        "label" | "tag" | "tags" | "domain_tags" | "prefix" => words(&["maps", "art,kind", "kind", "Ada"]),
        "source" => words(&[
            "all",
            "following",
            "followers",
            "friends",
            "wot",
            "wot_domain",
            "author",
            "author_replies",
            "post_replies",
            "collection",
            "bookmarks",
            "most_followed",
            "influencers",
            "starter_pack",
            "recommended",
        ]),
        "reach" => words(&["wot_2", "following"]),
        "timeframe" => words(&["today", "all_time"]),
        "sorting" => words(&["timeline", "total_engagement"]),
        "order" => words(&["ascending", "descending"]),
        "kind" | "exclude_kinds" => words(&["short", "long,link"]),
        "content" => words(&["uri", "full"]),
        "cursor" => words(&["0", "3"]),
        "exclude_muted" | "include_attachment_metadata" | "preview" => words(&["true", "false"]),
        _ => words(&["1", "2", "3", "10"]),
    }
}

/// Values that nothing should take for good, already encoded.
const SENSELESS: [&str; 23] = [
    "",
    "%00",
    "%ff%fe",
    "%20",
    "-1",
    "+1",
    "1e3",
    "0x10",
    "99999999999999999999999999",
    "%D9%A3",
    "NaN",
    "inf",
    "-1e400",
    "null",
    "%5B%5D",
    "..%2F..%2Fetc%2Fpasswd",
    "%27%3B%20DROP%20TABLE%20posts%3B--",
    "%F0%9F%99%82",
    "a%0d%0aset-cookie:x",
    "%E2%80%AE",
    "pubky%3A%2F%2F",
    "%25%25%25",
    "TRUE",
];

fn value(dice: &mut Dice, name: &str) -> String {
    let sensible = sensible(name);
    match dice.below(20) {
        0 => "x".repeat(dice.below(3000)),
        1..4 => SENSELESS[dice.below(SENSELESS.len())].to_owned(),
        _ => sensible[dice.below(sensible.len())].clone(),
    }
}

/// A request for an operation of the document, with some of its parameters.
fn request(dice: &mut Dice, path: &str, operation: &Value) -> String {
    let mut path = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        match parameter["in"].as_str().unwrap() {
            "path" => path = path.replace(&format!("{{{name}}}"), &value(dice, name)),
            "query" if dice.percent(25) => {
                for _ in 0..=usize::from(dice.percent(4)) {
                    query.push(format!("{name}={}", value(dice, name)));
                }
            }
            _ => {}
        }
    }
    format!("{path}?{}", query.join("&"))
}

/// The model and the index are asked alike, and must answer alike.
#[tokio::test]
async fn no_parameter_breaks_an_endpoint() {
    let app = town().start();
    let document = serde_json::to_value(api::documents().v0).unwrap();
    let gets: Vec<_> = document["paths"].as_object().unwrap().iter().collect();
    let gets = gets.into_iter().filter(|(path, methods)| path.starts_with("/v0/") && methods.get("get").is_some());
    let (mut dice, mut answered) = (Dice::new(7), 0);
    for (path, methods) in gets {
        for _ in 0..60 {
            let request = request(&mut dice, path, &methods["get"]);
            let reply = app.get(&request).await;
            assert!(reply.status < 500, "{request}: {reply:?}");
            answered += usize::from(reply.status == 200);
            if reply.status == 400 {
                let error = reply.json()["error"].as_str().map(str::to_owned).unwrap_or_default();
                assert!(error.starts_with("Invalid input: "), "{request}: {reply:?}");
            }
            assert!(reply.headers.get("set-cookie").is_none(), "{request}: {reply:?}");
        }
    }
    assert!(answered > 300, "only {answered} of them made sense: the test asks too little");
}

/// The API on a port of its own, impatient.
async fn listen(world: World) -> SocketAddr {
    let app = world.start();
    let limits = ConnectionLimits { header_timeout_secs: 1, ..ConnectionLimits::default() };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits, None).await.unwrap();
    let site = Site::new(Readiness::default(), TrustedProxies::default(), &app.clock);
    let site = site.mount("social", api::PATHS, app.router());
    let address = server.address();
    tokio::spawn(server.serve(site, CancellationToken::new()));
    address
}

/// Sends bytes and reads until the other side is done.
async fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may have heard enough before all is said.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let heard = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(heard.is_ok(), "it never ended: {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]));
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn json(body: &[u8]) -> Vec<u8> {
    let headers = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    post("/v0/stream/posts/by_ids", &headers, body)
}

async fn is_well(address: SocketAddr) {
    let answer = say(address, b"GET /v0/info HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 200, "{answer}");
}

#[tokio::test]
async fn bodies_of_all_sorts_are_refused_with_a_reason() {
    let address = listen(town()).await;
    let deep = "[".repeat(500_000);
    let many = format!(r#"{{"post_ids":[{}]}}"#, vec![r#""x:y""#; 101].join(","));
    let huge = format!(r#"{{"post_ids":["{}"]}}"#, "x".repeat(1 << 20));
    for (request, expected) in [
        (json(deep.as_bytes()), 400),
        (json(many.as_bytes()), 400),
        (json(huge.as_bytes()), 413),
        (json(b"{\"post_ids\":[\"\xff\"]}"), 400),
        (json(br#"{"post_ids":{"a":1},"post_ids":[]}"#), 400),
        (json(b""), 400),
        (json(b"null"), 400),
        (post("/v0/stream/posts/by_ids", "content-length: 2\r\n", b"{}"), 400),
        (
            post("/v0/stream/posts/by_ids", "content-type: application/json\r\ncontent-length: 99999999999\r\n", b"{"),
            413,
        ),
        (post("/v0/info", "content-length: 0\r\n", b""), 405),
    ] {
        let answer = say(address, &request).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(answer.contains("access-control-allow-origin: *"), "{answer}");
    }
    is_well(address).await;
}

#[tokio::test]
async fn a_body_in_pieces_without_end_is_cut() {
    let address = listen(town()).await;
    let head = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let pieces = format!("10000\r\n{}\r\n", "x".repeat(65_536)).repeat(40);
    let answer = say(address, &post("/v0/stream/posts/by_ids", head, pieces.as_bytes())).await;
    assert_eq!(status(&answer), 413, "{answer}");
    is_well(address).await;
}

#[tokio::test]
async fn heads_of_all_sorts_end_their_connection_and_no_other() {
    let address = listen(town()).await;
    let ask =
        |target: &str, headers: &str| format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    let long = format!("/v0/stream/posts?tags={}", "a,".repeat(20_000));
    let longer = format!("/v0/search/tags/by_prefix/{}", "a".repeat(200_000));
    let flood = "x-flood: y\r\n".repeat(20_000);
    for (bytes, expected) in [
        (ask(&long, ""), &[400][..]),
        (ask(&longer, ""), &[400, 414, 431]),
        (ask("/v0/info", &flood), &[431]),
        (ask("/v0/user/%ff%fe", ""), &[400]),
        (ask("/v0/user/%zz", ""), &[400]),
        (ask("/static/files/../../../../etc/passwd", ""), &[400, 404]),
        (ask("/static/files/%2e%2e/%2e%2e/main", ""), &[400, 404]),
        (ask("/v0/info", "x-request-id: a b\"c\r\n"), &[200]),
        (ask("/v0/info", "range: bytes=0-99999999999999999999\r\n"), &[200]),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n".to_owned(), &[0, 400]),
        ("GET /v0/info HTTP/9.9\r\n\r\n".to_owned(), &[0, 400, 505]),
        ("GET\r\n\r\n".to_owned(), &[0, 400]),
        ("GET /v0/info HTTP/1.1\r\nhost".to_owned(), &[0, 400, 408]),
    ] {
        let answer = say(address, bytes.as_bytes()).await;
        assert!(expected.contains(&status(&answer)), "{:?}: {answer}", &bytes[..bytes.len().min(60)]);
        is_well(address).await;
    }
}

#[tokio::test]
async fn many_requests_at_once_on_one_connection_are_answered_in_order() {
    let address = listen(town()).await;
    let one = |n: usize| format!("GET /v0/events?cursor={n} HTTP/1.1\r\nhost: x\r\n\r\n");
    let all: String =
        (0..50).map(one).chain(["GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".into()]).collect();
    let answer = say(address, all.as_bytes()).await;
    let cursors: Vec<_> = answer
        .match_indices("cursor: ")
        .map(|(at, _)| answer[at + 8..].chars().take_while(char::is_ascii_digit).collect::<String>())
        .collect();
    assert_eq!(cursors, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}
