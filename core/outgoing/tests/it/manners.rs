//! How long a server is waited for, how far it is followed, and how much of it is read.

use axum::{
    Router,
    extract::Path,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use flate2::{Compression, write::GzEncoder};
use nexus_outgoing::{BodyError, ChosenBy, Manners, Outgoing, Refused, read_body};
use proptest::prelude::*;
use std::{io::Write as _, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Redirects as often as the path says, then answers.
async fn hop(Path(left): Path<usize>) -> Response {
    match left.checked_sub(1) {
        Some(less) => Redirect::temporary(&format!("/hop/{less}")).into_response(),
        None => "there".into_response(),
    }
}

async fn agent(headers: HeaderMap) -> String {
    headers["user-agent"].to_str().unwrap().to_owned()
}

async fn packed() -> Response {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b'x'; 8 << 20]).unwrap();
    ([("content-encoding", "gzip")], encoder.finish().unwrap()).into_response()
}

async fn server() -> SocketAddr {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/hop/{left}", get(hop))
        .route("/agent", get(agent))
        .route("/packed", get(packed))
        .route("/echo", post(|body: String| async move { body }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn operator(manners: &Manners) -> Outgoing {
    Outgoing::new(ChosenBy::Operator, manners).unwrap()
}

#[tokio::test]
async fn redirects_are_followed_as_often_as_the_manners_say() {
    let address = server().await;
    for most in [0, 1, 5] {
        let client = operator(&Manners { redirects: most, ..Manners::new("nexus/test") });
        let ask = async |hops: usize| client.get(&format!("http://{address}/hop/{hops}")).unwrap().send().await;
        assert_eq!(ask(most).await.unwrap().text().await.unwrap(), "there", "{most}");
        assert!(ask(most + 1).await.unwrap_err().is_redirect(), "{most}");
    }
}

#[tokio::test]
async fn a_server_learns_who_asks() {
    let address = server().await;
    let answer = operator(&Manners::new("nexus/9")).get(&format!("http://{address}/agent")).unwrap().send().await;
    assert_eq!(answer.unwrap().text().await.unwrap(), "nexus/9");
}

#[tokio::test]
async fn any_method_may_be_sent() {
    let address = server().await;
    let client = operator(&Manners::new("nexus/test"));
    let request = client.request(reqwest::Method::POST, &format!("http://{address}/echo")).unwrap().body("said");
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "said");
}

/// Takes connections and says `words`, a piece at each pause, then nothing more.
async fn mumbler(words: &'static [&'static str], pause: Duration) -> SocketAddr {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            for word in words {
                if stream.write_all(word.as_bytes()).await.is_err() {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
            open.push(stream);
        }
    });
    address
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let manners = Manners { silence: Duration::from_millis(100), ..Manners::new("nexus/test") };
    let client = operator(&manners);
    let mute = mumbler(&[], Duration::ZERO).await;
    let failure = client.get(&format!("http://{mute}/")).unwrap().send().await.unwrap_err();
    assert!(failure.is_timeout(), "{failure:?}");
    let halting = mumbler(&[HEAD, "ab"], Duration::ZERO).await;
    let answer = client.get(&format!("http://{halting}/")).unwrap().send().await.unwrap();
    let failure = read_body(answer, 100).await.unwrap_err();
    assert!(matches!(&failure, BodyError::Broken(cause) if cause.is_timeout()), "{failure:?}");
}

/// The limit is between two pieces, not on the whole: what is slow but goes on is read.
#[tokio::test]
async fn a_slow_server_is_waited_for() {
    let manners = Manners { silence: Duration::from_secs(5), ..Manners::new("nexus/test") };
    let slow = mumbler(&[HEAD, "a", "b", "c", "d"], Duration::from_millis(30)).await;
    let answer = operator(&manners).get(&format!("http://{slow}/")).unwrap().send().await.unwrap();
    assert_eq!(read_body(answer, 4).await.unwrap(), "abcd");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(format!("{HEAD}ab").as_bytes()).await;
    });
    let answer =
        operator(&Manners::new("nexus/test")).get(&format!("http://{address}/")).unwrap().send().await.unwrap();
    assert!(matches!(read_body(answer, 100).await, Err(BodyError::Broken(_))));
}

#[tokio::test]
async fn what_is_packed_counts_unpacked() {
    let address = server().await;
    let client = operator(&Manners::new("nexus/test"));
    let ask = async || client.get(&format!("http://{address}/packed")).unwrap().send().await.unwrap();
    let refused = read_body(ask().await, 1 << 20).await.unwrap_err();
    assert_eq!(refused.to_string(), "an answer of more than 1048576 bytes");
    assert_eq!(read_body(ask().await, 8 << 20).await.unwrap().len(), 8 << 20);
}

/// Spellings that browsers understand, and a check of texts alone would not.
#[test]
fn a_private_address_is_known_in_every_spelling() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stranger = Outgoing::new(ChosenBy::Stranger, &Manners::new("nexus/test")).unwrap();
    for host in [
        "127.1",
        "127.0.0.1.",
        "0177.0.0.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "127.0x0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "user@127.0.0.1",
        "user:pass@127.0.0.1",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ] {
        for scheme in ["http", "https", "HTTP"] {
            let refused = stranger.get(&format!("{scheme}://{host}/")).err();
            assert_eq!(refused, Some(Refused::Private), "{scheme}://{host}/");
        }
    }
    for url in
        ["", "http:", "http://[::1", "//127.0.0.1/", "gopher://x/", "data:,x", "javascript:1", "ws://example.com/"]
    {
        assert_eq!(stranger.get(url).err(), Some(Refused::Url), "{url}");
    }
    assert!(stranger.get("https://example.com:8443/path?query#part").is_ok(), "what a name leads to is found later");
}

proptest! {
    /// No text at all is a request to a private address.
    #[test]
    fn any_text_is_a_url_or_refused(text in "(http://)?[0-9a-fx.\\[\\]:@/%]{0,24}") {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let stranger = Outgoing::new(ChosenBy::Stranger, &Manners::new("nexus/test")).unwrap();
        if let Ok(request) = stranger.get(&text) {
            let url = request.build().unwrap().url().clone();
            let address = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
            prop_assert!(address.is_none_or(|address| ChosenBy::Stranger.allows(address)), "{}", url);
        }
    }
}
