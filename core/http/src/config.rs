//! Settings of servers and limits, with their defaults. Every limit is here and nowhere else.

use std::{path::PathBuf, time::Duration};

/// What one listener allows its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections open at once. When they are, further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Connections open at once from one client (an IPv4 address, or an IPv6 network of 64 bits), trusted proxies
    /// excepted. Further ones are closed at once.
    pub max_connections_per_client: usize,
    /// Seconds for a TLS handshake, and for the head of each request; also how long an idle connection stays.
    pub header_timeout_secs: u64,
    /// Bytes that the head of a request may have, at least 8192.
    pub max_header_bytes: usize,
    /// Streams open at once on an HTTP/2 connection.
    pub max_streams: u32,
    /// Seconds that open requests get to finish after a stop; then they are cut.
    pub drain_secs: u64,
    /// Bytes of a connection that the kernel holds before it sends them, at most; without it, as many as it likes. Where
    /// nobody waits for acknowledgements, answers to pings stand behind them.
    pub max_unsent_bytes: Option<u32>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_client: 1_000,
            header_timeout_secs: 15,
            max_header_bytes: 64 * 1024,
            max_streams: 200,
            drain_secs: 10,
            max_unsent_bytes: None,
        }
    }
}

impl ConnectionLimits {
    pub(crate) const fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_secs)
    }

    pub(crate) const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_secs)
    }
}

/// The files of a certificate. They are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate and its chain.
    pub cert: PathBuf,
    /// PEM: the private key.
    pub key: PathBuf,
    /// Seconds between looks at the files.
    pub reload_secs: u64,
}

/// How many requests a client may send: a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketConfig {
    /// Requests a minute, in the long run.
    pub rate: u32,
    /// Requests at once.
    pub burst: u32,
}

/// Rate limits, off by default as upstream has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Whether clients are limited at all. API keys are limited even when this is off.
    pub enabled: bool,
    /// For ordinary requests.
    pub default_bucket: BucketConfig,
    /// For expensive ones.
    pub expensive_bucket: BucketConfig,
    /// Clients remembered at once. When they are more, newcomers share one bucket.
    pub max_clients: usize,
    /// Keys with limits of their own.
    pub api_keys: Vec<ApiKeyConfig>,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            default_bucket: BucketConfig { rate: 300, burst: 50 },
            expensive_bucket: BucketConfig { rate: 20, burst: 5 },
            max_clients: 100_000,
            api_keys: Vec::new(),
        }
    }
}

/// A key that an operator gave to an app.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyConfig {
    /// What logs and metrics call it.
    pub name: String,
    /// The key itself. `sha256` is safer to keep in a file.
    pub key: Option<String>,
    /// SHA-256 of the key, 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// Requests a minute, in the long run.
    pub rate: u32,
    /// Requests at once.
    pub burst: u32,
    /// Limit of expensive requests; the same as of others when it is not given.
    pub expensive: Option<BucketConfig>,
}

/// The key is never shown.
impl std::fmt::Debug for ApiKeyConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bucket = BucketConfig { rate: self.rate, burst: self.burst };
        f.debug_struct("ApiKeyConfig").field("name", &self.name).field("bucket", &bucket).finish_non_exhaustive()
    }
}
