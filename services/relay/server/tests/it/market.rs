//! The market over HTTP, on a relay over memory.

use crate::{
    stand::{Adapters, NOW, Served, TestRelay, key, relay, serve, sign},
    stream::Stream,
};
use base64::Engine;
use nexus_journal::Head;
use nexus_model::Raw;
use nexus_nostr::{Event, Kind, Seconds, Tags, nip::nip42::RelayUrl};
use nexus_relay::{
    Asker,
    market::Job,
    ports::{StorageAdapter, StorageError},
    session::Verdict,
    settings::{Rate, Rates, Retention, Settings},
};
use nexus_relay_server::market::{JobFeed, router};
use nexus_relay_suite::disturbed::Fate;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) struct Market {
    pub(crate) relay: Arc<TestRelay>,
    clock: nexus_runtime::Clock,
    pub(crate) served: Served,
    pub(crate) http: reqwest::Client,
    /// How the reading of the journal ended.
    pub(crate) told: JoinHandle<Result<(), StorageError>>,
    _stop: DropGuard,
}

pub(crate) async fn market(settings: Settings) -> Market {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (relay, head, clock): (_, Arc<Head>, _) = relay(settings).await;
    let feed = Arc::new(JobFeed::default());
    let served = serve(router::<Adapters>(relay.clone(), feed.clone())).await;
    let stop = CancellationToken::new();
    let told = tokio::spawn(feed.run::<Adapters>(relay.clone(), head.watch(), stop.clone()));
    Market { relay, clock, served, http: reqwest::Client::new(), told, _stop: stop.drop_guard() }
}

impl Market {
    pub(crate) async fn publish(&self, event: &Event) {
        let verdict = self.relay.submit(&Asker::default(), Raw::new(event.clone())).await;
        assert_eq!(verdict, Verdict::Accepted(None));
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.served.url)).send().await.expect("an answer")
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "public, max-age=5");
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        response.json().await.expect("JSON")
    }

    async fn post(&self, path: &str, body: &str, header: Option<String>) -> (StatusCode, Value) {
        let request = self.http.post(format!("{}{path}", self.served.url)).body(body.to_owned());
        let request = header.into_iter().fold(request, |request, header| request.header("authorization", header));
        let response = request.send().await.expect("an answer");
        (response.status(), response.json().await.expect("JSON"))
    }
}

pub(crate) fn market_settings() -> Settings {
    Settings { retention: Retention::of_the_market(), ..Settings::default() }
}

pub(crate) fn request(age: i64, tags: &[&[&str]]) -> Event {
    let own: [&[&str]; 3] = [&["i", "hello", "text"], &["bid", "9000"], &["output", "text/plain"]];
    sign(1, 5050, age, &[&own, tags].concat(), "")
}

pub(crate) fn answer(by: u8, kind: u16, to: &Event, tags: &[&[&str]]) -> Event {
    let (id, customer) = (to.id.to_string(), to.pubkey.to_string());
    let own: [&[&str]; 2] = [&["e", &id], &["p", &customer]];
    sign(by, kind, 0, &[&own, tags].concat(), "an answer")
}

