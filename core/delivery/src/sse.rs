//! A session as server-sent events.
//!
//! A change is an event whose `id` is its `seq`, whose name is its action and whose data is its JSON. In
//! silence a comment goes out, with an `id` that moves the client's `Last-Event-ID` along, so that it resumes
//! close by even if nothing concerned it for days. The last event is called `end` and says why.

use crate::{End, Frame, Session};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use nexus_model::Seq;
use std::{convert::Infallible, fmt::Write};

/// How long a client waits before it connects again, in milliseconds.
const RETRY: u32 = 3_000;

/// The position that a client resumes after, as browsers send it. `None` without the header.
///
/// # Errors
/// If the header is not a position.
pub fn last_event_id(headers: &HeaderMap) -> Result<Option<Seq>, std::num::ParseIntError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    value.to_str().unwrap_or_default().trim().parse().map(|number| Some(Seq::new(number)))
}

/// The endless answer that carries a session.
pub fn response(session: Session) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let opening = Bytes::from(format!(": live\nretry: {RETRY}\nid: {}\n\n", session.cursor()));
    let events = stream::unfold(session, |mut session| async {
        let frames = session.next().await?;
        Some((encode(&frames), session))
    });
    let body = stream::once(async { opening }).chain(events).map(Ok::<_, Infallible>);
    (headers, Body::from_stream(body)).into_response()
}

fn encode(frames: &[Frame]) -> Bytes {
    let mut text = String::new();
    for frame in frames {
        match frame {
            Frame::Change(entry) => {
                let (seq, action) = (entry.change.seq, entry.change.action);
                let _ = write!(text, "id: {seq}\nevent: {action}\n");
                push_data(&mut text, &String::from_utf8_lossy(&entry.text));
            }
            Frame::Beat(seq) => {
                let _ = write!(text, ": beat\nid: {seq}\n\n");
            }
            Frame::End(end) => push_end(&mut text, *end),
        }
    }
    Bytes::from(text)
}

fn push_end(text: &mut String, end: End) {
    text.push_str("event: end\n");
    push_data(text, &end.to_json());
}

/// Data ends at a line end, so each line of it becomes a field of its own.
fn push_data(text: &mut String, data: &str) {
    for line in data.split('\n') {
        text.push_str("data: ");
        // A carriage return would end the field too; in JSON it is only white space.
        text.extend(line.chars().filter(|c| *c != '\r'));
        text.push('\n');
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a browser makes of an event: the data fields, joined by line ends.
    fn data_of(event: &str) -> String {
        let fields = event.lines().filter_map(|line| line.strip_prefix("data: "));
        fields.collect::<Vec<_>>().join("\n")
    }

    proptest! {
        #[test]
        fn data_arrives_whole_whatever_its_line_ends(data in "[a-z\\n\\r\" ]{0,40}") {
            let mut event = String::new();
            push_data(&mut event, &data);
            prop_assert_eq!(event.matches("\n\n").count(), 1);
            prop_assert_eq!(data_of(&event), data.replace('\r', ""));
        }
    }

    #[test]
    fn a_beat_moves_the_last_event_id_and_is_no_event() {
        assert_eq!(encode(&[Frame::Beat(Seq::new(7))]), ": beat\nid: 7\n\n");
    }

    #[test]
    fn the_end_says_why() {
        let end = Frame::End(End::Expired { oldest: Seq::new(9) });
        assert_eq!(encode(&[end]), "event: end\ndata: {\"end\":\"expired\",\"oldest\":9}\n\n");
    }

    #[test]
    fn only_a_position_is_a_last_event_id() {
        let mut headers = HeaderMap::new();
        assert_eq!(last_event_id(&headers), Ok(None));
        headers.insert("last-event-id", axum::http::HeaderValue::from_static("42"));
        assert_eq!(last_event_id(&headers), Ok(Some(Seq::new(42))));
        headers.insert("last-event-id", axum::http::HeaderValue::from_static("forty-two"));
        assert!(last_event_id(&headers).is_err());
    }
}
