//! Answers a question: expands its words, walks the posts that have them all, and keeps the best.

use crate::{
    expand::{Ending, Source, Spellings, Variant},
    files::Directory,
    schema::{Fields, KEY},
    words::Words,
};
use nexus_pubky::PubkyId;
use nexus_social::{
    row::PostKey,
    search::{ContentHit, ContentQuery},
};
use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};
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
///
/// First come the posts that have each word in a close spelling, by relevance; then those that match only if a word has
/// a typo. A rare misspelling is worth more to BM25 than a common word, whatever the weights, so the two aren't mixed;
/// and where the former fill the page, the latter need not be looked for. Scores are above 1 for the former, below
/// for the latter.
pub(crate) fn search(directory: &Directory, query: &ContentQuery, limits: &Limits) -> tantivy::Result<Vec<ContentHit>> {
    let searcher = directory.searcher();
    let source = Source { searcher: &searcher, field: directory.fields().text, deadline: limits.deadline };
    let mut question = Question { source, fields: directory.fields(), query, limits, spellings: Vec::new() };
    question.spell()?;
    let wanted = query.skip.saturating_add(query.limit);
    let mut hits = question.best(wanted, &HashSet::new())?;
    for (score, _) in &mut hits {
        *score += 1.0;
    }
    if hits.len() < wanted && question.may_have_typos(directory.words())? {
        let known = hits.iter().map(|(_, at)| *at).collect();
        let more = question.best(wanted - hits.len(), &known)?;
        hits.extend(more.into_iter().map(|(score, at)| (score / (1.0 + score), at)));
    }
    let mut keys = Keys { searcher: &searcher, columns: HashMap::new() };
    let page = hits.into_iter().skip(query.skip);
    page.map(|(score, at)| Ok(ContentHit { post: keys.at(at)?, score })).collect()
}

/// A question and what its words stand for.
struct Question<'a> {
    source: Source<'a>,
    fields: &'a Fields,
    query: &'a ContentQuery,
    limits: &'a Limits,
    spellings: Vec<Spellings<'a>>,
}

impl Question<'_> {
    /// Finds the close spellings of each word.
    fn spell(&mut self) -> tantivy::Result<()> {
        let terms = &self.query.terms;
        for (index, word) in terms.iter().enumerate() {
            let ending = if index + 1 == terms.len() { Ending::Open } else { Ending::Closed };
            self.spellings.push(Spellings::close(&self.source, word, ending)?);
        }
        Ok(())
    }

    /// Lets each word be misspelled. False if that made no difference.
    fn may_have_typos(&mut self, words: &Words) -> tantivy::Result<bool> {
        let mut found = false;
        for spellings in &mut self.spellings {
            found |= spellings.add_typos(&self.source, words)?;
        }
        Ok(found)
    }

    /// The best posts that aren't known yet.
    fn best(&self, wanted: usize, known: &HashSet<DocAddress>) -> tantivy::Result<Vec<(Score, DocAddress)>> {
        let words: Vec<_> = self.spellings.iter().map(|spellings| spellings.best(self.limits.variants)).collect();
        if words.is_empty() || words.iter().any(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let walk = Walk::best_for(&words, self.query);
        let searcher = self.source.searcher;
        let weight =
            combined(self.fields, self.query, &words).weight(EnableScoring::enabled_from_searcher(searcher))?;
        let mut best = Best::new(wanted);
        for (number, segment) in (0..).zip(searcher.segment_readers()) {
            if Instant::now() >= self.limits.deadline {
                break;
            }
            let passing = best.passing;
            let mut offer = |doc, score| {
                let at = DocAddress::new(number, doc);
                if known.contains(&at) { best.passing } else { best.offer(score, at) }
            };
            walk.collect(&*weight, segment, passing, self.limits.deadline, &mut offer)?;
        }
        Ok(best.into_sorted())
    }
}

/// All words must match, each in any of its spellings; author and kind must match and add nothing to the score.
fn combined(fields: &Fields, query: &ContentQuery, words: &[Vec<Variant>]) -> Box<dyn Query> {
    let author = query.author.as_ref().map(|author| fields.author_term(author));
    let kind = query.kind.as_ref().map(|kind| fields.kind_term(kind));
    let mut must: Vec<Box<dyn Query>> = author.into_iter().chain(kind).map(|term| weighted(term, 0.0)).collect();
    match words {
        // Its weight would change no order, and a weighted query can't pass over posts.
        [word] if word.len() == 1 && must.is_empty() => return Box::new(counted(fields.spelled(&word[0].word))),
        _ => must.extend(words.iter().map(|variants| any_spelling(fields, variants))),
    }
    if must.len() == 1 {
        return must.remove(0);
    }
    Box::new(BooleanQuery::new(must.into_iter().map(|part| (Occur::Must, part)).collect()))
}

fn any_spelling(fields: &Fields, variants: &[Variant]) -> Box<dyn Query> {
    let spelled = |variant: &Variant| weighted(fields.spelled(&variant.word), variant.weight);
    match variants {
        [only] => spelled(only),
        _ => Box::new(BooleanQuery::union(variants.iter().map(spelled).collect())),
    }
}

fn weighted(term: Term, weight: f32) -> Box<dyn Query> {
    Box::new(BoostQuery::new(Box::new(counted(term)), weight))
}

/// Frequencies are what lets blocks of posts be passed over.
fn counted(term: Term) -> TermQuery {
    TermQuery::new(term, IndexRecordOption::WithFreqs)
}

/// How the matching posts of a segment are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// Blocks of posts that can't be among the best are passed over: of one word, however it is spelled, or where all
    /// that must match is a single term each.
    Pruned,
    /// Every matching post is visited, with an eye on the clock.
    Whole,
}

impl Walk {
    fn best_for(words: &[Vec<Variant>], query: &ContentQuery) -> Self {
        let is_one_word = words.len() == 1 && query.author.is_none() && query.kind.is_none();
        let is_plain = words.iter().all(|variants| variants.len() == 1);
        if is_one_word || is_plain { Self::Pruned } else { Self::Whole }
    }

    /// Hands living posts whose score is above `passing` to `offer`, which tells what it must be above from then on.
    fn collect(
        self,
        weight: &dyn Weight,
        segment: &SegmentReader,
        mut passing: Score,
        deadline: Instant,
        offer: &mut dyn FnMut(DocId, Score) -> Score,
    ) -> tantivy::Result<()> {
        let alive = segment.alive_bitset();
        let is_alive = |doc| alive.is_none_or(|alive| alive.is_alive(doc));
        match self {
            Self::Pruned => weight.for_each_pruning(passing, segment, &mut |doc, score| {
                if is_alive(doc) {
                    passing = offer(doc, score);
                }
                if Instant::now() < deadline { passing } else { Score::INFINITY }
            }),
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