#[tokio::test]
async fn jobs_are_listed_page_by_page() {
    let market = market(market_settings()).await;
    let requests: Vec<Event> = (0..5).map(|age| request(age, &[&["t", "poems"]])).collect();
    for request in &requests {
        market.publish(request).await;
    }
    let page = market.json("/api/v1/jobs?limit=2").await;
    assert_eq!(page["jobs"].as_array().map(Vec::len), Some(2));
    let first = json!({
        "id": requests[0].id.to_string(), "kind": 5050, "customer": key(1).public_key().to_string(), "state": "open",
        "created_at": NOW, "received_at": NOW, "expires_at": NOW + 86_400, "bid_msat": 9000, "output": "text/plain",
        "inputs": [{ "type": "text", "len": 5 }], "tags_t": ["poems"], "targets": [], "encrypted": false,
        "providers": 0, "result_id": null,
    });
    assert_eq!(page["jobs"][0], first);
    let mut seen = 2;
    let mut next = page["next"].as_str().map(str::to_owned);
    while let Some(cursor) = next {
        let page = market.json(&format!("/api/v1/jobs?limit=2&cursor={cursor}")).await;
        for job in page["jobs"].as_array().expect("jobs") {
            assert_eq!(job["id"], requests[seen].id.to_string());
            seen += 1;
        }
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn jobs_are_asked_for_by_what_they_are() {
    let market = market(market_settings()).await;
    let wanted = request(1, &[&["t", "poems"]]);
    market.publish(&wanted).await;
    market.publish(&sign(2, 5100, 2, &[], "")).await;
    market.publish(&answer(3, 6050, &wanted, &[])).await;
    let count =
        async |query: &str| market.json(&format!("/api/v1/jobs?{query}")).await["jobs"].as_array().map(Vec::len);
    let (customer, provider) = (key(2).public_key(), key(3).public_key());
    for (query, expected) in [
        (String::new(), 2),
        ("kind=5100".to_owned(), 1),
        ("state=open".to_owned(), 1),
        ("state=succeeded&kind=5050".to_owned(), 1),
        (format!("customer={customer}"), 1),
        (format!("provider={provider}"), 1),
        ("t=poems".to_owned(), 1),
        ("t=prose".to_owned(), 0),
        (format!("since={}", NOW - 1), 1),
        (format!("until={}", NOW - 2), 1),
    ] {
        assert_eq!(count(&query).await, Some(expected), "{query}");
    }
    for query in ["kind=many", "state=odd", "customer=x", "cursor=x", "colour=red"] {
        let response = market.get(&format!("/api/v1/jobs?{query}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["error"]["code"], "invalid", "{body}");
    }
}

#[tokio::test]
async fn a_job_is_told_with_all_that_happened() {
    let market = market(market_settings()).await;
    let request = request(9, &[]);
    market.publish(&request).await;
    market.clock.advance(2_000);
    let price: &[&str] = &["amount", "5000"];
    let feedback = answer(2, 7000, &request, &[&["status", "payment-required"], price]);
    market.publish(&feedback).await;
    market.clock.advance(3_000);
    let result = answer(2, 6050, &request, &[]);
    market.publish(&result).await;
    let job = market.json(&format!("/api/v1/jobs/{}", request.id)).await;
    assert_eq!((&job["state"], &job["result_id"]), (&json!("succeeded"), &json!(result.id.to_string())));
    assert_eq!(job["request"], serde_json::from_str::<Value>(&request.to_json()).expect("JSON"));
    let provider = json!([{
        "pubkey": key(2).public_key().to_string(), "first_seen": NOW + 2, "status": job["provider_details"][0]["status"],
        "amount_msat": 5000, "result_id": result.id.to_string(), "result_at": NOW + 5, "latency": 5,
        "customer_mismatch": false,
    }]);
    assert_eq!(job["provider_details"], provider);
    let timeline: Vec<&str> =
        job["timeline"].as_array().expect("steps").iter().filter_map(|step| step["id"].as_str()).collect();
    assert_eq!(timeline.len(), 2);
    assert!(timeline.contains(&feedback.id.to_string().as_str()) && timeline.contains(&result.id.to_string().as_str()));
    assert_eq!(job["results"], json!([serde_json::from_str::<Value>(&result.to_json()).expect("JSON")]));
    let missing = market.get(&format!("/api/v1/jobs/{}", "a".repeat(64))).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(market.get("/api/v1/jobs/x").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn handlers_are_told_with_what_is_known_of_their_provider() {
    let market = market(market_settings()).await;
    let handler = sign(2, 31_990, 0, &[&["d", "poet"], &["k", "5050"]], r#"{"name":"Poet"}"#);
    market.publish(&handler).await;
    market.publish(&sign(3, 31_990, 0, &[&["d", "x"], &["k", "5100"]], "")).await;
    let coordinate = format!("31990:{}:poet", key(2).public_key());
    market.publish(&sign(4, 31_989, 0, &[&["d", "5050"], &["a", &coordinate]], "")).await;
    let provider = key(2).public_key().to_string();
    let namespace: &[&str] = &["L", "dvm"];
    market.publish(&sign(4, 1985, 0, &[namespace, &["l", "fast", "dvm"], &["p", &provider]], "")).await;
    let request = request(9, &[]);
    market.publish(&request).await;
    market.clock.advance(4_000);
    market.publish(&answer(2, 6050, &request, &[])).await;
    let handlers = market.json("/api/v1/handlers?kind=5050").await;
    let expected = json!([{
        "pubkey": provider, "d": "poet", "event_id": handler.id.to_string(), "created_at": NOW, "kinds": [5050],
        "metadata": { "name": "Poet" }, "recommendations": 1, "online": false, "jobs": 1, "succeeded": 1, "failed": 0,
        "success_rate": 1.0, "median_latency": 4, "last_seen": NOW + 4,
    }]);
    assert_eq!(handlers["handlers"], expected);
    assert_eq!(market.json("/api/v1/handlers").await["handlers"].as_array().map(Vec::len), Some(2));
    assert_eq!(market.json("/api/v1/handlers?online=true").await["handlers"], json!([]));
    let profile = market.json(&format!("/api/v1/handlers/{provider}")).await;
    assert_eq!(profile["labels"], json!({ "dvm": { "fast": 1 } }));
    assert_eq!((&profile["stats"]["succeeded"], &profile["handlers"]), (&json!(1), &expected));
    let unknown = market.get(&format!("/api/v1/handlers/{}", key(9).public_key())).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

/// What is told of a provider was counted when it happened: the jobs themselves are not read again.
#[tokio::test]
async fn the_list_of_handlers_reads_no_jobs() {
    let market = market(market_settings()).await;
    market.publish(&sign(2, 31_990, 0, &[&["d", "poet"], &["k", "5050"]], "")).await;
    let mut jobs = Vec::new();
    for age in 1..=5 {
        let request = request(age, &[]);
        market.publish(&request).await;
        market.publish(&answer(2, 6050, &request, &[])).await;
        jobs.push(Job::new(request.id));
    }
    market.relay.storage().put_jobs(jobs).await.expect("memory can be written");
    let handlers = market.json("/api/v1/handlers").await;
    assert_eq!((&handlers["handlers"][0]["jobs"], &handlers["handlers"][0]["succeeded"]), (&json!(5), &json!(5)));
}

#[tokio::test]
async fn the_list_of_handlers_is_bounded() {
    let market = market(Settings { rates: Rates::off(), ..market_settings() }).await;
    for number in 0..205 {
        market.publish(&sign(2, 31_990, 0, &[&["d", &number.to_string()], &["k", "5050"]], "")).await;
    }
    for (limit, expected) in [("", 50), ("?limit=7", 7), ("?limit=100000", 200), ("?limit=0", 1)] {
        let handlers = market.json(&format!("/api/v1/handlers{limit}")).await;
        assert_eq!(handlers["handlers"].as_array().map(Vec::len), Some(expected), "{limit}");
    }
}

#[tokio::test]
async fn statistics_are_counted_by_day_and_kind() {
    let market = market(market_settings()).await;
    let request = request(1, &[]);
    market.publish(&request).await;
    market.publish(&answer(2, 6050, &request, &[&["amount", "7"]])).await;
    let stats = market.json("/api/v1/stats?days=1").await;
    assert_eq!(stats["relay"], json!({ "connections": 0, "events": 2, "approximate": false }));
    let day = json!({
        "day": NOW / 86_400, "kind": 5050, "amount_msat": 7, "bid_msat": 9000, "latency_count": 1,
        "latency_seconds": 0, "requests": 1, "results": 1, "customers": 1, "providers": 1,
    });
    assert_eq!(stats["market"]["days"], json!([day]));
    assert_eq!(stats["market"]["jobs"], json!({ "succeeded": 1 }));
    assert_eq!((&stats["market"]["customers"], &stats["market"]["providers"]), (&json!(1), &json!(1)));
    // The old path tells the same, and for some seconds what was told before.
    market.publish(&sign(9, 5050, 0, &[], "")).await;
    assert_eq!(market.json("/api/stats?days=1").await, stats);
    assert_ne!(market.json("/api/stats?days=2").await["relay"], stats["relay"]);
}

/// The header that vouches for a request. (NIP-98)
fn vouch(by: u8, method: &str, path: &str, body: &str) -> String {
    let url = format!("https://relay.example{path}");
    let payload = hex::encode(Sha256::digest(body));
    let tags = Tags::new([["u", &url], ["method", method], ["payload", &payload]]);
    let event = key(by).sign(Kind::HTTP_AUTH, Seconds::new(NOW), tags, "");
    format!("Nostr {}", base64::engine::general_purpose::STANDARD.encode(event.to_json()))
}

#[tokio::test]
async fn the_bridge_publishes_and_asks_by_the_rules_of_the_relay() {
    let urls = RelayUrl::parse("wss://relay.example").into_iter().collect();
    let market = market(Settings { urls, ..Settings::default() }).await;
    let note = sign(1, 1, 0, &[], "hello");
    let published = market.post("/api/v1/events", &note.to_json(), None).await;
    assert_eq!(published, (StatusCode::OK, json!({ "id": note.id.to_string(), "message": "" })));
    let again = market.post("/api/v1/events", &note.to_json(), None).await;
    assert_eq!(again.1["message"], "duplicate: already have this event");
    let shown = market.json(&format!("/api/v1/events/{}", note.id)).await;
    assert_eq!(shown, serde_json::from_str::<Value>(&note.to_json()).expect("JSON"));
    let mut forged = sign(1, 1, 0, &[], "x");
    forged.content.push('!');
    let refused = market.post("/api/v1/events", &forged.to_json(), None).await;
    let error = json!({ "error": { "code": "invalid", "message": "event id does not match" } });
    assert_eq!(refused, (StatusCode::BAD_REQUEST, error));
    assert_eq!(market.post("/api/v1/events", "{}", None).await.0, StatusCode::BAD_REQUEST);

    let protected = sign(1, 1, 0, &[&["-"]], "").to_json();
    let body = market.post("/api/v1/events", &protected, None).await;
    assert_eq!((body.0, &body.1["error"]["code"]), (StatusCode::UNAUTHORIZED, &json!("auth-required")));
    let other = Some(vouch(2, "POST", "/api/v1/events", &protected));
    assert_eq!(market.post("/api/v1/events", &protected, other).await.0, StatusCode::FORBIDDEN);
    let own = vouch(1, "POST", "/api/v1/events", &protected);
    assert_eq!(market.post("/api/v1/events", &protected, Some(own.clone())).await.0, StatusCode::OK);
    assert_eq!(market.post("/api/v1/events", "{}", Some(own)).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_not_for_everybody_is_shown_to_those_it_concerns() {
    let urls = RelayUrl::parse("wss://relay.example").into_iter().collect();
    let market = market(Settings { urls, ..Settings::default() }).await;
    let whisper = sign(1, 4, 0, &[&["p", &key(2).public_key().to_string()]], "?");
    market.publish(&whisper).await;
    assert_eq!(market.get(&format!("/api/v1/events/{}", whisper.id)).await.status(), StatusCode::NOT_FOUND);
    let ask = async |by: Option<u8>, body: &str| {
        let header = by.map(|by| vouch(by, "POST", "/api/v1/query", body));
        let (status, answer) = market.post("/api/v1/query", body, header).await;
        (status.as_u16(), answer["events"].as_array().map(Vec::len))
    };
    let all = r#"[{"authors":["AUTHOR"]},{"kinds":[1]}]"#.replace("AUTHOR", &key(1).public_key().to_string());
    assert_eq!(ask(None, &all).await, (200, Some(0)));
    assert_eq!(ask(Some(2), &all).await, (200, Some(1)));
    assert_eq!(ask(Some(3), &all).await, (200, Some(0)));
    assert_eq!(ask(None, r#"{"kinds":[4]}"#).await, (401, None));
    for body in ["", "[]", "[1]", r#"{"foo":1}"#, r#"{"kinds":[4]"#] {
        assert_eq!(ask(None, body).await, (400, None), "{body}");
    }
}

/// What one was shown who said who they are, a cache between may not show to the next.
#[tokio::test]
async fn no_cache_keeps_what_was_shown_to_one_who_signed() {
    let urls = RelayUrl::parse("wss://relay.example").into_iter().collect();
    let market = market(Settings { urls, ..Settings::default() }).await;
    let whisper = sign(1, 4, 0, &[&["p", &key(2).public_key().to_string()]], "?");
    market.publish(&whisper).await;
    let path = format!("/api/v1/events/{}", whisper.id);
    let asked = market.http.get(format!("{}{path}", market.served.url));
    let shown = asked.header("authorization", vouch(2, "GET", &path, "")).send().await.expect("an answer");
    assert_eq!(shown.status(), StatusCode::OK);
    assert_eq!(shown.headers()["cache-control"], "private, no-store");
    for path in [path.as_str(), "/api/v1/jobs"] {
        let answer = market.get(path).await;
        assert!(answer.headers().get_all("vary").iter().any(|name| name == "authorization"), "{path}");
    }
}

/// Kinds that only those may ask for who said who they are can't be had by their ids either.
#[tokio::test]
async fn an_event_by_its_id_is_asked_for_by_the_rules_of_filters() {
    let mut settings =
        Settings { urls: RelayUrl::parse("wss://relay.example").into_iter().collect(), ..Settings::default() };
    settings.read.auth_kinds = vec![1..=1];
    let market = market(settings).await;
    let note = sign(1, 1, 0, &[], "for members");
    market.publish(&note).await;
    let path = format!("/api/v1/events/{}", note.id);
    assert_eq!(market.get(&path).await.status(), StatusCode::UNAUTHORIZED);
    let asked = market.http.get(format!("{}{path}", market.served.url));
    let shown = asked.header("authorization", vouch(3, "GET", &path, "")).send().await.expect("an answer");
    assert_eq!(shown.status(), StatusCode::OK);
}

/// The market tells strangers nothing of kinds that they could not ask for over a connection.
#[tokio::test]
async fn the_market_is_read_by_the_rules_of_filters() {
    let urls = RelayUrl::parse("wss://relay.example").into_iter().collect();
    let mut settings = Settings { urls, ..market_settings() };
    settings.read.auth_kinds = vec![5050..=5050, 6100..=6100, 1985..=1985, 31_990..=31_990];
    let market = market(settings).await;
    let (hidden, open) = (request(1, &[]), sign(1, 5100, 2, &[], "for all"));
    let mut strangers = Stream::open(&market, "/api/v1/jobs/stream", None).await;
    let path = "/api/v1/jobs/stream";
    let mut members = Stream::open_as(&market, path, None, Some(vouch(3, "GET", path, ""))).await;
    for event in [&hidden, &open, &answer(2, 6100, &open, &[]), &answer(2, 7000, &open, &[&["status", "success"]])] {
        market.publish(event).await;
    }
    assert_eq!(members.next().await.1, hidden.id.to_string());
    assert_eq!(strangers.next().await.1, open.id.to_string());
    let known = async |path: &str, by: Option<u8>| {
        let asked = market.http.get(format!("{}{path}", market.served.url));
        let route = path.split('?').next().unwrap_or_default();
        let header = by.map(|by| vouch(by, "GET", route, ""));
        let asked = header.into_iter().fold(asked, |asked, header| asked.header("authorization", header));
        let answer = asked.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let number = |value: &Value| value.as_array().map(Vec::len);
    assert_eq!(number(&known("/api/v1/jobs", None).await.1["jobs"]), Some(1));
    assert_eq!(number(&known("/api/v1/jobs", Some(4)).await.1["jobs"]), Some(2));
    let (hidden, open) = (format!("/api/v1/jobs/{}", hidden.id), format!("/api/v1/jobs/{}", open.id));
    let provider = format!("/api/v1/handlers/{}", key(2).public_key());
    for path in ["/api/v1/jobs?kind=5050", "/api/v1/jobs/stream?kind=5050", &hidden, "/api/v1/handlers", &provider] {
        assert_eq!(known(path, None).await.0, 401, "{path}");
    }
    assert_eq!(known(&hidden, Some(5)).await.0, 200);
    let answers = async |by| {
        let (status, job) = known(&open, by).await;
        (status, number(&job["timeline"]), number(&job["results"]))
    };
    assert_eq!(answers(None).await, (200, Some(1), Some(0)));
    assert_eq!(answers(Some(6)).await, (200, Some(2), Some(1)));
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    use axum::Extension;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let rates = Rates { queries: Rate { burst: 1, per_minute: 1 }, ..Rates::default() };
    let (relay, ..) = relay(Settings { rates, ..Settings::default() }).await;
    let stranger = Extension(nexus_http::Client([192, 0, 2, 1].into()));
    let served = serve(router::<Adapters>(relay, Arc::new(JobFeed::default())).layer(stranger)).await;
    let get = async || reqwest::get(format!("{}/api/v1/jobs", served.url)).await.expect("an answer");
    assert_eq!(get().await.status(), StatusCode::OK);
    let refused = get().await;
    assert_eq!(
        (refused.status(), refused.headers()["retry-after"].to_str().ok()),
        (StatusCode::TOO_MANY_REQUESTS, Some("1"))
    );
    assert_eq!(refused.json::<Value>().await.expect("JSON")["error"]["code"], "rate-limited");
}

/// Whoever asks while the store fails is told to come again, and no cache keeps that; then all is as before.
#[tokio::test]
async fn whatever_is_asked_while_the_store_fails_is_to_be_asked_again() {
    let market = market(market_settings()).await;
    let request = request(1, &[]);
    market.publish(&request).await;
    market.publish(&sign(2, 31_990, 0, &[&["d", "poet"], &["k", "5050"]], "{}")).await;
    let (job, provider) = (format!("/api/v1/jobs/{}", request.id), key(2).public_key());
    let handler = format!("/api/v1/handlers/{provider}");
    let paths = ["/api/stats", "/api/v1/jobs", &job, "/api/v1/handlers", &handler];
    market.relay.storage().disturb(|_| Fate::Fails(StorageError::TimedOut));
    for path in paths {
        let refused = market.get(path).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(refused.headers()["retry-after"], "1", "{path}");
        assert_eq!(refused.headers()["cache-control"], "no-store", "{path}");
        let body: Value = refused.json().await.expect("JSON");
        assert_eq!(body, json!({ "error": { "code": "error", "message": "the store is not available" } }), "{path}");
    }
    market.relay.storage().settle();
    for path in paths {
        market.json(path).await;
    }
}
