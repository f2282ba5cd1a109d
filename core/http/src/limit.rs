//! Rate limits: one token bucket for each client, key and class of requests, kept as the time at which the
//! bucket would be full again (GCRA), so a bucket that is full need not be remembered.

use crate::{
    Client, Error,
    config::{BucketConfig, RateLimitConfig},
    keys::{SecretHash, presented},
};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use nexus_runtime::Clock;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// What a request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Little.
    Default,
    /// A walk over much of the graph, a large answer, or an image to compute.
    Expensive,
}

impl Class {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Expensive => "expensive",
        }
    }
}

/// What Pubky Nexus calls the requests that it turns away (spec e.7 of the social service).
const REJECTED: &str = "http.rate_limit.rejected.total";

/// A bucket's arithmetic, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Quota {
    /// Time for one token to come back.
    interval: i64,
    /// How far ahead of now a bucket may run before it is empty.
    tolerance: i64,
}

impl From<BucketConfig> for Quota {
    fn from(config: BucketConfig) -> Self {
        let interval = 60_000_000 / i64::from(config.rate.max(1));
        Self { interval, tolerance: interval * i64::from(config.burst.max(1)) }
    }
}

impl Quota {
    /// The bucket's next state, or the microseconds until it has a token.
    fn take(self, full_at: i64, now: i64) -> Result<i64, i64> {
        let next = full_at.max(now) + self.interval;
        if next - now <= self.tolerance { Ok(next) } else { Err(next - now - self.tolerance) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Address(IpAddr),
    Key(usize),
    /// Everybody who came when the table was full.
    Overflow,
}

struct KeyLimits {
    name: String,
    default: Quota,
    expensive: Quota,
}

/// The limits of one API, shared by all its routes.
pub struct RateLimiter {
    clock: Clock,
    anonymous: Option<(Quota, Quota)>,
    keys: Vec<KeyLimits>,
    key_of: HashMap<SecretHash, usize>,
    max_clients: usize,
    buckets: Mutex<HashMap<(Holder, Class), i64>>,
}

impl RateLimiter {
    /// Limits from the configuration.
    ///
    /// # Errors
    /// If an API key has no usable secret.
    pub fn new(config: &RateLimitConfig, clock: Clock) -> Result<Self, Error> {
        let anonymous = (config.default_bucket.into(), config.expensive_bucket.into());
        for class in [Class::Default, Class::Expensive] {
            metrics::counter!(REJECTED, "bucket" => class.as_str()).absolute(0);
        }
        let key_of = config.api_keys.iter().enumerate().map(|(n, key)| Ok((SecretHash::configured(key)?, n)));
        let keys = config.api_keys.iter().map(|key| {
            let default = BucketConfig { rate: key.rate, burst: key.burst };
            let expensive = key.expensive.unwrap_or(default).into();
            KeyLimits { name: key.name.clone(), default: default.into(), expensive }
        });
        Ok(Self {
            clock,
            anonymous: config.enabled.then_some(anonymous),
            keys: keys.collect(),
            key_of: key_of.collect::<Result<_, Error>>()?,
            max_clients: config.max_clients.max(1),
            buckets: Mutex::default(),
        })
    }

    /// False if everybody may ask as often as they like: then the middleware can be left out.
    pub fn limits_anybody(&self) -> bool {
        self.anonymous.is_some() || !self.keys.is_empty()
    }

    /// Takes a token for a request.
    ///
    /// # Errors
    /// The whole seconds until there is one again; 0 means in less than a second.
    pub fn check(&self, client: Option<Client>, headers: &HeaderMap, class: Class) -> Result<(), u64> {
        let Some((holder, quota)) = self.holder(client, headers, class) else { return Ok(()) };
        let now = self.clock.now().millis().saturating_mul(1000);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = self.cell(&mut buckets, (holder, class), now);
        let full_at = buckets.get(&cell).copied().unwrap_or(0);
        let taken = quota.take(full_at, now);
        if let Ok(next) = taken {
            buckets.insert(cell, next);
        }
        drop(buckets);
        self.count(holder, class, taken.is_ok());
        taken.map(drop).map_err(|wait| u64::try_from(wait / 1_000_000).unwrap_or(0))
    }

    /// Counts by the name of the key; everybody without one is `anonymous`.
    fn count(&self, holder: Holder, class: Class, allowed: bool) {
        let key = match holder {
            Holder::Key(key) => self.keys[key].name.clone(),
            Holder::Address(_) | Holder::Overflow => "anonymous".into(),
        };
        let name = if allowed { "http_rate_allowed_total" } else { "http_rate_limited_total" };
        metrics::counter!(name, "bucket" => class.as_str(), "key" => key).increment(1);
        if !allowed {
            metrics::counter!(REJECTED, "bucket" => class.as_str()).increment(1);
        }
    }

    fn holder(&self, client: Option<Client>, headers: &HeaderMap, class: Class) -> Option<(Holder, Quota)> {
        let of_class = |(default, expensive)| if class == Class::Default { default } else { expensive };
        let shown = if self.key_of.is_empty() { None } else { presented(headers) };
        if let Some(&key) = shown.and_then(|hash| self.key_of.get(&hash)) {
            let limits = &self.keys[key];
            return Some((Holder::Key(key), of_class((limits.default, limits.expensive))));
        }
        let address = client.map_or(Holder::Overflow, |client| Holder::Address(client.bucket()));
        self.anonymous.map(|quotas| (address, of_class(quotas)))
    }

    /// Where a bucket is kept. A full table first forgets buckets that are full again; if none is, newcomers
    /// share one.
    fn cell(&self, buckets: &mut HashMap<(Holder, Class), i64>, cell: (Holder, Class), now: i64) -> (Holder, Class) {
        if buckets.len() < self.max_clients || buckets.contains_key(&cell) {
            return cell;
        }
        buckets.retain(|_, full_at| *full_at > now);
        if buckets.len() < self.max_clients { cell } else { (Holder::Overflow, cell.1) }
    }
}

/// Middleware that answers 429 with `retry-after` and no body when a client has no token left:
/// `axum::middleware::from_fn_with_state((limiter, class), rate_limit)`.
pub async fn rate_limit(
    State((limiter, class)): State<(Arc<RateLimiter>, Class)>,
    request: Request,
    next: Next,
) -> Response {
    let client = request.extensions().get::<Client>().copied();
    match limiter.check(client, request.headers(), class) {
        Ok(()) => next.run(request).await,
        Err(seconds) => (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds.to_string())]).into_response(),
    }
}
