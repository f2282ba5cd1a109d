//! Rate limits without sockets: the bucket's arithmetic against the obvious bucket, and who shares one.

use axum::http::HeaderMap;
use nexus_http::{ApiKeyConfig, BucketConfig, Class, Client, RateLimitConfig, RateLimiter};
use nexus_model::Timestamp;
use nexus_runtime::Clock;
use proptest::prelude::*;
use std::collections::HashMap;

fn clock() -> Clock {
    Clock::fixed(Timestamp::from_millis(1_000_000))
}

fn client(last: u8) -> Option<Client> {
    Some(Client([10, 0, 0, last].into()))
}

fn limiter(rate: u32, burst: u32, max_clients: usize, clock: Clock) -> RateLimiter {
    let config = RateLimitConfig {
        enabled: true,
        default_bucket: BucketConfig { rate, burst },
        expensive_bucket: BucketConfig { rate: 1, burst: 1 },
        max_clients,
        api_keys: Vec::new(),
    };
    RateLimiter::new(&config, clock).unwrap()
}

fn key(name: &str) -> ApiKeyConfig {
    ApiKeyConfig { name: name.into(), key: Some(name.into()), sha256: None, rate: 60, burst: 2, expensive: None }
}

fn ask(limiter: &RateLimiter, who: Option<Client>) -> bool {
    limiter.check(who, &HeaderMap::new(), Class::Default).is_ok()
}

/// Tokens that drip in, counted in millionths.
struct Bucket {
    level: i64,
    interval: i64,
    full: i64,
}

impl Bucket {
    fn new(rate: u32, burst: u32) -> Self {
        let interval = 60_000_000 / i64::from(rate);
        let full = interval * i64::from(burst);
        Self { level: full, interval, full }
    }

    fn pass(&mut self, millis: i64) {
        self.level = (self.level + millis * 1000).min(self.full);
    }

