//! Everything at the relay's paths that is no WebSocket.

use crate::house::{House, NOW, URL, config, event, key};
use base64::{Engine, engine::general_purpose::STANDARD};
use nexus_nostr::{Event, Kind, Seconds, Tags};
use nexus_relay_server::config::{Action, Info, Limits, Policy, Pubkey, Read, Relay, Retention};
use reqwest::{Client, Response, header::HeaderMap};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

async fn get(house: &House, path: &str, accept: &str) -> Response {
    client().get(house.url(path)).header("accept", accept).send().await.expect("an answer")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn the_description_says_what_works_and_what_is_enforced() {
    let limits = Limits { limit: nexus_config::Bounded::of(77), ..Limits::default() };
    let read = Read { search: false, eose_hint: false, ..Read::default() };
    let info = Info { description: Some("a test".to_owned()), ..Info::default() };
    let few = Retention { max_count: Some(nexus_config::Bounded::of(9)), ..Retention::default() };
    let retention = vec![few].into();
    let house = House::with(Relay { limits, read, info, retention, url: None, ..config() }).await;
    let answer = get(&house, "/", "application/nostr+json").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(answer.headers(), "content-type"), "application/nostr+json");
    assert_eq!(header(answer.headers(), "access-control-allow-origin"), "*");
    assert_eq!(header(answer.headers(), "cache-control"), "public, max-age=60");
    let document: Value = answer.json().await.unwrap();
    assert_eq!(document["description"], "a test");
    assert_eq!(document["limitation"]["max_limit"], 77);
    assert_eq!(document["limitation"]["auth_required"], false);
    assert_eq!(document["retention"][0], json!({ "kinds": [], "time": null, "count": 9 }));
    assert_eq!(document["retention"][2], json!({ "kinds": [[6000, 6999]], "time": 604_800 }));
    let nips: Vec<u64> = document["supported_nips"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert!([1, 9, 11, 40, 45, 62, 70, 77, 90].iter().all(|nip| nips.contains(nip)), "{nips:?}");
    assert!([42, 50, 67, 86, 98].iter().all(|nip| !nips.contains(nip)), "what is off is not listed: {nips:?}");
    assert!(nips.is_sorted());
    assert!(document.get("icon").is_none());
}

#[tokio::test]
async fn who_has_the_description_is_told_so_and_browsers_get_a_page() {
    let house = House::new().await;
    let first = get(&house, "/", "*/*").await;
    let tag = header(first.headers(), "etag").to_owned();
    let again = client().get(house.url("/ws")).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!((again.status().as_u16(), again.text().await.unwrap().as_str()), (304, ""));
    let head = client().head(house.url("/")).header("accept", "application/nostr+json").send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(head.headers(), "etag")), (200, tag.as_str()));
    let options = client().request(reqwest::Method::OPTIONS, house.url("/")).send().await.unwrap();
    assert_eq!(options.status(), 204);
    assert_eq!(header(options.headers(), "access-control-allow-methods"), "GET, HEAD, OPTIONS, POST");
    let page = get(&house, "/", "text/html,application/xhtml+xml,*/*;q=0.8").await;
    assert!(header(page.headers(), "content-security-policy").starts_with("default-src 'none'"));
    let page = page.text().await.unwrap();
    assert!(page.contains("<title>Nexus</title>") && page.contains(URL), "{page}");
    assert_eq!(client().put(house.url("/")).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn directories_crawlers_and_browsers_get_what_they_ask_any_site_for() {
    let house = House::new().await;
    let place: Value = get(&house, "/.well-known/nodeinfo", "*/*").await.json().await.unwrap();
    let href = format!("{}/nodeinfo/2.1", URL.replacen("ws", "http", 1).trim_end_matches('/'));
    assert_eq!(place["links"][0]["href"], href);
    let node = get(&house, "/nodeinfo/2.1", "*/*").await;
    assert_eq!(header(node.headers(), "content-type"), "application/json");
    let node: Value = node.json().await.unwrap();
    assert_eq!((&node["version"], &node["protocols"]), (&json!("2.1"), &json!(["nostr"])));
    assert!(node["metadata"]["features"].as_array().unwrap().contains(&json!("nip_11")), "{node}");
    assert!(get(&house, "/robots.txt", "*/*").await.text().await.unwrap().contains("Disallow: /api/"));
    assert_eq!(get(&house, "/favicon.ico", "*/*").await.status(), 204);

    let info = Info { icon: Some("https://a.example/icon.png".to_owned()), ..Info::default() };
    let house = House::with(Relay { info, url: None, ..config() }).await;
    let place: Value = get(&house, "/.well-known/nodeinfo", "*/*").await.json().await.unwrap();
    assert_eq!(place["links"][0]["href"], house.url("/nodeinfo/2.1"));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let still = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let icon = still.get(house.url("/favicon.ico")).send().await.unwrap();
    assert_eq!((icon.status().as_u16(), header(icon.headers(), "location")), (307, "https://a.example/icon.png"));
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_in_the_shape_of_other_errors() {
    let house = House::new().await;
    for (path, bytes) in [("/api/v1/query", 2 << 20), ("/api/v1/events", 2 << 20), ("/", 2 << 20)] {
        let answer = client().post(house.url(path)).body("x".repeat(bytes)).send().await.unwrap();
        assert_eq!(answer.status(), 413, "{path}");
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["error"]["code"], "too_large", "{path}");
    }
}

#[tokio::test]
async fn an_upgrade_without_version_13_is_told_which() {
    let house = House::new().await;
    let request = client().get(house.url("/")).header("connection", "upgrade").header("upgrade", "websocket");
    let answer = request.header("sec-websocket-version", "8").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(answer.headers(), "sec-websocket-version")), (426, "13"));
}

