//! The settings of the API as `nexus-http` and the image workshop take them.

use super::{Api, ApiKey, Bucket, RateLimit};
use crate::statics::ImageLimits;
use nexus_config::{Bounded, Secret};
use nexus_http::{ApiKeyConfig, BucketConfig, Layers, RateLimitConfig};

impl Api {
    /// Sizes and times of requests.
    pub(crate) fn layers(&self) -> Layers {
        Layers { body_limit: self.max_body_size.count(), timeout: self.request_timeout.duration(), ..Layers::default() }
    }

    /// Bounds of making image variants.
    pub(crate) fn image_limits(&self) -> ImageLimits {
        ImageLimits {
            workers: self.image_workers.count(),
            max_pixels: self.max_image_pixels.get(),
            ..ImageLimits::default()
        }
    }
}

impl RateLimit {
    /// How many requests clients may send.
    pub(crate) fn to_limits(&self) -> RateLimitConfig {
        RateLimitConfig {
            enabled: self.enabled,
            default_bucket: self.default_bucket.to_bucket(),
            expensive_bucket: self.expensive_bucket.to_bucket(),
            max_clients: self.max_clients.count(),
            api_keys: self.api_keys.iter().map(ApiKey::to_key).collect(),
        }
    }
}

impl Bucket {
    fn to_bucket(&self) -> BucketConfig {
        BucketConfig { rate: narrow(self.rate), burst: narrow(self.burst) }
    }
}

impl ApiKey {
    fn to_key(&self) -> ApiKeyConfig {
        let own = BucketConfig { rate: narrow(self.rate), burst: narrow(self.burst) };
        let is_given = self.expensive_rate.is_some() || self.expensive_burst.is_some();
        let expensive = BucketConfig {
            rate: self.expensive_rate.map_or(own.rate, narrow),
            burst: self.expensive_burst.map_or(own.burst, narrow),
        };
        ApiKeyConfig {
            name: self.name.clone(),
            key: self.key.as_ref().map(Secret::expose).map(str::to_owned),
            sha256: self.sha256.clone(),
            rate: own.rate,
            burst: own.burst,
            expensive: is_given.then_some(expensive),
        }
    }
}

/// Every number of these settings is at most a million.
fn narrow(number: Bounded<1, 1_000_000>) -> u32 {
    u32::try_from(number.get()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_server() {
        assert_eq!(RateLimit::default().to_limits(), RateLimitConfig::default());
    }

    #[test]
    fn a_key_without_expensive_limits_has_its_own() {
        assert_eq!(ApiKey::default().to_key().expensive, None);
        let slow = ApiKey { expensive_rate: Some(Bounded::of(7)), ..ApiKey::default() };
        assert_eq!(slow.to_key().expensive, Some(BucketConfig { rate: 7, burst: 500 }));
    }
}
