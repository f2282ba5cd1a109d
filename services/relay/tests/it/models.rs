//! Rules, limits and the cache, each against an obvious model that shares nothing with them.

use crate::stage::NOW;
use futures_util::FutureExt;
use nexus_model::Timestamp;
use nexus_nostr::{
    Event, Filter, Kind, PublicKey, Seconds, SigningKey, TagCondition, TagName, Tags, nip::nip13::Commitment,
};
use nexus_relay::{
    InMemoryCache,
    market::{Job, JobState, Profile, validate},
    ports::{CacheAdapter, ConnectionId, PreparedEvent, Record, RecordKind},
    rules::{
        admission::{self, Admission},
        lists::Lists,
        rates::{Buckets, Drawer, Use},
        reading::{self, Purpose},
    },
    settings::{Limits, Pow, Rate, Rates, ReadPolicy, Requirement, Retention, Scrape, Settings, Switch},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

const SECONDS: Seconds = Seconds::new(NOW / 1_000);

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("small numbers are valid keys")
}

fn public(number: u8) -> PublicKey {
    key(number).public_key()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory never waits")
}

/// An event in words: what the model of admission looks at.
#[derive(Clone, Debug)]
struct Draft {
    by: u8,
    kind: u16,
    /// Seconds by which it is dated ahead.
    ahead: i64,
    content: usize,
    tags: usize,
    value: usize,
    /// Seconds until it expires.
    expires: Option<i64>,
    is_protected: bool,
}

impl Draft {
    fn event(&self) -> Event {
        let end = self.expires.map(|expires| SECONDS.plus(expires).to_string());
        let mut tags = vec![vec!["t".to_owned(), "v".repeat(self.value)]];
        tags.extend((1..self.tags).map(|_| vec!["other".to_owned()]));
        tags.extend(end.map(|end| vec!["expiration".to_owned(), end]));
        if self.is_protected {
            tags.push(vec!["-".to_owned()]);
        }
        key(self.by).sign(Kind::new(self.kind), SECONDS.plus(self.ahead), Tags::new(tags), "c".repeat(self.content))
    }

    fn tag_count(&self) -> usize {
        self.tags.max(1) + usize::from(self.expires.is_some()) + usize::from(self.is_protected)
    }
}

fn drafts() -> impl Strategy<Value = Draft> {
    let kind = select(vec![0_u16, 1, 7, 5_050, 7_000, 20_001, 22_242, 27_235]);
    let sizes = (0..40_usize, 0..6_usize, 0..6_usize);
    (1..4_u8, kind, -30..30_i64, sizes, option::weighted(0.3, -5..50_i64), prop::bool::weighted(0.2)).prop_map(
        |(by, kind, ahead, (content, tags, value), expires, is_protected)| Draft {
            by,
            kind,
            ahead,
            content,
            tags,
            value,
            expires,
            is_protected,
        },
    )
}

/// What an operator may have chosen.
fn choices() -> impl Strategy<Value = (Settings, Vec<u8>, Vec<u16>, Vec<u8>)> {
    let limits = (0..40_usize, 1..6_usize, 1..6_usize, 0..30_i64, 0..30_i64, 0..30_i64);
    let lists = (vec(1..4_u8, 0..2), vec(select(vec![1_u16, 7]), 0..2), vec(1..4_u8, 0..3));
    (limits, lists, 0..3_u32, option::of(1..30_i64)).prop_map(
        |((content, tags, value, future, past, ephemeral), (banned, kinds, members), pow, kept)| {
            let mut settings = Settings::default();
            settings.limits =
                Limits { tags, tag_value_bytes: value, future, past, ephemeral_age: ephemeral, ..settings.limits };
            settings.market.content_bytes = content;
            settings.pow = Pow { min: pow, kinds: Vec::new(), commitment: Commitment::Optional };
            settings.retention = vec![Retention { kinds: vec![5_000..=7_000], max_age: kept, ..Retention::default() }];
            (settings, banned, kinds, members)
        },
    )
}

