//! Answers a question: expands its words, walks the posts that have them all, and keeps the best.

use crate::{
    expand::{Ending, Variant, expand},
    schema::{Fields, KEY},
};
use nexus_pubky::PubkyId;
use nexus_social::{
    row::PostKey,
    search::{ContentHit, ContentQuery},
};
use std::{collections::HashMap, time::Instant};
use tantivy::{
    DocAddress, DocId, Score, Searcher, SegmentReader, TantivyError, Term,
    columnar::StrColumn,
    query::{BooleanQuery, BoostQuery, EnableScoring, Occur, Query, TermQuery, Weight},
    schema::IndexRecordOption,
};

/// Posts between two looks at the clock.
const CLOCK_STRIDE: u32 = 512;

/// What a search may cost.
pub(crate) struct Limits {
    pub(crate) deadline: Instant,
    pub(crate) variants: usize,
}

/// The best posts for `query`; after the deadline, the best of those that were seen.
pub(crate) fn search(
    searcher: &Searcher,
    fields: &Fields,
    query: &ContentQuery,
    limits: &Limits,
) -> tantivy::Result<Vec<ContentHit>> {
    let Some(words) = variants_of_words(searcher, fields, query, limits)? else { return Ok(Vec::new()) };
    let walk = Walk::best_for(&words, query);
    let weight = combined(fields, query, &words).weight(EnableScoring::enabled_from_searcher(searcher))?;
    let mut best = Best::new(query.skip.saturating_add(query.limit));
    for (number, segment) in (0..).zip(searcher.segment_readers()) {
        if Instant::now() >= limits.deadline {
            break;
        }
        walk.collect(&*weight, segment, limits.deadline, &mut |doc, score| {
            best.offer(score, DocAddress::new(number, doc))
        })?;
    }
    let hits = best.into_sorted().into_iter().skip(query.skip);
    let mut keys = Keys { searcher, columns: HashMap::new() };
    hits.map(|(score, at)| Ok(ContentHit { post: keys.at(at)?, score })).collect()
}

/// The spellings of each word. `None` if one has none, so that nothing can match.
fn variants_of_words(
    searcher: &Searcher,
    fields: &Fields,
    query: &ContentQuery,
    limits: &Limits,
) -> tantivy::Result<Option<Vec<Vec<Variant>>>> {
    let mut words = Vec::with_capacity(query.terms.len());
    for (index, word) in query.terms.iter().enumerate() {
        let ending = if index + 1 == query.terms.len() { Ending::Open } else { Ending::Closed };
        let variants = expand(searcher, fields.text, word, ending, limits.variants, limits.deadline)?;
        if variants.is_empty() {
            return Ok(None);
        }
        words.push(variants);
    }
    Ok((!words.is_empty()).then_some(words))
}

/// All words must match, each in any of its spellings; author and kind must match and add nothing to the score.
fn combined(fields: &Fields, query: &ContentQuery, words: &[Vec<Variant>]) -> Box<dyn Query> {
    let any_spelling = |variants: &Vec<Variant>| match &variants[..] {
        [only] => spelled(fields, only),
        _ => Box::new(BooleanQuery::union(variants.iter().map(|variant| spelled(fields, variant)).collect())),
    };
    let mut must: Vec<Box<dyn Query>> = words.iter().map(any_spelling).collect();
    let author = query.author.map(|author| Term::from_field_text(fields.author, author.as_str()));
    let kind = query.kind.as_ref().map(|kind| fields.kind_term(kind));
    must.extend(author.into_iter().chain(kind).map(filter));
    if must.len() == 1 {
        return must.remove(0);
    }
    Box::new(BooleanQuery::new(must.into_iter().map(|part| (Occur::Must, part)).collect()))
}

fn spelled(fields: &Fields, variant: &Variant) -> Box<dyn Query> {
    let term = Term::from_field_text(fields.text, &variant.word);
    Box::new(BoostQuery::new(Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)), variant.weight))
}

fn filter(term: Term) -> Box<dyn Query> {
    Box::new(BoostQuery::new(Box::new(TermQuery::new(term, IndexRecordOption::Basic)), 0.0))
}