#[tokio::test]
async fn health_and_statistics_are_told() {
    let house = House::new().await;
    assert_eq!(get(&house, "/health", "*/*").await.status(), 200);
    assert_eq!(get(&house, "/ready", "*/*").await.status(), 200);
    let (mut client, _) = crate::client::Client::greeted(&house).await;
    client.told(&event(1, 1, &[], "one")).await;
    client.send(r#"["REQ","s",{"limit":0}]"#).await;
    client.read().await.unwrap();
    house.settled().await;
    let stats: Value = get(&house, "/api/stats", "*/*").await.json().await.unwrap();
    assert_eq!([&stats["relay"]["connections"], &stats["relay"]["events"]], [&json!(1), &json!(1)]);
    let page = get(&house, "/", "text/html").await.text().await.unwrap();
    assert!(page.contains("<td>subscriptions<td>1") && page.contains("<td>delivered<td>1"), "{page}");
    let missing = get(&house, "/api/nothing", "*/*").await;
    assert_eq!(missing.status(), 404);
    assert_eq!(missing.json::<Value>().await.unwrap()["error"]["code"], "not_found");
}

/// The header that vouches for a call with `body`, by key `by`.
fn vouch(by: u8, body: &str, age: i64) -> String {
    let hash = hex::encode(Sha256::digest(body));
    let tags = Tags::new([vec!["u", URL], vec!["method", "POST"], vec!["payload", &hash]]);
    let at = Seconds::new(NOW / 1_000 - age);
    let event: Event = key(by).sign(Kind::new(27_235), at, tags, "");
    format!("Nostr {}", STANDARD.encode(event.to_json()))
}

async fn call(house: &House, header: Option<String>, body: &str) -> (u16, Value) {
    let request = client().post(house.url("/")).header("content-type", "application/nostr+json+rpc");
    let request = header.into_iter().fold(request, |request, header| request.header("authorization", header));
    let answer = request.body(body.to_owned()).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

fn managed() -> Relay {
    Relay { admin_pubkeys: vec![Pubkey(key(7).public_key())], ..config() }
}

#[tokio::test]
async fn only_an_administrator_manages_and_each_event_vouches_once() {
    let house = House::with(managed()).await;
    let body = r#"{"method":"supportedmethods","params":[]}"#;
    let refused = async |header: Option<String>| {
        let (status, answer) = call(&house, header, body).await;
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    };
    let told = |status: u16, why: &str| (status, why.to_owned());
    assert_eq!(refused(None).await, told(401, "the scheme is not Nostr"));
    assert_eq!(refused(Some(vouch(7, "other", 0))).await, told(401, "wrong payload"));
    assert_eq!(refused(Some(vouch(7, body, 61))).await, told(401, "created_at is too far from now"));
    assert_eq!(refused(Some(vouch(1, body, 0))).await, told(403, "not an administrator"));
    let header = vouch(7, body, 1);
    let (status, answer) = call(&house, Some(header.clone()), body).await;
    assert!(status == 200 && answer["result"].as_array().unwrap().contains(&json!("banpubkey")), "{answer}");
    assert_eq!(refused(Some(header)).await, told(401, "the event has vouched for a request before"));
    let plain = client().post(house.url("/")).body(body).send().await.unwrap();
    assert_eq!(plain.status(), 415);
}

/// Management and the market remember together what vouched for a request.
#[tokio::test]
async fn an_event_vouches_for_one_request_whichever_route_it_is() {
    let house = House::with(managed()).await;
    let signed = |path: &str, body: &str, method: &str, number: u8| {
        let (url, hash) = (format!("https://relay.example.com{path}"), hex::encode(Sha256::digest(body)));
        let (number, at) = (number.to_string(), Seconds::new(NOW / 1_000));
        let tags = Tags::new([["u", &url], ["method", method], ["payload", &hash], ["number", &number]]);
        format!("Nostr {}", STANDARD.encode(key(1).sign(Kind::new(27_235), at, tags, "").to_json()))
    };
    let asked = async |path: &str, header: &str| {
        let request = client().get(house.url(path)).header("authorization", header);
        request.send().await.expect("an answer").status().as_u16()
    };
    for path in ["/api/v1/jobs", "/api/v1/handlers", "/api/v1/stats"] {
        let header = signed(path, "", "GET", 1);
        assert_eq!(asked(path, &header).await, 200, "{path}");
        assert_eq!(asked(path, &header).await, 401, "{path}: it has vouched before");
        assert_eq!(asked(path, &signed(path, "", "GET", 2)).await, 200, "{path}");
    }
    let query = async |header: &str| {
        let request = client().post(house.url("/api/v1/query")).header("authorization", header);
        request.body("[{}]").send().await.expect("an answer").status().as_u16()
    };
    let header = signed("/api/v1/query", "[{}]", "POST", 1);
    assert_eq!((query(&header).await, query(&header).await), (200, 401));
}

#[tokio::test]
async fn what_administrators_change_holds_at_once_and_after_a_restart() {
    let house = House::with(managed()).await;
    let (mut writer, _) = crate::client::Client::greeted(&house).await;
    let banned = event(3, 1, &[], "to be removed");
    writer.told(&banned).await;
    let change = async |body: &str| call(&house, Some(vouch(7, body, 0)), body).await;
    let key = key(3).public_key();
    let (status, answer) = change(&format!(r#"{{"method":"banpubkey","params":["{key}","noise"]}}"#)).await;
    assert_eq!((status, answer), (200, json!({ "result": true })));
    assert_eq!(change(r#"{"method":"changerelayname","params":["Renamed"]}"#).await.0, 200);
    assert_eq!(change(r#"{"method":"blockip","params":["nowhere"]}"#).await.1["error"], "not an address or a network");
    assert_eq!(change(r#"{"method":"dance","params":[]}"#).await.0, 200);
    let document: Value = get(&house, "/", "application/nostr+json").await.json().await.unwrap();
    assert_eq!(document["name"], "Renamed");
    assert!(document["supported_nips"].as_array().unwrap().contains(&json!(86)));
    let told = writer.told(&event(3, 1, &[], "again")).await;
    assert!(told.contains("blocked: "), "{told}");
    let (_, listed) = change(r#"{"method":"listbannedpubkeys","params":[]}"#).await;
    assert_eq!(listed["result"], json!([{ "pubkey": key.to_string(), "reason": "noise" }]));
    assert!(nexus_relay::ports::StorageAdapter::get_event(house.relay.storage(), &banned.id).await.unwrap().is_none());
}

#[tokio::test]
async fn what_a_rule_holds_back_is_stored_once_an_administrator_allows_it() {
    let hold = Policy { action: Action::Hold, message: "restricted: wait".to_owned(), ..Policy::default() };
    let house = House::with(Relay { policy: vec![hold].into(), ..managed() }).await;
    let (mut client, _) = crate::client::Client::greeted(&house).await;
    let note = event(3, 1, &[], "look at me");
    let told = client.told(&note).await;
    assert!(told.contains(r#"false,"restricted: wait""#), "{told}");
    let change = async |body: &str| call(&house, Some(vouch(7, body, 0)), body).await.1["result"].clone();
    let waiting = change(r#"{"method":"listeventsneedingmoderation","params":[]}"#).await;
    let reason = format!("held: wait: kind 1 by {}: look at me", note.pubkey);
    assert_eq!(waiting, json!([{ "id": note.id.to_string(), "reason": reason }]));
    assert_eq!(change(&format!(r#"{{"method":"allowevent","params":["{}"]}}"#, note.id)).await, json!(true));
    client.send(r#"["REQ","s",{}]"#).await;
    assert!(client.read().await.expect("an event").contains("look at me"));
}

#[tokio::test]
async fn a_call_that_is_wrong_is_told_why() {
    let house = House::with(managed()).await;
    for (body, why) in [
        (r#"{"method":"makecoffee","params":[]}"#, "unknown method"),
        (r#"{"method":"blockip","params":["nowhere"]}"#, "not an address or a network"),
        (r#"{"method":"assignrole","params":["KEY","cook"]}"#, "there is no such role"),
    ] {
        let body = body.replace("KEY", &key(1).public_key().to_string());
        let answer = call(&house, Some(vouch(7, &body, 0)), &body).await;
        assert_eq!(answer, (200, json!({ "error": why })), "{body}");
    }
}
