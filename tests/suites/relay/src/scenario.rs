//! Scenarios: conversations with a relay as text files, which every backend replays.
//!
//! A line is one step:
//!
//! ```text
//! event NAME KEY KIND AGE TAGS CONTENT   an event by key 1 to 9, AGE seconds old; TAGS as JSON, CONTENT the rest
//! forge NAME OF                          the event OF with its signature spoilt
//! auth NAME KEY CLIENT AGE RELAY         an authentication for the client's challenge
//! connect CLIENT                         the challenge, if one comes, is taken
//! CLIENT > TEXT                          the client sends this
//! CLIENT < TEXT                          this is the next message that the client gets
//! quiet                                  nobody got anything that wasn't named
//! leave CLIENT                           the connection ends
//! wait SECONDS                           time passes
//! ```
//!
//! `@NAME` stands for an event's JSON, `@NAME.id` for its id, `@key1` for a public key. `#` begins a comment.

use nexus_nostr::{Event, Kind, Seconds, Signature, SigningKey, Tags};
use std::{collections::HashMap, future::Future};

/// A relay that can be talked to.
pub trait Stage {
    /// A client connects. Gives the challenge it got, if any.
    fn connect(&mut self, client: &str) -> impl Future<Output = Option<String>>;

    /// A client's connection ends.
    fn leave(&mut self, client: &str) -> impl Future<Output = ()>;

    /// A client sends a message.
    fn send(&mut self, client: &str, text: &str) -> impl Future<Output = ()>;

    /// The next message that a client gets, or `None` if nothing comes.
    fn next(&mut self, client: &str) -> impl Future<Output = Option<String>>;

    /// The relay's time.
    fn now(&self) -> Seconds;

    /// Lets time pass.
    fn wait(&mut self, seconds: i64) -> impl Future<Output = ()>;
}

/// Plays a scenario to its end.
///
/// # Panics
/// At the first step that fails, with its line.
pub async fn play<S: Stage>(name: &str, text: &str, stage: &mut S) {
    let mut player = Player { stage, events: HashMap::new(), challenges: HashMap::new() };
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            player.step(line, &format!("{name}:{}", number + 1)).await;
        }
    }
    player.quiet(name).await;
}

struct Player<'a, S> {
    stage: &'a mut S,
    events: HashMap<String, Event>,
    challenges: HashMap<String, Option<String>>,
}

impl<S: Stage> Player<'_, S> {
    async fn step(&mut self, line: &str, place: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["event", name, key, kind, age, tags, ..] => {
                let content = line.split_whitespace().skip(6).collect::<Vec<_>>().join(" ");
                let (tags, content) = (self.expand(tags), self.expand(&content));
                self.make(name, number(key), number(kind), number(age), &tags, &content);
            }
            ["forge", name, of] => self.forge(name, of),
            ["auth", name, key, client, age, relay] => {
                let challenge = self.challenges[client].clone().unwrap_or_default();
                let tags = format!(r#"[["relay","{relay}"],["challenge","{challenge}"]]"#);
                self.make(name, number(key), 22_242, number(age), &tags, "");
            }
            ["connect", client] => {
                let challenge = self.stage.connect(client).await;
                self.challenges.insert(client.to_owned(), challenge);
            }
            ["leave", client] => {
                self.challenges.remove(client);
                self.stage.leave(client).await;
            }
            ["wait", seconds] => self.stage.wait(number(seconds)).await,
            ["quiet"] => self.quiet(place).await,
            [client, ">", ..] => {
                let text = self.expand(after(line, '>'));
                self.stage.send(client, &text).await;
            }
            [client, "<", ..] => {
                let expected = self.expand(after(line, '<'));
                assert_eq!(self.stage.next(client).await, Some(expected), "{place}: {line}");
            }
            _ => panic!("{place}: no such step: {line}"),
        }
    }

    async fn quiet(&mut self, place: &str) {
        let clients: Vec<String> = self.challenges.keys().cloned().collect();
        for client in clients {
            assert_eq!(self.stage.next(&client).await, None, "{place}: {client} got more than was named");
        }
    }

    fn make(&mut self, name: &str, by: u8, kind: i64, age: i64, tags: &str, content: &str) {
        let tags: Vec<Vec<String>> = serde_json::from_str(tags).expect("tags are JSON");
        let kind = Kind::new(u16::try_from(kind).expect("a kind"));
        let event = key(by).sign(kind, self.stage.now().plus(-age), Tags::new(tags), content);
        self.events.insert(name.to_owned(), event);
    }

    fn forge(&mut self, name: &str, of: &str) {
        let mut event = self.events[of].clone();
        let mut sig = *event.sig.as_bytes();
        sig[63] ^= 1;
        event.sig = Signature::from_bytes(sig);
        self.events.insert(name.to_owned(), event);
    }

    /// Puts in what the names behind `@` stand for. Longer names first, as one may begin with another.
    fn expand(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for number in 1..=9 {
            text = text.replace(&format!("@key{number}"), &key(number).public_key().to_string());
        }
        let mut names: Vec<&String> = self.events.keys().collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        for name in names {
            text = text.replace(&format!("@{name}.id"), &self.events[name].id.to_string());
            text = text.replace(&format!("@{name}.text"), &serde_json::json!(self.events[name].to_json()).to_string());
            text = text.replace(&format!("@{name}"), &self.events[name].to_json());
        }
        text
    }
}

fn after(line: &str, sign: char) -> &str {
    line.split_once(sign).map_or("", |(_, text)| text.trim_start())
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("no number: {word}"))
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("small numbers are valid keys")
}
