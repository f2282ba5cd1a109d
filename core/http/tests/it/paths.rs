//! Which service answers which path, and under which id: against the obvious model, without sockets.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderValue, Request, Response, StatusCode},
};
use nexus_http::{Paths, Readiness, Site, TrustedProxies};
use nexus_model::Timestamp;
use nexus_runtime::Clock;
use proptest::prelude::*;

const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];
const PLACES: [&str; 7] = ["/", "/a", "/a/b", "/a/b/c", "/ab", "/b", "/health"];

fn empty() -> Site {
    let clock = Clock::fixed(Timestamp::from_millis(0xabc));
    Site::new(Readiness::default(), TrustedProxies::default(), &clock)
}

fn answer(site: &Site, path: &str, id: Option<HeaderValue>) -> Response<Body> {
    let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
    if let Some(id) = id {
        request.headers_mut().insert("x-request-id", id);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(site.answer(([127, 0, 0, 1], 9).into(), request))
}

fn text(response: Response<Body>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bytes = runtime.block_on(to_bytes(response.into_body(), 1000)).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn named(name: &'static str) -> Router {
    Router::new().fallback(move || async move { name })
}

/// How much of a path is named by what a service owns; `None` if it isn't its own.
fn named_part(paths: Paths, path: &str) -> Option<usize> {
    match paths {
        Paths::Exact(own) if own == path => Some(1_000),
        Paths::Below(own) if path == own || path.starts_with(&format!("{own}/")) => Some(own.len()),
        Paths::Rest => Some(0),
        _ => None,
    }
}

fn some_paths() -> impl Strategy<Value = Paths> {
    prop_oneof![
        3 => prop::sample::select(&PLACES[..]).prop_map(Paths::Exact),
        3 => prop::sample::select(&PLACES[1..]).prop_map(Paths::Below),
        1 => Just(Paths::Rest),
    ]
}

proptest! {
    #[test]
    fn the_longest_match_answers_and_of_equals_the_last(
        mounts in prop::collection::vec(prop::collection::vec(some_paths(), 1..3), 0..NAMES.len()),
        path in "(/(a|b|ab|abc|c)){0,4}/?|/health",
    ) {
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let mounted = mounts.iter().zip(NAMES);
        let site = mounted.clone().fold(empty(), |site, (paths, name)| site.mount(name, paths, named(name)));
        let mut best: Option<(usize, &str)> = (path == "/health").then_some((1_000, r#"{"status":"ok"}"#));
        for (paths, name) in mounted {
            for part in paths.iter().filter_map(|paths| named_part(*paths, &path)) {
                if best.is_none_or(|(least, _)| part >= least) {
                    best = Some((part, name));
                }
            }
        }
        let answered = answer(&site, &path, None);
        prop_assert_eq!(answered.status() == StatusCode::NOT_FOUND, best.is_none());
        prop_assert_eq!(text(answered), best.map_or("", |(_, name)| name));
    }

    /// An id that could break a line of a log is replaced, any other is kept.
    #[test]
    fn an_id_is_kept_if_it_is_tame(id in prop_oneof!["[A-Za-z0-9_.:-]{0,70}", "[ -~]{1,20}"]) {
        let tame = (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
        let answered = answer(&empty(), "/health", HeaderValue::from_str(&id).ok());
        let given = answered.headers()["x-request-id"].to_str().unwrap();
        prop_assert_eq!(given == id, tame);
        prop_assert!((1..=64).contains(&given.len()));
    }
}

#[test]
fn ids_count_from_the_start_of_the_program() {
    let site = empty();
    let ids: Vec<_> = (0..3).map(|_| answer(&site, "/nowhere", None).headers()["x-request-id"].clone()).collect();
    assert_eq!(ids, ["abc-1", "abc-2", "abc-3"]);
    let again = answer(&site.clone(), "/health", Some(HeaderValue::from_bytes(b"\xff").unwrap()));
    assert_eq!(again.headers()["x-request-id"], "abc-4", "copies count together");
}

#[test]
fn the_query_is_no_part_of_the_path() {
    let site = empty().mount("a", &[Paths::Below("/a")], named("a"));
    assert_eq!(text(answer(&site, "/a?b=/c", None)), "a");
    assert_eq!(answer(&site, "/b?/a", None).status(), 404);
    assert_eq!(answer(&site, "/%61", None).status(), 404, "paths are compared as they are written");
}

#[test]
fn readiness_is_of_all_conditions_and_names_the_missing_in_order() {
    let readiness = Readiness::default();
    assert!(readiness.is_ready(), "nothing to wait for");
    let conditions = ["a", "b", "c"].map(|name| readiness.clone().register(name));
    let missing = || readiness.missing().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(missing(), "a b c");
    conditions[1].reached();
    conditions[1].reached();
    assert_eq!((missing().as_str(), readiness.is_ready()), ("a c", false));
    conditions[0].clone().reached();
    conditions[2].reached();
    assert!(readiness.is_ready());
    conditions[0].lost();
    assert_eq!(missing(), "a");
}
