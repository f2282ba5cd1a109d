//! Filters as JSON, for asking other relays.

use super::Filter;
use crate::json::{push_integer, push_string};

impl Filter {
    /// The filter as compact JSON.
    pub fn to_json(&self) -> String {
        let mut object = Object(String::from("{"));
        object.list("ids", self.ids.as_deref(), |out, id| push_string(out, &id.to_string()));
        object.list("authors", self.authors.as_deref(), |out, author| push_string(out, &author.to_string()));
        object.list("kinds", self.kinds.as_deref(), |out, kind| push_integer(out, i64::from(kind.get())));
        for condition in &self.tags {
            let name = format!("#{}", char::from(condition.name.letter()));
            object.list(&name, Some(&condition.in_order()), |out, value| push_string(out, value));
        }
        object.number("since", self.since.map(crate::Seconds::get));
        object.number("until", self.until.map(crate::Seconds::get));
        object.number("limit", self.limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX)));
        object.text("search", self.search.as_ref().map(crate::nip::nip50::Query::text));
        object.text("intent", self.intent.as_deref());
        object.0.push('}');
        object.0
    }
}

impl super::TagCondition {
    /// The values with the one first that stood first.
    fn in_order(&self) -> Vec<&str> {
        let mut values: Vec<&str> = self.values.iter().map(AsRef::as_ref).collect();
        if self.first < values.len() {
            values[..=self.first].rotate_right(1);
        }
        values
    }
}

/// A JSON object as it grows.
struct Object(String);

impl Object {
    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_string(&mut self.0, name);
        self.0.push(':');
    }

    fn list<T>(&mut self, name: &str, values: Option<&[T]>, mut push: impl FnMut(&mut String, &T)) {
        let Some(values) = values else { return };
        self.name(name);
        self.0.push('[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            push(&mut self.0, value);
        }
        self.0.push(']');
    }

    fn number(&mut self, name: &str, number: Option<i64>) {
        if let Some(number) = number {
            self.name(name);
            push_integer(&mut self.0, number);
        }
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.name(name);
            push_string(&mut self.0, text);
        }
    }
}