fn lists(banned: &[u8], kinds: &[u16], members: &[u8]) -> Lists {
    let record = |key: String| Record { key, value: String::new() };
    let keys = |numbers: &[u8]| numbers.iter().map(|by| record(public(*by).to_string())).collect::<Vec<_>>();
    let mut lists = Lists::default();
    lists.read(RecordKind::BannedPubkey, &keys(banned));
    lists.read(RecordKind::AllowedPubkey, &keys(members));
    lists.read(RecordKind::BannedKind, &kinds.iter().map(|kind| record(kind.to_string())).collect::<Vec<_>>());
    lists
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Each rule is asked by itself; the first that is broken, in the order of the specification, is told.
    #[test]
    fn the_first_broken_rule_of_admission_is_told(
        draft in drafts(), (settings, banned, kinds, members) in choices(), client in option::of(1..4_u8),
    ) {
        let event = draft.event();
        let limits = &settings.limits;
        let is_ephemeral = (20_000..30_000).contains(&draft.kind);
        let age = if is_ephemeral { limits.ephemeral_age } else { limits.past };
        let zeros = event.id.as_bytes().iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).take_while(|bit| *bit == 0).count();
        let is_job = matches!(draft.kind, 5_000..=7_000);
        let sender = client.map(public);
        let rules = [
            (draft.tag_count() > limits.tags, "invalid: too many tags".to_owned()),
            (draft.value > limits.tag_value_bytes, "invalid: a tag value is too long".to_owned()),
            (is_job && draft.content > settings.market.content_bytes, "invalid: job content is too large".to_owned()),
            (banned.contains(&draft.by) || client.is_some_and(|by| banned.contains(&by)), "blocked: pubkey is banned".to_owned()),
            (kinds.contains(&draft.kind), "restricted: kind is not allowed".to_owned()),
            (!members.is_empty() && !members.contains(&draft.by) && draft.kind != 0, "restricted: pubkey is not allowed to write here".to_owned()),
            (draft.kind == 22_242, "invalid: AUTH events must be sent with AUTH".to_owned()),
            (draft.kind == 27_235, "invalid: HTTP authentication is not for publishing".to_owned()),
            (draft.ahead > limits.future, "invalid: created_at is too far in the future".to_owned()),
            (age > 0 && -draft.ahead > age, "invalid: created_at is too old".to_owned()),
            (zeros < settings.pow.min as usize, format!("pow: difficulty {zeros} is less than {}", settings.pow.min)),
            (draft.is_protected && sender != Some(event.pubkey), "blocked: event marked as protected".to_owned()),
            (draft.expires.is_some_and(|end| end <= 0), "invalid: event has expired".to_owned()),
        ];
        let expected = match rules.into_iter().find(|(is_broken, _)| *is_broken) {
            Some((_, reason)) => Err(reason),
            None if is_ephemeral => Ok(Admission::PassOn),
            None => {
                let kept = settings.retention[0].max_age.filter(|_| is_job);
                Ok(Admission::Store([draft.expires, kept].into_iter().flatten().min().map(|age| SECONDS.plus(age))))
            }
        };
        let client: Vec<PublicKey> = sender.into_iter().collect();
        let told = admission::check(&event, &client, &settings, &lists(&banned, &kinds, &members), SECONDS);
        prop_assert_eq!(told.map_err(|reason| reason.to_string()), expected);
    }

    /// A bucket against one that is filled a thousandth at a time.
    #[test]
    fn a_bucket_gives_as_much_as_it_got(
        burst in 1..6_u32, per_minute in 0..400_u32, factor in 1..3_u32,
        pauses in vec(prop_oneof![0..50_i64, 0..5_000_i64, Just(60_000)], 1..60),
    ) {
        let rates = Rates { queries: Rate { burst, per_minute }, ..Rates::default() };
        let buckets = Buckets::default();
        let drawer = Drawer::address([192, 0, 2, 1].into(), Use::Query);
        let full = i64::from(burst * factor) * 60_000;
        // What is left, in parts of which 60,000 are one draw; one millisecond brings as many as come in a minute.
        let (mut left, mut now) = (full, 0);
        for pause in pauses {
            now += pause;
            left = full.min(left + pause * i64::from(per_minute * factor));
            let given = buckets.draw(drawer, &rates, factor, Timestamp::from_millis(now));
            // The bucket counts in thousandths, so it may be one behind for each time it was looked at.
            prop_assert!(!given || left >= 60_000, "it gave what it had not");
            prop_assert!(given || left < 60_000 + 60 * 61, "it kept what was there: {left}");
            if given {
                left -= 60_000;
            } else {
                left = left.min(59_999);
            }
        }
    }

    /// What may be asked, rule by rule.
    #[test]
    fn filters_are_refused_by_the_first_rule_that_they_break(
        values in 0..6_usize, tags in 0..3_usize, kinds in option::of(vec(select(vec![1_u16, 4, 7, 1_059]), 0..3)),
        author in option::of(1..3_u8), to in option::of(1..3_u8), limit in option::of(0..200_usize), span in option::of(0..9_000_i64),
        words in option::of(1..5_usize), client in vec(1..3_u8, 0..2), totals: bool,
        scrape in select(vec![Scrape::Allowed, Scrape::Limited, Scrape::Denied]),
        is_author_needed: bool, is_search_on: bool, allowed in option::of(select(vec![1_u16, 4, 7])), proven in option::of(select(vec![1_u16, 7])),
    ) {
        let mut settings = Settings::default();
        settings.limits = Limits { filter_values: 6, tag_conditions: 2, search_words: 3, limit: 100, default_limit: 50, ..settings.limits };
        settings.read = ReadPolicy {
            scrape,
            author_or_tag: if is_author_needed { Requirement::Required } else { Requirement::Optional },
            search: if is_search_on { Switch::On } else { Switch::Off },
            allowed_kinds: allowed.map(|kind| kind..=kind).into_iter().collect(),
            auth_kinds: proven.map(|kind| kind..=kind).into_iter().collect(),
            ..settings.read
        };
        let mut filter = Filter::new();
        for name in ["a", "b", "c"].iter().take(tags) {
            let values: Vec<String> = (0..values).map(|value| value.to_string()).collect();
            filter = filter.with_tag(TagCondition::new(TagName::from_name(name).expect("a letter"), values));
        }
        if let Some(to) = to {
            filter = filter.with_tag(TagCondition::new(TagName::P, [public(to).to_string()]));
        }
        filter = kinds.iter().fold(filter, |filter, kinds| filter.with_kinds(kinds.iter().copied().map(Kind::new)));
        filter = author.iter().fold(filter, |filter, by| filter.with_authors([public(*by)]));
        filter = limit.iter().fold(filter, |filter, limit| filter.with_limit(*limit));
        filter = span.iter().fold(filter, |filter, span| filter.with_since(Seconds::new(10)).with_until(Seconds::new(10 + span)));
        if let Some(words) = words {
            // Filters with a search are only made by reading.
            let json = filter.to_json();
            let comma = if json == "{}" { "" } else { "," };
            filter = Filter::parse(&format!("{}{comma}\"search\":\"{}\"}}", &json[..json.len() - 1], "w ".repeat(words))).expect("a filter");
        }
        let of = |kind: &u16, set: &[u16]| set.contains(kind);
        let asked = kinds.clone().map(|mut kinds| { kinds.sort_unstable(); kinds.dedup(); kinds });
        let count = values * tags + usize::from(to.is_some()) + usize::from(author.is_some()) + asked.as_ref().map_or(0, Vec::len);
        let is_scrape = tags == 0 && to.is_none() && author.is_none();
        let private = [4, 1_059];
        let only_private = asked.as_ref().is_some_and(|kinds| !kinds.is_empty() && kinds.iter().all(|kind| of(kind, &private)));
        let some_private = asked.as_ref().is_some_and(|kinds| kinds.iter().any(|kind| of(kind, &private)));
        let is_own = |by: Option<u8>| by.is_some_and(|by| client.contains(&by));
        let for_parties = if totals { some_private && !is_own(author) && !is_own(to) } else { client.is_empty() && only_private };
        let rules = [
            (count > 6, "invalid"),
            (tags + usize::from(to.is_some()) > 2, "invalid"),
            (words.is_some() && !is_search_on, "unsupported"),
            (words.is_some_and(|words| words > 3), "invalid"),
            (is_scrape && is_author_needed, "restricted"),
            (is_scrape && scrape == Scrape::Denied, "blocked"),
            (is_scrape && scrape == Scrape::Limited && limit.is_none_or(|limit| limit > 100) && span.is_none_or(|span| span > 7_200), "blocked"),
            (allowed.is_some_and(|allowed| asked.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| *kind != allowed))), "restricted"),
            (client.is_empty() && proven.is_some_and(|proven| asked.as_ref().is_none_or(|kinds| kinds.contains(&proven))), "auth-required"),
            (for_parties && client.is_empty(), "auth-required"),
            (for_parties, "restricted"),
        ];
        let keys: Vec<PublicKey> = client.iter().map(|by| public(*by)).collect();
        let purpose = if totals { Purpose::Totals } else { Purpose::Events };
        let told = reading::prepare(vec![filter], purpose, &keys, &settings);
        match (rules.iter().find(|(is_broken, _)| *is_broken), told) {
            (Some((_, prefix)), Err(reason)) => prop_assert_eq!(reason.prefix.as_str(), *prefix),
            (None, Ok(filters)) => {
                let expected = if totals { limit } else { Some(limit.unwrap_or(50).min(100)) };
                prop_assert_eq!(filters[0].limit(), expected);
            }
            (expected, told) => prop_assert!(false, "{expected:?}, {told:?}"),
        }
    }
}

