//! Settings of the API by key.

use nexus_config::{Bind, Span, section};
use std::{net::IpAddr, path::PathBuf};

section! {
    /// The API by key.
    pub struct Keyed {
        /// Where it listens. Without it: nowhere.
        pub bind: Option<Bind> = None,
        /// The file with the secret key, 64 hexadecimal digits; made at the first start. Without one: `secret` in
        /// the data directory.
        pub key_file: Option<PathBuf> = None,
        /// Whether the address is published through pkarr, as `social.watcher.pkarr` says.
        pub publish: bool = false,
        /// The address that is published. Without one: that of `bind`.
        pub public_ip: Option<IpAddr> = None,
        /// Time between two publications. What is published holds for 3 hours.
        pub republish: Span<1_000, 10_800_000> = Span::of(3_600_000),
    }
}

impl Keyed {
    /// The address that is published, if there is one that clients could use.
    pub fn published_ip(&self) -> Option<IpAddr> {
        let bound = self.bind.map(|bind| bind.address().ip());
        self.public_ip.or(bound).filter(|ip| !ip.is_unspecified())
    }

    /// What is wrong with publishing as it is set, where `lookups` says whether pkarr is on.
    pub fn problem(&self, lookups: super::Pkarr) -> Option<&'static str> {
        match self {
            Self { publish: false, .. } => None,
            Self { bind: None, .. } => Some("`social.keyed.publish` needs `social.keyed.bind`"),
            _ if lookups == super::Pkarr::Off => {
                Some("`social.keyed.publish` needs pkarr: change `social.watcher.pkarr`")
            }
            _ if self.published_ip().is_none() => {
                Some("`social.keyed.publish` needs `social.keyed.public_ip`, since `bind` means every interface")
            }
            _ => None,
        }
    }
}
