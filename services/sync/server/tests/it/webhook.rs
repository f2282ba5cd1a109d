//! Delivery by webhook, to a server that fails at first.

use crate::service::{ACKNOWLEDGED, Service};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, Mac};
use nexus_model::Seq;
use nexus_runtime::Clock;
use nexus_sync::event::Kind;
use nexus_sync_server::SyncOutbox;
use nexus_sync_server::api::{Health, Password};
use nexus_sync_server::webhook::{Tools, Webhook};
use serde_json::Value;
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A server that takes events, except the first try of event 1, and tells of each try.
async fn receiver() -> (String, mpsc::UnboundedReceiver<(u64, HeaderMap)>) {
    let (tell, told) = mpsc::unbounded_channel();
    let mut first = true;
    let (failing, mut take) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some((id, answer)) = take.recv().await {
            let answer: tokio::sync::oneshot::Sender<StatusCode> = answer;
            let fails = id == 1 && std::mem::take(&mut first);
            let _ = answer.send(if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::ACCEPTED });
        }
    });
    let handler = move |headers: HeaderMap, body: String| {
        let (tell, failing) = (tell.clone(), failing.clone());
        async move {
            let id = serde_json::from_str::<Value>(&body).unwrap()["id"].as_u64().unwrap();
            tell.send((id, headers)).unwrap();
            let (answer, answered) = tokio::sync::oneshot::channel();
            failing.send((id, answer)).unwrap();
            answered.await.unwrap()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(handler))).await.unwrap() });
    (url, told)
}

fn webhook(url: String) -> Webhook {
    Webhook { url, password: None, secret: None, user_agent: "tap/1".into(), batch: 1 }
}

fn tools() -> Tools {
    Tools { client: reqwest::Client::new(), clock: Clock::system(), jitter: Arc::new(|| 0) }
}

#[tokio::test]
async fn requests_are_signed_and_hold_what_may_travel_together() {
    let service = Service::start(Password::new(None, Health::Guarded), ACKNOWLEDGED).await;
    for name in ["a", "b", "c"] {
        service.append(name, Kind::Historical, r#""type":"x"}"#);
    }
    service.append("a", Kind::Live, r#""type":"x"}"#);
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = move |headers: HeaderMap, body: String| async move { tell.send((headers, body)).unwrap() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(handler))).await.unwrap() });
    let webhook = Webhook { secret: Some("key".into()), batch: 10, ..webhook(url) };
    let running = tokio::spawn(webhook.run(service.channel.clone(), tools()));
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let (headers, body) = tokio::time::timeout(Duration::from_secs(20), told.recv()).await.unwrap().unwrap();
        let signature = headers["x-nexus-signature"].to_str().unwrap();
        let (time, hash) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"key").unwrap();
        mac.update(format!("{time}.{body}").as_bytes());
        assert_eq!(hash, hex::encode(mac.finalize().into_bytes()));
        let events: Vec<Value> = serde_json::from_str(&body).unwrap();
        let ids: Vec<u64> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
        assert!(!ids.contains(&4) || ids == [4], "the live event waits for what is before it, and travels alone");
        seen.extend(ids);
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4]);
    service.stop().await;
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn events_are_posted_until_they_are_taken_in_order() {
    let service = Service::start(Password::new(None, Health::Guarded), ACKNOWLEDGED).await;
    let (url, mut told) = receiver().await;
    let webhook = Webhook { password: Some("s3cret".into()), ..webhook(url) };
    let running = tokio::spawn(webhook.run(service.channel.clone(), tools()));
    service.append("a", Kind::Live, r#""type":"x"}"#);
    service.append("a", Kind::Live, r#""type":"x"}"#);
    let mut tries = Vec::new();
    for _ in 0..3 {
        let (id, headers) = tokio::time::timeout(Duration::from_secs(20), told.recv()).await.unwrap().unwrap();
        assert_eq!(
            (&headers["content-type"], &headers["user-agent"]),
            (&"application/json".parse().unwrap(), &"tap/1".parse().unwrap())
        );
        assert_eq!(headers["authorization"], "Basic YWRtaW46czNjcmV0");
        tries.push(id);
    }
    assert_eq!(tries, [1, 1, 2], "the second waits until the first is taken");
    service.stop().await;
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn at_a_stop_what_is_under_way_is_answered_and_not_sent_again() {
    let service = Service::start(Password::new(None, Health::Guarded), ACKNOWLEDGED).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let (free, held) = tokio::sync::watch::channel(false);
    let handler = move || async move {
        tell.send(()).unwrap();
        held.clone().wait_for(|is_free| *is_free).await.unwrap();
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(handler))).await.unwrap() });
    let running = tokio::spawn(webhook(url).run(service.channel.clone(), tools()));
    service.append("a", Kind::Live, r#""type":"x"}"#);
    tokio::time::timeout(Duration::from_secs(20), told.recv()).await.unwrap().unwrap();
    let stopping = tokio::spawn(service.stop());
    tokio::task::yield_now().await;
    free.send(true).unwrap();
    let store = stopping.await.unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(SyncOutbox::settled(&*store, "main").unwrap().floor(), Seq::new(1));
}