/// What is done with a cache.
#[derive(Clone, Debug)]
enum Deed {
    Keep(u8, u64),
    Forget(u8),
    Wait(i64),
}

fn note(number: u8) -> Event {
    key(1).sign(Kind::NOTE, Seconds::new(i64::from(number)), Tags::default(), "")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A cache may forget early, but what it has is as it was kept, in time, and not forgotten since.
    #[test]
    fn a_cache_never_has_what_it_should_not(
        uses in vec(prop_oneof![
            4 => (0..6_u8, 0..20_u64).prop_map(|(number, ttl)| Deed::Keep(number, ttl)),
            2 => (0..6_u8).prop_map(Deed::Forget),
            1 => (0..8_000_i64).prop_map(Deed::Wait),
        ], 0..40),
        most in 0..8_usize,
    ) {
        let clock = Arc::new(AtomicI64::new(0));
        let by_clock = clock.clone();
        let cache = InMemoryCache::new(most, move || Timestamp::from_millis(by_clock.load(Ordering::SeqCst)));
        let mut model: BTreeMap<u8, i64> = BTreeMap::new();
        for step in uses {
            let now = clock.load(Ordering::SeqCst);
            match step {
                Deed::Keep(number, ttl) => {
                    run(cache.cache_event(&note(number), ttl)).expect("memory");
                    model.insert(number, now + 1_000 * i64::try_from(ttl).expect("small"));
                }
                Deed::Forget(number) => {
                    run(cache.invalidate(&note(number).id)).expect("memory");
                    model.remove(&number);
                }
                Deed::Wait(millis) => {
                    clock.fetch_add(millis, Ordering::SeqCst);
                }
            }
            let now = clock.load(Ordering::SeqCst);
            let has = |number: u8| run(cache.get_cached_event(&note(number).id)).expect("memory").is_some();
            let kept: Vec<u8> = (0..6).filter(|number| has(*number)).collect();
            prop_assert!(kept.iter().all(|number| model.get(number).is_some_and(|until| *until > now)));
            prop_assert!(kept.len() <= most);
        }
        // With room for everything nothing is forgotten that was kept last.
        if most > 0 && let Some((number, _)) = model.last_key_value() {
            run(cache.cache_event(&note(*number), 9)).expect("memory");
            prop_assert!(run(cache.get_cached_event(&note(*number).id)).expect("memory").is_some());
        }
    }

    /// Subscriptions by connection and name, against a list of all of them.
    #[test]
    fn a_cache_knows_every_subscription_and_whom_an_event_concerns(
        steps in vec((0..3_u64, 0..3_u8, option::weighted(0.7, (0..3_u16, option::of(1..3_u8)))), 0..30), leaves in option::of(0..3_u64),
    ) {
        let cache = InMemoryCache::new(1, || Timestamp::from_millis(0));
        let mut model: BTreeMap<(u64, String), Filter> = BTreeMap::new();
        for (conn, name, filter) in steps {
            let (id, name) = (ConnectionId::new(conn), name.to_string());
            match filter {
                Some((kind, author)) => {
                    let filter = Filter::new().with_kinds([Kind::new(kind)]);
                    let filter = author.iter().fold(filter, |filter, by| filter.with_authors([public(*by)]));
                    run(cache.store_subscription(id, &name, std::slice::from_ref(&filter))).expect("memory");
                    model.insert((conn, name), filter);
                }
                None => {
                    run(cache.remove_subscription(id, &name)).expect("memory");
                    model.remove(&(conn, name));
                }
            }
        }
        if let Some(conn) = leaves {
            run(cache.remove_connection(ConnectionId::new(conn))).expect("memory");
            model.retain(|(of, _), _| *of != conn);
        }
        prop_assert_eq!(cache.subscription_count(), model.len());
        for conn in 0..3 {
            let mut own: Vec<(String, Vec<Filter>)> = run(cache.get_subscriptions(ConnectionId::new(conn))).expect("memory")
                .into_iter().map(|(name, filters)| (name.to_string(), filters.to_vec())).collect();
            own.sort_by(|one, other| one.0.cmp(&other.0));
            let expected: Vec<_> = model.iter().filter(|((of, _), _)| *of == conn)
                .map(|((_, name), filter)| (name.clone(), vec![filter.clone()])).collect();
            prop_assert_eq!(own, expected);
        }
        for (by, kind) in [(1, 0), (1, 1), (2, 1), (2, 2), (3, 2)] {
            let event = key(by).sign(Kind::new(kind), Seconds::new(0), Tags::default(), "");
            let mut concerned: Vec<(u64, String)> = run(cache.matching_subscriptions(&event)).expect("memory")
                .into_iter().map(|(conn, name)| (conn.get(), name.to_string())).collect();
            concerned.sort();
            let expected: Vec<_> = model.iter().filter(|(_, filter)| filter.matches(&event)).map(|(id, _)| id.clone()).collect();
            prop_assert_eq!(concerned, expected);
        }
    }
}

