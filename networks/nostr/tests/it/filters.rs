use crate::make::{event, key, tags_of};
use nexus_filter::{Route, Routed};
use nexus_nostr::{Error, Event, EventId, Filter, Kind, Seconds, TagCondition, TagName};
use nostr::filter::MatchEventOptions;
use proptest::{collection::vec, option, prelude::*};

fn some_event() -> impl Strategy<Value = Event> {
    let tag = (prop::sample::select(vec!["e", "p", "t", "T", "d", "long"]), 0..4_u8);
    (1..4_u8, 0..4_u16, 0..6_i64, vec(tag, 0..4)).prop_map(|(author, kind, at, tags)| {
        let tags: Vec<Vec<String>> =
            tags.into_iter().map(|(name, value)| vec![name.to_owned(), tag_value(name, value)]).collect();
        key(author).sign(Kind::new(kind), Seconds::new(at), nexus_nostr::Tags::new(tags), "")
    })
}

fn tag_value(name: &str, value: u8) -> String {
    if matches!(name, "e" | "p") { EventId::from_bytes([value; 32]).to_string() } else { value.to_string() }
}

fn some_filter() -> impl Strategy<Value = Filter> {
    let tag = (prop::sample::select(vec!["e", "p", "t", "T", "d"]), vec(0..4_u8, 1..3));
    let lists = (option::of(vec(1..4_u8, 1..3)), option::of(vec(0..4_u16, 1..3)), option::of(tag));
    (lists, option::of(0..6_i64), option::of(0..6_i64)).prop_map(|((authors, kinds, tag), since, until)| {
        let mut filter = Filter::new();
        if let Some(authors) = authors {
            filter = filter.with_authors(authors.into_iter().map(|author| key(author).public_key()));
        }
        if let Some(kinds) = kinds {
            filter = filter.with_kinds(kinds.into_iter().map(Kind::new));
        }
        if let Some((name, values)) = tag {
            let values: Vec<String> = values.into_iter().map(|value| tag_value(name, value)).collect();
            filter = filter.with_tag(TagCondition::new(TagName::from_name(name).expect("one letter"), values));
        }
        filter = since.map_or(filter.clone(), |since| filter.with_since(Seconds::new(since)));
        until.map_or(filter.clone(), |until| filter.with_until(Seconds::new(until)))
    })
}

proptest! {
    #[test]
    fn matching_agrees_with_the_nostr_crate(event in some_event(), filter in some_filter()) {
        let theirs = serde_json::from_str::<nostr::filter::Filter>(&filter.to_json()).unwrap();
        let their_event = serde_json::from_str::<nostr::event::Event>(&event.to_json()).unwrap();
        prop_assert_eq!(filter.matches(&event), theirs.match_event(&their_event, MatchEventOptions::new()));
    }

    #[test]
    fn what_is_written_reads_as_the_same(filter in some_filter()) {
        prop_assert_eq!(Filter::parse(&filter.to_json()).unwrap(), filter);
    }

    #[test]
    fn an_event_that_matches_meets_the_filter_on_a_route(event in some_event(), filter in some_filter()) {
        let taken = event.routes();
        let is_met = |route: &Route| *route == Route::EVERYTHING || taken.contains(route);
        let meet = filter.alternatives().iter().all(|filed| filed.iter().any(is_met));
        prop_assert!((meet && !filter.is_impossible()) || !filter.matches(&event));
    }
}

