//! The rule over real sockets: loopback stands for everything private.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod addresses;
mod manners;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use nexus_outgoing::{BodyError, ChosenBy, Manners, Outgoing, Refused, read_body};
use std::net::SocketAddr;

async fn server() -> SocketAddr {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/", get(|| async { "here" }))
        .route("/away", get(|| async { Redirect::temporary("/") }))
        .route("/files", get(|| async { Redirect::temporary("ftp://127.0.0.1/") }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route("/endless", get(|| async { "x".repeat(100_000) }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn client(chosen_by: ChosenBy) -> Outgoing {
    Outgoing::new(chosen_by, &Manners::new("nexus/test")).unwrap()
}

#[tokio::test]
async fn strangers_lead_to_no_private_address_by_number_or_by_name() {
    let port = server().await.port();
    let stranger = client(ChosenBy::Stranger);
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "2130706433", "0x7f.1"] {
        let refused = stranger.get(&format!("http://{host}:{port}/")).err();
        assert_eq!(refused, Some(Refused::Private), "{host}");
    }
    let named = stranger.get(&format!("http://localhost:{port}/")).unwrap().send().await.unwrap_err();
    assert!(format!("{named:?}").contains("Private"), "{named:?}");
    for url in ["file:///etc/passwd", "ftp://example.com/", "nowhere", "http://"] {
        assert_eq!(stranger.get(url).err(), Some(Refused::Url), "{url}");
    }
}

#[tokio::test]
async fn the_operator_reaches_everything_and_redirects_end() {
    let address = server().await;
    let operator = client(ChosenBy::Operator);
    let ask = async |path: &str| operator.get(&format!("http://{address}{path}")).unwrap().send().await;
    assert_eq!(ask("/").await.unwrap().text().await.unwrap(), "here");
    assert_eq!(ask("/away").await.unwrap().text().await.unwrap(), "here");
    assert!(ask("/round").await.unwrap_err().is_redirect());
    assert!(ask("/files").await.unwrap_err().is_redirect());
    let most = read_body(ask("/endless").await.unwrap(), 100_000).await.unwrap();
    assert_eq!(most.len(), 100_000);
    let less = read_body(ask("/endless").await.unwrap(), 99_999).await;
    assert!(matches!(less, Err(BodyError::TooLarge { limit: 99_999 })));
}

#[tokio::test]
async fn sockets_are_opened_to_allowed_addresses_alone() {
    let address = server().await;
    let refused = ChosenBy::Stranger.connect([address]).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    assert_eq!(ChosenBy::Operator.connect([address]).await.unwrap().peer_addr().unwrap(), address);
    let nowhere = ChosenBy::Operator.connect([]).await.unwrap_err();
    assert_eq!(nowhere.kind(), std::io::ErrorKind::AddrNotAvailable);
}
