//! What a question finds, and in which order.

use crate::posts::{ask, author, index_of, key, open, post, question, sorted};
use nexus_model::Seq;
use nexus_social::{
    row::{PostKey, PostKind, PostRow},
    search::{ContentQuery, FullText, TextChange},
};
use nexus_tantivy::{Options, TextIndex};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

#[test]
fn every_word_must_match_and_the_last_may_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), &["red map of Rome", "map", "a red mapping", "red"]);
    assert_eq!(sorted(ask(&index, "red map")), [0, 2]);
    assert_eq!(sorted(ask(&index, "map red")), [0]);
    assert_eq!(ask(&index, "rom"), [0]);
    assert_eq!(ask(&index, "nowhere map"), [] as [u32; 0]);
    assert_eq!(ask(&index, ""), [] as [u32; 0]);
}

#[test]
fn short_words_match_exactly_and_longer_ones_with_typos() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), &["cat here", "cart here", "bitcoin here", "constellation here"]);
    let found = |word: &str| ask(&index, &format!("{word} here"));
    assert_eq!(found("cat"), [0]);
    assert_eq!(found("cot"), [] as [u32; 0]);
    assert_eq!(sorted(found("cats")), [0]);
    assert_eq!(sorted(found("cast")), [0, 1]);
    assert_eq!(found("bitcion"), [2]);
    assert_eq!(found("bitc0in"), [2]);
    assert_eq!(found("b1tc0in"), [] as [u32; 0]);
    assert_eq!(found("konstelation"), [3]);
}

#[test]
fn the_closer_spelling_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let index =
        index_of(dir.path(), &["the horse ran", "the house stands", "the houses stand", "the housebuilder builds"]);
    assert_eq!(ask(&index, "house"), [1, 2, 3, 0]);
}

#[test]
fn a_rare_misspelling_comes_after_a_common_word_on_every_page() {
    let dir = tempfile::tempdir().unwrap();
    let mut texts = vec!["a bitcion", "bitcoin and bitcion"];
    texts.extend(["the bitcoin standard, at length: whatever else may be said of it here"; 30]);
    let index = index_of(dir.path(), &texts);
    let hits = index.search(&question("bitcoin")).unwrap();
    let (last, rest) = hits.split_last().unwrap();
    assert_eq!((hits.len(), last.post), (texts.len(), key(0, 0)));
    assert!(last.score < 1.0 && rest.iter().all(|hit| hit.score > 1.0), "{hits:?}");
    let page = ContentQuery { skip: 30, limit: 2, ..question("bitcoin") };
    assert_eq!(index.search(&page).unwrap(), hits[30..]);
    let short = ContentQuery { limit: 1, ..question("bitcoin") };
    assert_eq!(index.search(&short).unwrap(), hits[..1]);
}

#[test]
fn a_dictionary_that_is_full_finds_typos_of_the_words_that_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let index = TextIndex::open(dir.path(), Options { dictionary: 11 + 4, ..Options::default() }).unwrap();
    let one = |id, text| [TextChange::Put(post(key(0, id), PostKind::Short, text))];
    index.commit(&one(0, "cartography"), Seq::new(1)).unwrap();
    index.commit(&one(1, "bitcoin mines"), Seq::new(2)).unwrap();
    assert_eq!(ask(&index, "cartografy"), [0]);
    assert_eq!(ask(&index, "bitcion"), [] as [u32; 0]);
    for close in ["bitcoin", "bitcoins", "bit", "mining"] {
        assert_eq!(ask(&index, close), [1], "{close}");
    }

    index.commit(&[TextChange::Remove(key(0, 0))], Seq::new(3)).unwrap();
    index.compact().unwrap();
    assert_eq!(ask(&index, "bitcion"), [1], "words that left the files left room");
    index.clear().unwrap();
    index.commit(&one(2, "cartography"), Seq::new(4)).unwrap();
    assert_eq!(ask(&index, "cartografy"), [2], "and so did what was cleared");
}

#[test]
fn english_words_are_found_by_their_stem() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), &["walking there", "she walks there", "happiness there", "a wall there"]);
    assert_eq!(sorted(ask(&index, "walked there")), [0, 1]);
    assert_eq!(ask(&index, "happy there"), [2]);
}

#[test]
fn words_of_any_script_are_found_whatever_their_case() {
    let dir = tempfile::tempdir().unwrap();
    let index =
        index_of(dir.path(), &["ÜBER Köln", "Привет, мир!", "Ελλάδα", "東京 タワー", "🦀 ferris", "naïve café"]);
    assert_eq!(ask(&index, "über"), [0]);
    assert_eq!(ask(&index, "koln"), [0]);
    assert_eq!(ask(&index, "превет мир"), [1]);
    assert_eq!(ask(&index, "ελλάδα"), [2]);
    assert_eq!(ask(&index, "東京"), [3]);
    assert_eq!(ask(&index, "ferr"), [4]);
    assert_eq!(ask(&index, "cafe"), [5]);
}

#[test]
fn a_text_with_the_word_more_often_ranks_higher() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), &["x maps y z u v", "maps maps maps x y z", "nothing at all of it here"]);
    assert_eq!(ask(&index, "maps"), [1, 0]);
}