/// What somebody says about a job, in words.
#[derive(Clone, Debug)]
struct Said {
    by: u8,
    status: Option<&'static str>,
    at: i64,
}

const STATUSES: [&str; 6] = ["processing", "payment-required", "partial", "error", "success", "odd"];

fn told(request: &Event, said: &Said) -> PreparedEvent {
    let (id, customer) = (request.id.to_string(), request.pubkey.to_string());
    let status = said.status.unwrap_or_default();
    let tags = Tags::new([["e", &id], ["p", &customer], ["status", status]]);
    let kind = if said.status.is_some() { Kind::JOB_FEEDBACK } else { Kind::new(6_050) };
    let event = key(said.by).sign(kind, Seconds::new(said.at), tags, "");
    PreparedEvent::new(nexus_model::Verified::by_operator(event), Seconds::new(2_000), None)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// The state of a job against the table of the specification (4.4): what each provider said last, and of all
    /// providers the furthest.
    #[test]
    fn a_job_stands_where_the_table_says(
        said in vec((2..5_u8, option::weighted(0.8, select(STATUSES.to_vec())), 0..6_i64), 0..8)
            .prop_map(|all| all.into_iter().map(|(by, status, at)| Said { by, status, at }).collect::<Vec<_>>()),
        is_cancelled: bool, is_late: bool,
    ) {
        let request = key(1).sign(Kind::new(5_050), Seconds::new(1), Tags::default(), "");
        let mut job = Job::new(request.id);
        let opened = PreparedEvent::new(nexus_model::Verified::by_operator(request.clone()), Seconds::new(1_000), Some(Seconds::new(3_000)));
        job.apply(&opened);
        for said in &said {
            job.apply(&told(&request, said));
        }
        if is_cancelled {
            job.cancel();
        }
        // Of one provider: a result stays; else the newest word that is one of the five, of one second the highest id.
        let rank = |by: u8| {
            let of: Vec<&Said> = said.iter().filter(|said| said.by == by).collect();
            if of.is_empty() {
                return None;
            }
            if of.iter().any(|said| said.status.is_none()) {
                return Some(JobState::Succeeded);
            }
            let known = of.iter().filter(|said| said.status != Some("odd"));
            let last = known.max_by_key(|word| (word.at, told(&request, word).event().id));
            Some(match last.and_then(|said| said.status) {
                Some("success") => JobState::Succeeded,
                Some("partial") => JobState::Partial,
                Some("payment-required") => JobState::PaymentRequired,
                Some("error") => JobState::Failed,
                _ => JobState::Claimed,
            })
        };
        let order = [JobState::Open, JobState::Failed, JobState::Claimed, JobState::PaymentRequired, JobState::Partial, JobState::Expired, JobState::Succeeded, JobState::Cancelled];
        let place = |state: JobState| order.iter().position(|known| *known == state).expect("all are there");
        let mut furthest = (2..5).filter_map(rank).map(place).max().unwrap_or(0);
        if is_late {
            furthest = furthest.max(place(JobState::Expired));
        }
        let expected = if is_cancelled { JobState::Cancelled } else { order[furthest] };
        prop_assert_eq!(job.state(Seconds::new(if is_late { 3_000 } else { 2_999 })), expected);
    }

    /// Answers against the table of validation (4.2).
    #[test]
    fn an_answer_is_refused_as_the_table_says(
        is_result: bool, names_request: bool, names_customer in 0..3_u8, status in option::of(select(STATUSES.to_vec())),
        amount in option::of(select(vec!["5", "5.0", "", "99999999999999999999"])), invoice in option::of(select(vec!["lnbc1", "lntb1", "lnbcrt1", "bolt"])),
        kind_fits: bool, is_known: bool, is_closed: bool,
    ) {
        let request = key(1).sign(Kind::new(5_050), Seconds::new(1), Tags::default(), "");
        let mut job = Job::new(request.id);
        job.apply(&PreparedEvent::new(nexus_model::Verified::by_operator(request.clone()), Seconds::new(1_000), None));
        if is_closed {
            job.cancel();
        }
        let (id, customer, other) = (request.id.to_string(), public(1).to_string(), public(9).to_string());
        let mut tags: Vec<Vec<&str>> = Vec::new();
        if names_request { tags.push(vec!["e", &id]); }
        match names_customer { 1 => tags.push(vec!["p", &customer]), 2 => tags.push(vec!["p", &other]), _ => {} }
        if let Some(status) = status { tags.push(vec!["status", status]); }
        if let Some(amount) = amount { tags.push(["amount", amount].into_iter().chain(invoice).collect()); }
        let kind = if !is_result { 7_000 } else if kind_fits { 6_050 } else { 6_051 };
        let event = key(2).sign(Kind::new(kind), Seconds::new(5), Tags::new(tags), "");
        let amount_is_number = amount.is_none_or(|amount| amount == "5");
        let lenient = [
            !names_request || names_customer == 0,
            !is_result && status.is_none(),
            is_result && !kind_fits && is_known,
        ];
        let strict = [
            !amount_is_number,
            amount.is_some() && invoice == Some("bolt"),
            !is_result && status == Some("odd"),
            !is_result && status == Some("payment-required") && amount != Some("5"),
            is_known && names_customer == 2,
            is_known && is_closed,
        ];
        let refuses = |profile| validate(&event, is_known.then_some(&job), profile, Seconds::new(10)).is_err();
        let is_broken = |rules: &[bool]| rules.contains(&true);
        prop_assert!(!refuses(Profile::Off));
        prop_assert_eq!(refuses(Profile::Lenient), is_broken(&lenient));
        prop_assert_eq!(refuses(Profile::Strict), is_broken(&lenient) || is_broken(&strict));
    }
}
