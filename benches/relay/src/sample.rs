//! What questions can be about: ids, authors and tags of events that the relay really has.

use crate::{
    connection::{Connection, Failure, label_of},
    events::Prepared,
};
use fastrand::Rng;
use serde_json::Value;

/// Events that are asked for at once.
const PAGE: usize = 250;
/// Moments from which on events are asked for.
const PAGES: usize = 60;

/// Values of stored events. Those that are common are here more often.
#[derive(Debug, Default)]
pub(crate) struct Known {
    ids: Vec<String>,
    authors: Vec<String>,
    events: Vec<String>,
    people: Vec<String>,
}

/// The oldest and the newest moment of a page.
type Span = (u64, u64);

impl Known {
    /// Asks the relay for pages of events: first at strides that double from the newest to the oldest, then at
    /// random moments in between.
    pub(crate) async fn of_relay(connection: &mut Connection, dice: &mut Rng) -> Result<Self, Failure> {
        let mut known = Self::default();
        let Some((first, newest)) = known.page(connection, None).await? else { return Err(Failure::Empty) };
        let (mut oldest, mut stride) = (first, newest - first + 1);
        while let Some(until) = oldest.checked_sub(stride)
            && let Some((earlier, _)) = known.page(connection, Some(until)).await?
        {
            (oldest, stride) = (earlier, stride * 2);
        }
        for _ in 0..PAGES {
            known.page(connection, Some(dice.u64(oldest..=newest))).await?;
        }
        Ok(known)
    }

    /// What is in events that were stored.
    pub(crate) fn of(stored: &[Prepared]) -> Self {
        let mut known = Self::default();
        for event in stored {
            known.add(&serde_json::from_str(event.json()).unwrap_or_default());
        }
        known
    }

    /// An id.
    pub(crate) fn id(&self, dice: &mut Rng) -> &str {
        pick(&self.ids, dice)
    }

    /// Somebody who wrote.
    pub(crate) fn author(&self, dice: &mut Rng) -> &str {
        pick(&self.authors, dice)
    }

    /// An event that some `e` tag names.
    pub(crate) fn event(&self, dice: &mut Rng) -> &str {
        pick(&self.events, dice)
    }

    /// Somebody whom some `p` tag names.
    pub(crate) fn person(&self, dice: &mut Rng) -> &str {
        pick(&self.people, dice)
    }

    async fn page(&mut self, connection: &mut Connection, until: Option<u64>) -> Result<Option<Span>, Failure> {
        let until = until.map_or_else(String::new, |until| format!(",\"until\":{until}"));
        connection.send(format!(r#"["REQ","known",{{"limit":{PAGE}{until}}}]"#)).await?;
        let mut span = None;
        loop {
            let frame = connection.next().await?;
            match label_of(&frame) {
                "EVENT" => {
                    let event: Value = serde_json::from_str(&frame).unwrap_or_default();
                    span = widen(span, self.add(&event[2]));
                }
                "EOSE" => break,
                "CLOSED" => return Err(Failure::Refused(frame.to_string())),
                _ => {}
            }
        }
        connection.send(r#"["CLOSE","known"]"#).await?;
        Ok(span)
    }

    /// Notes what is in an event, and gives its moment.
    fn add(&mut self, event: &Value) -> Option<u64> {
        self.ids.extend(text(&event["id"]));
        self.authors.extend(text(&event["pubkey"]));
        for tag in event["tags"].as_array().into_iter().flatten() {
            match tag[0].as_str() {
                Some("e") => self.events.extend(text(&tag[1])),
                Some("p") => self.people.extend(text(&tag[1])),
                _ => {}
            }
        }
        event["created_at"].as_u64()
    }
}

fn widen(span: Option<Span>, at: Option<u64>) -> Option<Span> {
    let Some(at) = at else { return span };
    Some(span.map_or((at, at), |(oldest, newest)| (oldest.min(at), newest.max(at))))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// One of `values`; 64 zeros if there is none, which finds nothing.
fn pick<'a>(values: &'a [String], dice: &mut Rng) -> &'a str {
    const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
    if values.is_empty() { NONE } else { &values[dice.usize(..values.len())] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events;

    #[test]
    fn what_is_picked_stands_in_the_events() {
        let stored = events::network(3, 400);
        let known = Known::of(&stored);
        let mut dice = Rng::with_seed(1);
        let holds = |tag: &str| stored.iter().any(|event| event.json().contains(tag));
        for _ in 0..50 {
            assert!(holds(&format!(r#"{{"id":"{}""#, known.id(&mut dice))));
            assert!(holds(&format!(r#""pubkey":"{}""#, known.author(&mut dice))));
            assert!(holds(&format!(r#"["e","{}""#, known.event(&mut dice))));
            assert!(holds(&format!(r#"["p","{}""#, known.person(&mut dice))));
        }
        assert_eq!(Known::default().id(&mut dice).len(), 64);
    }
}
