//! The page for people: what the relay is, what it can do, and how it is reached. It loads nothing else.

use super::{info, stats};
use crate::hands::Hands;
use axum::response::{Html, IntoResponse, Response};
use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS},
};
use nexus_relay::ports::StorageAdapter;
use serde_json::Value;
use std::fmt::Write as _;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse}td{padding:.1rem 1rem .1rem 0;vertical-align:top}code{font-size:.95em}";

const HEADERS: [(http::HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; img-src https:; form-action 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "public, max-age=5"),
];

pub(super) async fn answer<S: StorageAdapter + 'static>(hands: &Hands<S>, _asked: &HeaderMap) -> Response {
    let document = info::document(hands).await;
    let numbers = stats::relay(hands).await.unwrap_or(Value::Null);
    let config = hands.config();
    let address = config.url.as_ref().map(crate::config::RelayAddress::as_str);
    let headers = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (headers, Html(page(&document, &numbers, address))).into_response()
}

fn page(document: &Value, numbers: &Value, address: Option<&str>) -> String {
    let name = text(&document["name"]);
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{name}</title><style>{STYLE}</style><h1>{name}</h1>"
    );
    if let Some(description) = document["description"].as_str() {
        push(&mut page, format_args!("<p>{}</p>", escaped(description)));
    }
    let address = address.map_or_else(|| "this address, as ws:// or wss://".to_owned(), escaped);
    push(&mut page, format_args!("<p>A Nostr relay. Point a client to <code>{address}</code>.</p>"));
    section(&mut page, "Now", numbers);
    section(&mut page, "Limits", &document["limitation"]);
    let nips = document["supported_nips"].as_array().into_iter().flatten().map(Value::to_string);
    push(&mut page, format_args!("<h2>NIPs</h2><p>{}</p>", nips.collect::<Vec<_>>().join(", ")));
    page.push_str("</html>");
    page
}

fn section(page: &mut String, title: &str, values: &Value) {
    let Some(values) = values.as_object() else { return };
    push(page, format_args!("<h2>{title}</h2><table>"));
    for (name, value) in values {
        push(page, format_args!("<tr><td>{}<td>{}", escaped(&name.replace('_', " ")), text(value)));
    }
    page.push_str("</table>");
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("memory can be written");
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| escaped(&value.to_string()), escaped)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_operator_writes_is_text() {
        let document = json!({
            "name": "<b>\"me\"</b>", "description": "a & b", "limitation": { "max_limit": 5 }, "supported_nips": [1, 9],
        });
        let page = page(&document, &json!({ "connections": 3 }), Some("wss://x/<"));
        assert!(page.contains("<h1>&lt;b&gt;&quot;me&quot;&lt;/b&gt;</h1>") && page.contains("a &amp; b"));
        assert!(page.contains("<td>max limit<td>5") && page.contains("<p>1, 9</p>") && !page.contains("x/<<"));
    }
}