/// How the matching posts of a segment are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// Blocks of posts that can't be among the best are passed over. For a single word, however it is spelled.
    Pruned,
    /// Every matching post is visited, with an eye on the clock.
    Whole,
}

impl Walk {
    fn best_for(words: &[Vec<Variant>], query: &ContentQuery) -> Self {
        let is_one_word = words.len() == 1 && query.author.is_none() && query.kind.is_none();
        if is_one_word { Self::Pruned } else { Self::Whole }
    }

    /// Hands living posts to `offer`, which tells what score a post must pass to be worth offering.
    fn collect(
        self,
        weight: &dyn Weight,
        segment: &SegmentReader,
        deadline: Instant,
        offer: &mut dyn FnMut(DocId, Score) -> Score,
    ) -> tantivy::Result<()> {
        let alive = segment.alive_bitset();
        let is_alive = |doc| alive.is_none_or(|alive| alive.is_alive(doc));
        match self {
            Self::Pruned => {
                let mut passing = Score::MIN;
                weight.for_each_pruning(Score::MIN, segment, &mut |doc, score| {
                    if is_alive(doc) {
                        passing = offer(doc, score);
                    }
                    if Instant::now() < deadline { passing } else { Score::INFINITY }
                })
            }
            Self::Whole => {
                let mut scorer = weight.scorer(segment, 1.0)?;
                let mut visited = 0_u32;
                while scorer.doc() != tantivy::TERMINATED {
                    if is_alive(scorer.doc()) {
                        offer(scorer.doc(), scorer.score());
                    }
                    visited += 1;
                    if visited.is_multiple_of(CLOCK_STRIDE) && Instant::now() >= deadline {
                        break;
                    }
                    scorer.advance();
                }
                Ok(())
            }
        }
    }
}

/// The best hits so far. Equal scores keep the order of the index.
struct Best {
    wanted: usize,
    hits: Vec<(Score, DocAddress)>,
    passing: Score,
}

impl Best {
    fn new(wanted: usize) -> Self {
        Self { wanted, hits: Vec::new(), passing: if wanted == 0 { Score::INFINITY } else { Score::MIN } }
    }

    fn offer(&mut self, score: Score, at: DocAddress) -> Score {
        if score > self.passing {
            self.hits.push((score, at));
            if self.hits.len() >= self.wanted.saturating_mul(2) {
                self.trim();
            }
        }
        self.passing
    }

    fn trim(&mut self) {
        self.hits.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        self.hits.truncate(self.wanted);
        if self.hits.len() == self.wanted {
            self.passing = self.hits.last().map_or(Score::INFINITY, |worst| worst.0);
        }
    }

    fn into_sorted(mut self) -> Vec<(Score, DocAddress)> {
        self.trim();
        self.hits
    }
}

/// Reads the keys of hits, opening each segment's column once.
struct Keys<'a> {
    searcher: &'a Searcher,
    columns: HashMap<u32, StrColumn>,
}

impl Keys<'_> {
    fn at(&mut self, at: DocAddress) -> tantivy::Result<PostKey> {
        let column = self.column(at.segment_ord)?;
        let mut text = String::new();
        let ordinal = column.ords().first(at.doc_id).ok_or_else(|| damaged("a post without a key"))?;
        column.ord_to_str(ordinal, &mut text)?;
        parse_key(&text).ok_or_else(|| damaged("a key that is none"))
    }

    fn column(&mut self, segment: u32) -> tantivy::Result<&StrColumn> {
        if !self.columns.contains_key(&segment) {
            let column = self.searcher.segment_reader(segment).fast_fields().str(KEY)?;
            self.columns.insert(segment, column.ok_or_else(|| damaged("no keys"))?);
        }
        Ok(&self.columns[&segment])
    }
}

fn parse_key(text: &str) -> Option<PostKey> {
    let (author, id) = text.split_once(':')?;
    Some(PostKey { author: PubkyId::from_stored(author).ok()?, id: id.parse().ok()? })
}

fn damaged(what: &str) -> TantivyError {
    TantivyError::InternalError(format!("the index is damaged: {what}"))
}
