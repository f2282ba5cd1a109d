//! Settings of the REST API.

use nexus_config::{Bounded, Secret, Size, Span, Tables, section};

section! {
    /// The REST API.
    pub struct Api {
        /// Whether `/swagger-ui` is served.
        pub swagger: bool = true,
        /// How long a request may take; then it is answered with 408.
        pub request_timeout: Span<1_000, 3_600_000> = Span::of(30_000),
        /// How long a client may take nothing of its connection while an answer waits; then it is cut. Deleted
        /// content waits no longer either. Over HTTP/2, a client that gives one answer no window loses that one.
        pub stall: Span<1_000, 3_600_000> = Span::of(60_000),
        /// The largest body of a request; more is answered with 413.
        pub max_body_size: Size<1, { 1 << 30 }> = Size::of(1 << 20),
        /// Newest tags on posts that are looked at for the hot tags around a user.
        pub hot_tags_around: Bounded<1, 1_000_000_000> = Bounded::of(262_144),
        /// Image variants that are made at once.
        pub image_workers: Bounded<1, 64> = Bounded::of(2),
        /// The largest image, in pixels, that variants are made of.
        pub max_image_pixels: Bounded<1, 1_000_000_000> = Bounded::of(50_000_000),
        /// How many requests clients may send.
        pub rate_limit: RateLimit = RateLimit::default(),
    }
}

section! {
    /// How many requests clients may send.
    pub struct RateLimit {
        /// Whether clients are limited at all. API keys are limited even when this is off.
        pub enabled: bool = false,
        /// Clients remembered at once. When they are more, newcomers share one bucket.
        pub max_clients: Bounded<1, 100_000_000> = Bounded::of(100_000),
        /// Ordinary requests.
        pub default_bucket: Bucket = Bucket { rate: Bounded::of(300), burst: Bounded::of(50) },
        /// Expensive requests: walks over the graph, images.
        pub expensive_bucket: Bucket = Bucket { rate: Bounded::of(20), burst: Bounded::of(5) },
        /// Keys of apps with limits of their own, shown as `x-api-key` or as a bearer.
        pub api_keys: Tables<ApiKey> = Tables::none(),
    }
}

section! {
    /// A token bucket.
    pub struct Bucket {
        /// Requests a minute, in the long run.
        pub rate: Bounded<1, 1_000_000> = Bounded::of(300),
        /// Requests at once.
        pub burst: Bounded<1, 1_000_000> = Bounded::of(50),
    }
}

section! {
    /// A key that the operator gave to an app.
    pub struct ApiKey {
        /// What logs and metrics call it.
        pub name: String = String::new(),
        /// The key itself.
        pub key: Option<Secret> = None,
        /// SHA-256 of the key as 64 hexadecimal digits: safer to keep in a file than the key.
        pub sha256: Option<String> = None,
        /// Requests a minute, in the long run.
        pub rate: Bounded<1, 1_000_000> = Bounded::of(3_000),
        /// Requests at once.
        pub burst: Bounded<1, 1_000_000> = Bounded::of(500),
        /// Expensive requests a minute. Without it: as many as others.
        pub expensive_rate: Option<Bounded<1, 1_000_000>> = None,
        /// Expensive requests at once. Without it: as many as others.
        pub expensive_burst: Option<Bounded<1, 1_000_000>> = None,
    }
}
