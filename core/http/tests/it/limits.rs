//! Rate limits and API keys, as clients meet them.

use crate::{Running, client, site_behind};
use axum::{Router, middleware::from_fn_with_state, routing::get};
use nexus_http::{ApiKeyConfig, BucketConfig, Class, Layers, RateLimitConfig, RateLimiter, TrustedProxies, rate_limit};
use nexus_model::Timestamp;
use nexus_runtime::Clock;
use std::sync::Arc;

fn key(name: &str) -> ApiKeyConfig {
    ApiKeyConfig { name: name.into(), key: None, sha256: None, rate: 60, burst: 3, expensive: None }
}

fn config() -> RateLimitConfig {
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
    RateLimitConfig {
        enabled: true,
        default_bucket: BucketConfig { rate: 30, burst: 1 },
        api_keys: vec![
            ApiKeyConfig { key: Some("plain".into()), ..key("app") },
            ApiKeyConfig { sha256: Some(hash.into()), ..key("hashed") },
        ],
        ..RateLimitConfig::default()
    }
}

async fn start(config: &RateLimitConfig) -> (Running, Clock) {
    let clock = Clock::fixed(Timestamp::from_millis(1_000_000));
    let limiter = Arc::new(RateLimiter::new(config, clock.clone()).unwrap());
    let limited = from_fn_with_state((limiter, Class::Default), rate_limit);
    let router = Router::new().route("/", get(|| async { "ok" })).route_layer(limited);
    let proxies = TrustedProxies::new(vec!["127.0.0.1".parse().unwrap()]);
    (Running::start(site_behind(Layers::default().apply(router), proxies)).await, clock)
}

async fn status(port: &Running, headers: &[(&str, &str)]) -> u16 {
    let request = headers.iter().fold(client().get(&port.url), |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_empty_bucket_is_429_with_the_seconds_to_wait() {
    let (port, clock) = start(&config()).await;
    assert_eq!(port.get("/").await.status(), 200);
    let refused = port.get("/").await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"2".parse().unwrap()));
    assert_eq!(refused.headers()["access-control-allow-origin"], "*", "browsers may read it");
    assert_eq!(refused.text().await.unwrap(), "");
    assert_eq!(status(&port, &[("x-forwarded-for", "1.2.3.4")]).await, 200, "another client");
    clock.advance(1_999);
    let nearly = port.get("/").await;
    assert_eq!((nearly.status().as_u16(), &nearly.headers()["retry-after"]), (429, &"0".parse().unwrap()));
    clock.advance(1);
    assert_eq!(port.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_key_has_limits_of_its_own() {
    let (port, _) = start(&config()).await;
    for header in [("x-api-key", "plain"), ("authorization", "Bearer secret")] {
        for (nth, expected) in [200, 200, 200, 429].into_iter().enumerate() {
            let from = format!("9.9.9.{nth}");
            assert_eq!(status(&port, &[header, ("x-forwarded-for", &from)]).await, expected, "{header:?} {nth}");
        }
    }
    assert_eq!(status(&port, &[("x-api-key", "guess")]).await, 200, "an unknown key counts as none");
    assert_eq!(status(&port, &[("x-api-key", "guess 2")]).await, 429);
}

#[tokio::test]
async fn switched_off_limits_hold_for_keys_only() {
    let (port, _) = start(&RateLimitConfig { enabled: false, ..config() }).await;
    for _ in 0..5 {
        assert_eq!(port.get("/").await.status(), 200);
    }
    for expected in [200, 200, 200, 429] {
        assert_eq!(status(&port, &[("x-api-key", "plain")]).await, expected);
    }
}

#[test]
fn keys_are_not_shown_and_bad_ones_are_named() {
    let shown = format!("{:?}", config());
    assert!(!shown.contains("plain") && shown.contains("app"));
    for bad in [key("none"), ApiKeyConfig { sha256: Some("12".into()), ..key("short") }] {
        let config = RateLimitConfig { api_keys: vec![bad.clone()], ..RateLimitConfig::default() };
        let error = RateLimiter::new(&config, Clock::system()).err().unwrap().to_string();
        assert!(error.starts_with(&format!("api key {}: ", bad.name)), "{error}");
    }
}