#[test]
fn a_filter_is_filed_under_its_most_selective_member() {
    let author = key(1).public_key();
    let event = event(1, &[&["t", "x"], &["d", "z"]], "");
    let id = event.id;
    let by = |json: String| Filter::parse(&json).expect("a filter").routes();
    let [by_id, by_author, by_pair, by_kind, by_t, by_d] = event.routes()[..] else { panic!("six routes") };
    assert_eq!(by(format!(r#"{{"kinds":[1],"authors":["{author}"],"ids":["{id}"]}}"#)), [by_id]);
    assert_eq!(by(format!(r##"{{"#t":["x"],"authors":["{author}"]}}"##)), [by_author]);
    assert_eq!(by(format!(r##"{{"#t":["x"],"authors":["{author}"],"kinds":[1]}}"##)), [by_pair]);
    assert_eq!(by(r##"{"kinds":[1],"#t":["x","y"],"#d":["z"]}"##.to_owned()), [by_d]);
    assert_eq!(by(r##"{"kinds":[1],"#t":["x"]}"##.to_owned()), [by_t]);
    assert_eq!(by(r#"{"kinds":[1],"since":5}"#.to_owned()), [by_kind]);
    assert_eq!(Filter::new().routes(), [Route::EVERYTHING]);
}

#[test]
fn what_cannot_match_is_filed_nowhere_and_matches_nothing() {
    for json in [
        r#"{"ids":[]}"#,
        r#"{"authors":[]}"#,
        r#"{"kinds":[]}"#,
        r#"{"kinds":[65536]}"#,
        r##"{"#t":[]}"##,
        r#"{"since":5,"until":4}"#,
        r#"{"until":-1}"#,
    ] {
        let filter = Filter::parse(json).unwrap();
        assert!(filter.is_impossible(), "{json}");
        assert!(filter.routes().is_empty(), "{json}");
        assert!(!filter.matches(&event(0, &[&["t", "x"]], "")), "{json}");
    }
}

#[test]
fn faults_refuse_the_filter() {
    let unknown = |name: &str| Error::UnknownFilterElement(name.to_owned());
    for (json, error) in [
        (r#"{"foo":1}"#, unknown("foo")),
        (r##"{"#ab":["x"]}"##, unknown("#ab")),
        (r##"{"#é":["x"]}"##, unknown("#é")),
        (r##"{"#1":["x"]}"##, unknown("#1")),
        (r#"{"ids":["00"]}"#, Error::Bad("ids")),
        (r#"{"authors":"x"}"#, Error::Bad("authors")),
        (r#"{"kinds":[-1]}"#, Error::Bad("kinds")),
        (r#"{"kinds":[1.5]}"#, Error::Bad("kinds")),
        (r##"{"#e":["x"]}"##, Error::Bad("tag filter")),
        (r##"{"#t":[1]}"##, Error::Bad("tag filter")),
        (r#"{"limit":-1}"#, Error::Bad("limit")),
        (r#"{"since":"1"}"#, Error::Bad("since")),
        (r#"{"since":1,"since":2}"#, Error::Twice("a filter element")),
    ] {
        assert_eq!(Filter::parse(json), Err(error), "{json}");
    }
}

#[test]
fn repeats_count_once_and_the_first_value_is_remembered() {
    let filter = Filter::parse(r##"{"kinds":[1,1,2],"#t":["z","a","z"]}"##).unwrap();
    assert_eq!(filter.value_count(), 4);
    assert_eq!(filter.tags()[0].first_value(), Some("z"));
}

#[test]
fn bounds_are_inclusive_and_names_of_tags_keep_their_case() {
    let event = key(1).sign(Kind::NOTE, Seconds::new(5), tags_of(&[&["T", "x"], &["t"], &["y", "no", "x"]]), "");
    let wants = |json: &str| Filter::parse(json).unwrap().matches(&event);
    assert!(wants(r#"{"since":5,"until":5}"#) && wants(r#"{"since":-7}"#));
    assert!(!wants(r#"{"since":6}"#) && !wants(r#"{"until":4}"#));
    assert!(wants(r##"{"#T":["x"]}"##) && !wants(r##"{"#t":["x"]}"##) && !wants(r##"{"#y":["x"]}"##));
}

#[test]
fn an_intent_stands_for_its_kinds() {
    let resolved = |json: &str| {
        let mut filter = Filter::parse(json).unwrap();
        filter.resolve_intent(&[5000..=5002]);
        filter.kinds().unwrap().iter().map(|kind| kind.get()).collect::<Vec<_>>()
    };
    assert_eq!(resolved(r#"{"intent":"job_request"}"#), [5000, 5001, 5002]);
    assert_eq!(resolved(r#"{"intent":"job_request","kinds":[1,5001]}"#), [5001]);
}