#[test]
fn an_edit_replaces_the_text_and_a_removal_hides_it() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), &["first words", "other words"]);
    let edited = TextChange::Put(post(key(0, 0), PostKind::Short, "changed text"));
    index.commit(&[edited, TextChange::Remove(key(0, 1))], Seq::new(4)).unwrap();
    assert_eq!(ask(&index, "words"), [] as [u32; 0]);
    assert_eq!(ask(&index, "changed"), [0]);
}

#[test]
fn without_time_there_is_an_answer_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    drop(index_of(dir.path(), &["maps", "maps and more"]));
    let hurried = TextIndex::open(dir.path(), Options { budget: Duration::ZERO, ..Options::default() }).unwrap();
    assert!(hurried.search(&question("maps")).unwrap().len() <= 2);
}

#[derive(Clone, Debug)]
enum Step {
    Put { author: u8, id: u32, kind: PostKind, text: String },
    Remove { author: u8, id: u32 },
    Compact,
    Reopen,
}

/// Few letters, so that typos and prefixes meet; none that an English ending is made of.
fn word() -> impl Strategy<Value = String> {
    "[abc]{1,11}"
}

fn kind() -> impl Strategy<Value = PostKind> {
    prop_oneof![Just(PostKind::Short), Just(PostKind::Long)]
}

fn step() -> impl Strategy<Value = Step> {
    let text = prop::collection::vec(word(), 0..8).prop_map(|words| words.join(", "));
    prop_oneof![
        6 => (0..3_u8, 0..12_u32, kind(), text)
            .prop_map(|(author, id, kind, text)| Step::Put { author, id, kind, text: text.to_uppercase() }),
        2 => (0..3_u8, 0..12_u32).prop_map(|(author, id)| Step::Remove { author, id }),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

fn any_question() -> impl Strategy<Value = ContentQuery> {
    let author = prop::option::of((0..3_u8).prop_map(author));
    (prop::collection::vec(word(), 1..4), author, prop::option::of(kind()))
        .prop_map(|(terms, author, kind)| ContentQuery { terms, author, kind, skip: 0, limit: 100 })
}

/// The textbook's definition, as slow as it is short.
fn typos(a: &[char], b: &[char]) -> usize {
    let ([.., x], [.., y]) = (a, b) else { return a.len().max(b.len()) };
    let (a_rest, b_rest) = (&a[..a.len() - 1], &b[..b.len() - 1]);
    if x == y {
        return typos(a_rest, b_rest);
    }
    let mut best = typos(a_rest, b_rest).min(typos(a, b_rest)).min(typos(a_rest, b));
    if a_rest.last() == Some(y) && b_rest.last() == Some(x) {
        best = best.min(typos(&a_rest[..a_rest.len() - 1], &b_rest[..b_rest.len() - 1]));
    }
    best + 1
}

fn is_close(term: &str, is_last: bool, word: &str) -> bool {
    term == word || (is_last && word.starts_with(term))
}

fn is_close_or_has_typos(term: &str, is_last: bool, word: &str) -> bool {
    let allowed = match term.len() {
        0..=3 => 0,
        4..=8 => 1,
        _ => 2,
    };
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    let may_be_close = term.len().abs_diff(word.len()) <= allowed;
    is_close(term, is_last, word) || (may_be_close && typos(&chars(term), &chars(word)) <= allowed)
}

fn matches(post: &PostRow, query: &ContentQuery, fits: fn(&str, bool, &str) -> bool) -> bool {
    let text = post.content.to_lowercase();
    let last = query.terms.len() - 1;
    query.author.is_none_or(|author| author == post.key.author)
        && query.kind.as_ref().is_none_or(|kind| *kind == post.kind)
        && query.terms.iter().enumerate().all(|(i, term)| text.split(", ").any(|word| fits(term, i == last, word)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn answers_agree_with_the_model(
        batches in prop::collection::vec(prop::collection::vec(step(), 1..12), 1..4),
        questions in prop::collection::vec(any_question(), 1..12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path());
        let mut model: BTreeMap<PostKey, PostRow> = BTreeMap::new();
        for (batch, cursor) in batches.into_iter().zip(1..) {
            let mut changes = Vec::new();
            for step in batch {
                match step {
                    Step::Put { author, id, kind, text } => {
                        let post = post(key(author, id), kind, &text);
                        model.insert(post.key, post.clone());
                        changes.push(TextChange::Put(post));
                    }
                    Step::Remove { author, id } => {
                        model.remove(&key(author, id));
                        changes.push(TextChange::Remove(key(author, id)));
                    }
                    Step::Compact => index.compact().unwrap(),
                    Step::Reopen => {
                        drop(index);
                        index = open(dir.path());
                    }
                }
            }
            index.commit(&changes, Seq::new(cursor)).unwrap();
        }
        for query in questions {
            let hits = index.search(&query).unwrap();
            prop_assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
            let found = sorted(hits.iter().map(|hit| hit.post).collect());
            let all = |fits| model.values().filter(|post| matches(post, &query, fits)).map(|post| post.key).collect();
            let expected: Vec<_> = all(is_close_or_has_typos);
            prop_assert_eq!(found, expected, "{:?}", query);
            let close: Vec<_> = all(is_close);
            let first = sorted(hits[..close.len()].iter().map(|hit| hit.post).collect());
            prop_assert_eq!(first, close, "{:?}", query);

            let page = ContentQuery { skip: 2, limit: 3, ..query };
            prop_assert_eq!(index.search(&page).unwrap(), hits.iter().skip(2).take(3).copied().collect::<Vec<_>>());
        }
    }
}
