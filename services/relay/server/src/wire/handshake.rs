//! The opening handshake: whether a request asks for a WebSocket, and the answer to it.

use super::Compression;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use sha1::{Digest, Sha1};

/// What a key is joined with (RFC 6455, 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What is agreed: neither side keeps a window between messages.
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// True if a request wants to become a WebSocket.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    names(headers, &CONNECTION, "upgrade") && names(headers, &UPGRADE, "websocket")
}

/// The answer, and whether messages may be compressed. `offered` is what this side would agree to.
pub(crate) fn answer<B: Default>(headers: &HeaderMap, offered: Compression) -> (Response<B>, Option<Compression>) {
    let mut response = Response::new(B::default());
    let is_version_13 = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_version_13) else {
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return (response, None);
    };
    let agreed = agree(headers, offered);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let out = response.headers_mut();
    out.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    out.insert(UPGRADE, HeaderValue::from_static("websocket"));
    out.insert(SEC_WEBSOCKET_ACCEPT, accept(key));
    if agreed == Compression::On {
        out.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(AGREED));
    }
    (response, Some(agreed))
}

fn accept(key: &HeaderValue) -> HeaderValue {
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize();
    HeaderValue::from_str(&STANDARD.encode(digest)).expect("base64 is header text")
}

fn names(headers: &HeaderMap, header: &http::HeaderName, wanted: &str) -> bool {
    values(headers, header).any(|value| value.eq_ignore_ascii_case(wanted))
}

fn values<'a>(headers: &'a HeaderMap, header: &http::HeaderName) -> impl Iterator<Item = &'a str> {
    let texts = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

fn agree(headers: &HeaderMap, offered: Compression) -> Compression {
    let fits = values(headers, &SEC_WEBSOCKET_EXTENSIONS).any(is_acceptable);
    if fits && offered == Compression::On { Compression::On } else { Compression::Off }
}

/// True for an offer that [`AGREED`] answers. Windows smaller than the usual can't be promised.
fn is_acceptable(offer: &str) -> bool {
    let mut parts = offer.split(';').map(str::trim);
    let known = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default().trim();
        matches!(name, "server_no_context_takeover" | "client_no_context_takeover" | "client_max_window_bits")
    };
    parts.next() == Some("permessage-deflate") && parts.all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(extensions: &'static str) -> HeaderMap {
        let pairs = [
            (CONNECTION, "keep-alive, Upgrade"),
            (UPGRADE, "WebSocket"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
            (SEC_WEBSOCKET_EXTENSIONS, extensions),
        ];
        pairs.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_example_of_the_rfc_is_answered() {
        let headers = request("");
        assert!(is_asked(&headers));
        let (response, agreed) = answer::<()>(&headers, Compression::On);
        assert_eq!((response.status(), agreed), (StatusCode::SWITCHING_PROTOCOLS, Some(Compression::Off)));
        assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn compression_is_agreed_on_where_both_can() {
        for (offer, agreed) in [
            ("permessage-deflate; client_max_window_bits", Compression::On),
            ("permessage-deflate; server_max_window_bits=10, permessage-deflate", Compression::On),
            ("permessage-deflate; server_max_window_bits=10", Compression::Off),
            ("x-webkit-deflate-frame", Compression::Off),
        ] {
            assert_eq!(answer::<()>(&request(offer), Compression::On).1, Some(agreed), "{offer}");
            assert_eq!(answer::<()>(&request(offer), Compression::Off).1, Some(Compression::Off), "{offer}");
        }
    }

    #[test]
    fn what_is_no_websocket_is_not_taken_for_one() {
        let mut headers = request("");
        headers.remove(UPGRADE);
        assert!(!is_asked(&headers));
        let mut headers = request("");
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("8"));
        assert_eq!(answer::<()>(&headers, Compression::On).1, None);
    }
}