    fn take(&mut self) -> Result<(), u64> {
        if self.level < self.interval {
            return Err(u64::try_from((self.interval - self.level) / 1_000_000).unwrap());
        }
        self.level -= self.interval;
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_bucket_gives_what_dripped_in_and_says_when_there_is_more(
        rate in 1u32..600,
        burst in 1u32..20,
        steps in prop::collection::vec((0i64..5_000, 0u8..3), 1..200),
    ) {
        let clock = clock();
        let limiter = limiter(rate, burst, 100, clock.clone());
        let mut buckets: HashMap<u8, Bucket> = (0..3).map(|who| (who, Bucket::new(rate, burst))).collect();
        for (millis, who) in steps {
            clock.advance(millis);
            buckets.values_mut().for_each(|bucket| bucket.pass(millis));
            let expected = buckets.get_mut(&who).unwrap().take();
            prop_assert_eq!(limiter.check(client(who), &HeaderMap::new(), Class::Default), expected);
        }
    }

    /// A table of any size lets nobody have more than a bucket of their own and the one that newcomers share would.
    #[test]
    fn a_small_table_is_never_more_generous(size in 1usize..4, steps in prop::collection::vec((0i64..3_000, 0u8..6), 1..100)) {
        let clock = clock();
        let limiter = limiter(60, 2, size, clock.clone());
        let mut buckets: HashMap<u8, [Bucket; 2]> = HashMap::new();
        for (millis, who) in steps {
            clock.advance(millis);
            buckets.values_mut().flatten().for_each(|bucket| bucket.pass(millis));
            if ask(&limiter, client(who)) {
                let both = buckets.entry(who).or_insert_with(|| [Bucket::new(60, 2), Bucket::new(60, 2)]);
                let fuller = both.iter_mut().max_by_key(|bucket| bucket.level);
                prop_assert!(fuller.is_some_and(|bucket| bucket.take().is_ok()), "{} had more than two buckets give", who);
            }
        }
    }
}

#[test]
fn clients_and_classes_have_buckets_of_their_own() {
    let limiter = limiter(60, 1, 100, clock());
    let none = HeaderMap::new();
    assert_eq!(limiter.check(client(1), &none, Class::Default), Ok(()));
    assert_eq!(limiter.check(client(1), &none, Class::Default), Err(1));
    assert_eq!(limiter.check(client(2), &none, Class::Default), Ok(()));
    assert_eq!(limiter.check(client(1), &none, Class::Expensive), Ok(()));
    assert_eq!(limiter.check(client(1), &none, Class::Expensive), Err(60));
}

/// Whoever has an IPv6 network has as many addresses as they like.
#[test]
fn a_client_of_ipv6_is_its_network() {
    let limiter = limiter(60, 1, 100, clock());
    let from = |text: &str| ask(&limiter, Some(Client(text.parse().unwrap())));
    assert!(from("2001:db8::1"));
    assert!(!from("2001:db8::ffff:ffff:ffff:ffff"), "the same network");
    assert!(from("2001:db8:0:1::1"), "the next network");
}

#[test]
fn it_is_known_whether_anybody_is_limited() {
    let with = |enabled, api_keys| {
        let config = RateLimitConfig { enabled, api_keys, ..RateLimitConfig::default() };
        RateLimiter::new(&config, clock()).unwrap().limits_anybody()
    };
    assert_eq!([with(false, vec![]), with(true, vec![]), with(false, vec![key("app")])], [false, true, true]);
}

#[test]
fn a_full_table_forgets_full_buckets_then_newcomers_share_one() {
    let clock = clock();
    let limiter = limiter(60, 1, 2, clock.clone());
    for last in 1..=3 {
        assert!(ask(&limiter, client(last)), "{last}");
    }
    assert!(!ask(&limiter, client(4)), "shares a bucket with client 3");
    assert!(!ask(&limiter, client(1)), "who was there first keeps their own");
    clock.advance(1_000);
    for last in 5..=6 {
        assert!(ask(&limiter, client(last)), "{last} has a place of its own: the buckets before are full again");
    }
}

#[test]
fn who_sends_without_an_address_shares_one_bucket() {
    let limiter = limiter(60, 1, 100, clock());
    assert!(ask(&limiter, None) && !ask(&limiter, None));
}

#[test]
fn a_key_is_shown_in_either_header_and_its_classes_are_apart() {
    let expensive = Some(BucketConfig { rate: 60, burst: 1 });
    let config = RateLimitConfig {
        enabled: true,
        default_bucket: BucketConfig { rate: 1, burst: 1 },
        api_keys: vec![ApiKeyConfig { expensive, ..key("secret") }, key("other")],
        ..RateLimitConfig::default()
    };
    let limiter = RateLimiter::new(&config, clock()).unwrap();
    let show = |name: &'static str, value: &str, class| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        limiter.check(client(1), &headers, class)
    };
    assert_eq!(show("x-api-key", "secret", Class::Default), Ok(()));
    assert_eq!(show("authorization", "bearer   secret ", Class::Default), Ok(()));
    assert_eq!(show("authorization", "BEARER secret", Class::Default), Err(1), "one bucket for both headers");
    assert_eq!(show("x-api-key", "secret", Class::Expensive), Ok(()));
    assert_eq!(show("x-api-key", "secret", Class::Expensive), Err(1));
    for _ in 0..2 {
        assert_eq!(show("x-api-key", "other", Class::Expensive), Ok(()), "without limits of its own: those of others");
    }
    assert_eq!(show("authorization", "secret", Class::Default), Ok(()), "no bearer: counted as anybody");
    assert_eq!(show("x-api-key", "Secret", Class::Default), Err(60), "and so is a key that nobody has");
}

#[test]
fn a_rate_of_nothing_is_one_a_minute_and_a_huge_one_has_no_end() {
    let slow = limiter(0, 0, 10, clock());
    assert!(ask(&slow, client(1)));
    assert_eq!(slow.check(client(1), &HeaderMap::new(), Class::Default), Err(60));
    let fast = limiter(u32::MAX, 1, 10, clock());
    assert!((0..10_000).all(|_| ask(&fast, client(1))));
}
