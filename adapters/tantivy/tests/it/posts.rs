//! Posts, questions and indexes to ask.

use nexus_model::{Seq, Timestamp};
use nexus_pubky::PubkyId;
use nexus_social::{
    row::{PostKey, PostKind, PostRow},
    search::{ContentQuery, FullText, TextChange},
};
use nexus_tantivy::{Options, TextIndex};
use std::{path::Path, time::Duration};

pub(crate) fn author(number: u8) -> PubkyId {
    let letter = char::from(b"ybndrfg8"[usize::from(number)]);
    PubkyId::from_stored(&letter.to_string().repeat(52)).unwrap()
}

pub(crate) fn key(author_number: u8, id: u32) -> PostKey {
    PostKey { author: author(author_number), id: format!("{id:013}").parse().unwrap() }
}

pub(crate) fn post(key: PostKey, kind: PostKind, content: &str) -> PostRow {
    PostRow::of_text(key, kind, content.to_owned(), Timestamp::default())
}

pub(crate) fn open(path: &Path) -> TextIndex {
    TextIndex::open(path, Options { budget: Duration::from_secs(60), memory: 15_000_000, ..Options::default() })
        .unwrap()
}

/// An index of short posts by one author, with ids from 0 on.
pub(crate) fn index_of(path: &Path, texts: &[&str]) -> TextIndex {
    let index = open(path);
    let posts = (0..).zip(texts).map(|(id, text)| TextChange::Put(post(key(0, id), PostKind::Short, text)));
    index.commit(&posts.collect::<Vec<_>>(), Seq::new(texts.len() as u64)).unwrap();
    index
}

pub(crate) fn question(terms: &str) -> ContentQuery {
    let terms = terms.split_whitespace().map(str::to_owned).collect();
    ContentQuery { terms, author: None, kind: None, skip: 0, limit: 1_000 }
}

/// Ids of the first author's posts, best first.
pub(crate) fn ask(index: &TextIndex, terms: &str) -> Vec<u32> {
    let hits = index.search(&question(terms)).unwrap();
    hits.iter().map(|hit| hit.post.id.as_str().parse().unwrap()).collect()
}

pub(crate) fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}
