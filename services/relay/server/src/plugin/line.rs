//! The lines: what a plugin is told about an event, and what it answers.

use nexus_nostr::{EventId, Prefix, Reason};
use nexus_relay::ports::{Judgement, Source, Submission};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::net::IpAddr;

/// How much of a plugin's message is passed on, in characters.
const MAX_MESSAGE: usize = 500;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(rename = "type")]
    verb: &'static str,
    event: &'a RawValue,
    received_at: i64,
    source_type: &'static str,
    source_info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    authed: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    id: String,
    action: String,
    #[serde(default)]
    msg: String,
}

/// The line for an event, with its end.
pub(super) fn told(submission: &Submission) -> Result<String, serde_json::Error> {
    let event = RawValue::from_string(submission.event.to_json())?;
    let (source_type, source_info) = source(&submission.source);
    let told = Told {
        verb: "new",
        event: &event,
        received_at: submission.received_at.get(),
        source_type,
        source_info,
        authed: submission.sender.map(|key| key.to_string()),
    };
    let mut line = serde_json::to_string(&told)?;
    line.push('\n');
    Ok(line)
}

fn source(source: &Source) -> (&'static str, String) {
    match source {
        Source::Client(Some(ip)) => match ip.to_canonical() {
            IpAddr::V4(ip) => ("IP4", ip.to_string()),
            IpAddr::V6(ip) => ("IP6", ip.to_string()),
        },
        Source::Client(None) => ("IP4", String::new()),
        Source::Import => ("Import", String::new()),
        Source::Stream(url) => ("Stream", url.clone()),
        Source::Sync(url) => ("Sync", url.clone()),
    }
}

/// Reads an answer; `None` if it is none.
pub(super) fn said(line: &str) -> Option<(EventId, Judgement)> {
    let said: Said = serde_json::from_str(line).ok()?;
    let judgement = match said.action.as_str() {
        "accept" => Judgement::Accept,
        "reject" => Judgement::Reject(reason(&said.msg)),
        "shadowReject" => Judgement::Shadow,
        _ => return None,
    };
    Some((said.id.parse().ok()?, judgement))
}

fn reason(message: &str) -> Reason {
    let message: String = message.chars().filter(|letter| !letter.is_control()).take(MAX_MESSAGE).collect();
    if message.is_empty() {
        return Reason::new(Prefix::Blocked, "not wanted here");
    }
    Reason::parse(&message, Prefix::Blocked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_nostr::{Kind, Seconds, SigningKey, Tags};
    use serde_json::{Value, json};

    #[test]
    fn a_line_is_what_strfry_writes() {
        let key = SigningKey::from_bytes([1; 32]).unwrap();
        let event = key.sign(Kind::NOTE, Seconds::new(7), Tags::default(), "a\nb");
        let json: Value = serde_json::from_str(&event.to_json()).unwrap();
        let told = |source, sender| {
            let submission = Submission { event: event.clone(), received_at: Seconds::new(9), source, sender };
            let line = told(&submission).unwrap();
            assert_eq!(line.find('\n'), Some(line.len() - 1));
            serde_json::from_str::<Value>(&line).unwrap()
        };
        let ip = |text: &str| Source::Client(Some(text.parse().unwrap()));
        let expected = json!({
            "type": "new", "event": json, "receivedAt": 9, "sourceType": "IP4", "sourceInfo": "192.0.2.1",
            "authed": key.public_key().to_string(),
        });
        assert_eq!(told(ip("::ffff:192.0.2.1"), Some(key.public_key())), expected);
        for (source, kind, info) in [
            (ip("2001:db8::1"), "IP6", "2001:db8::1"),
            (Source::Import, "Import", ""),
            (Source::Stream("wss://a".to_owned()), "Stream", "wss://a"),
            (Source::Sync("wss://b".to_owned()), "Sync", "wss://b"),
        ] {
            let line = told(source, None);
            assert_eq!((line["sourceType"].as_str(), line["sourceInfo"].as_str()), (Some(kind), Some(info)));
            assert!(line.get("authed").is_none());
        }
    }

    #[test]
    fn answers_are_read_strictly_and_their_messages_given_a_prefix() {
        let id = "a".repeat(64);
        let said = |action: &str, msg: &str| said(&json!({ "id": id, "action": action, "msg": msg }).to_string());
        let told = |judgement: Option<(EventId, Judgement)>| match judgement.unwrap().1 {
            Judgement::Reject(reason) => reason.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(told(said("accept", "ignored")), "Accept");
        assert_eq!(told(said("shadowReject", "")), "Shadow");
        assert_eq!(told(said("reject", "")), "blocked: not wanted here");
        assert_eq!(told(said("reject", "rate-limited: slow down")), "rate-limited: slow down");
        assert_eq!(told(said("reject", "no: really")), "blocked: no: really");
        assert_eq!(said("maybe", ""), None);
        for line in ["", "{}", "null", r#"{"id":"x","action":"accept"}"#, r#"{"id":"x"} {"#] {
            assert_eq!(super::said(line), None, "{line}");
        }
    }
}
