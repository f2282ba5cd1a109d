//! Streams: other relays that are followed, as they stand in a configuration.

use super::RelayAddress;
use crate::{mirror, plugin};
use nexus_config::{Scalar, choice, section};
use nexus_nostr::Filter;
use nexus_relay::Protected;
use serde::{Deserialize, Serialize};

section! {
    /// Other relays from which events are taken, or to which they are sent, as long as the relay runs.
    pub struct Stream {
        /// What it is called in the log and in metrics.
        pub name: String = "stream".to_owned(),
        /// In which direction events go. Ephemeral ones come, and don't go: nothing remembers them, so between relays in
        /// a ring they would go round for ever.
        pub dir: Direction = Direction::Down,
        /// The other relays.
        pub urls: Vec<RelayAddress> = Vec::new(),
        /// Which events, as a filter of Nostr in JSON.
        pub filter: FilterText = FilterText::everything(),
        /// A command of the shell that judges events that come.
        pub plugin_down: Option<String> = None,
        /// A command of the shell that judges events that go.
        pub plugin_up: Option<String> = None,
        /// Whether both relays are brought level whenever they connect.
        pub catch_up: bool = false,
        /// Whether events are taken that only their author may publish (NIP-70).
        pub protected: bool = false,
    }
}

choice! {
    /// In which direction events go.
    pub enum Direction {
        /// From the other relays to this one.
        Down = "down",
        /// From this relay to the others.
        Up = "up",
        /// Both.
        Both = "both",
    }
}

impl Direction {
    /// The direction as the mirror takes it.
    pub const fn to_mirror(self) -> mirror::Direction {
        match self {
            Self::Down => mirror::Direction::Down,
            Self::Up => mirror::Direction::Up,
            Self::Both => mirror::Direction::Both,
        }
    }
}

/// A filter of Nostr, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilterText(String);

impl FilterText {
    /// The filter that matches everything.
    pub fn everything() -> Self {
        Self("{}".to_owned())
    }

    /// The filter.
    ///
    /// # Panics
    /// Never: it was read when it was made.
    pub fn filter(&self) -> Filter {
        Filter::parse(&self.0).expect("a filter was parsed before")
    }
}

impl TryFrom<String> for FilterText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Filter::parse(&text).map(|_| Self(text)).map_err(|error| format!("not a filter: {error}"))
    }
}

impl From<FilterText> for String {
    fn from(filter: FilterText) -> Self {
        filter.0
    }
}

impl Scalar for FilterText {
    fn kind() -> String {
        "filter as JSON".to_owned()
    }

    fn example() -> Self {
        Self(r#"{"kinds":[0,1]}"#.to_owned())
    }
}

impl Stream {
    /// The stream as the mirror takes it.
    pub fn to_mirror(&self) -> mirror::Stream {
        let is_command = |command: &String| !command.trim().is_empty();
        let judge = |command: &Option<String>| command.clone().filter(is_command).map(plugin::Options::new);
        mirror::Stream {
            name: self.name.clone(),
            direction: self.dir.to_mirror(),
            urls: self.urls.iter().map(|url| url.as_str().to_owned()).collect(),
            filter: self.filter.filter(),
            plugin_down: judge(&self.plugin_down),
            plugin_up: judge(&self.plugin_up),
            catch_up: self.catch_up,
            protected: if self.protected { Protected::Taken } else { Protected::Refused },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_and_means_the_same_to_the_mirror() {
        let text = r#"
            name = "friends"
            dir = "both"
            urls = ["wss://a.example", "ws://127.0.0.1:7777"]
            filter = '{"kinds":[1]}'
            plugin_up = "./judge"
            catch_up = true
        "#;
        let stream = toml::from_str::<Stream>(text).unwrap().to_mirror();
        assert_eq!((stream.name.as_str(), stream.direction), ("friends", mirror::Direction::Both));
        assert_eq!(stream.urls, ["wss://a.example", "ws://127.0.0.1:7777"]);
        assert_eq!(stream.filter, Filter::parse(r#"{"kinds":[1]}"#).unwrap());
        assert_eq!((stream.plugin_up.unwrap().command.as_str(), stream.plugin_down), ("./judge", None));
        assert_eq!((stream.catch_up, stream.protected), (true, Protected::Refused));
        for wrong in ["filter = '{\"foo\":1}'", "urls = ['http']", "dir = 'sideways'", "url = 'wss://a'"] {
            assert!(toml::from_str::<Stream>(wrong).is_err(), "{wrong}");
        }
    }
}
