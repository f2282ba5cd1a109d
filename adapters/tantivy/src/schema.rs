//! What is indexed of a post, and how its text becomes words.

use nexus_pubky::PubkyId;
use nexus_social::row::{PostKey, PostKind, PostRow};
use tantivy::{
    Index, TantivyDocument, Term,
    schema::{FAST, Field, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{Language, LowerCaser, RawTokenizer, RemoveLongFilter, SimpleTokenizer, Stemmer, TextAnalyzer},
};

/// Raised whenever a directory of an older program can't be used any more. It is part of each commit.
pub(crate) const VERSION: u32 = 2;

/// The name of the column that holds post keys.
pub(crate) const KEY: &str = "key";

const TOKENIZER: &str = "words";

/// Longer words, in bytes, are no words: nobody searches for them, and a question has at most 30 characters.
const MAX_WORD: usize = 128;

/// The fields of a post.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    pub(crate) key: Field,
    pub(crate) author: Field,
    pub(crate) kind: Field,
    pub(crate) text: Field,
}

/// The schema. Nothing is stored, and positions aren't kept: no question asks for phrases. Frequencies of authors and
/// kinds take no room, each post has one; without them a question with such a filter would visit every post.
pub(crate) fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let words = TextFieldIndexing::default().set_tokenizer(TOKENIZER).set_index_option(IndexRecordOption::WithFreqs);
    let filter = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_index_option(IndexRecordOption::WithFreqs)
        .set_fieldnorms(false);
    let filter = TextOptions::default().set_indexing_options(filter);
    let fields = Fields {
        key: schema.add_text_field(KEY, STRING | FAST),
        author: schema.add_text_field("author", filter.clone()),
        kind: schema.add_text_field("kind", filter),
        text: schema.add_text_field("text", TextOptions::default().set_indexing_options(words)),
    };
    (schema.build(), fields)
}

/// Teaches `index` what a word is: a run of letters and digits of any script, in lower case.
pub(crate) fn register_tokenizer(index: &Index) {
    let words = TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(MAX_WORD))
        .filter(LowerCaser)
        .build();
    index.tokenizers().register(TOKENIZER, words);
}

impl Fields {
    /// The document of a post.
    pub(crate) fn document(&self, post: &PostRow) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_text(self.key, post.key.to_string());
        document.add_text(self.author, post.key.author);
        document.add_text(self.kind, post.kind.to_string());
        document.add_text(self.text, &post.content);
        document
    }

    pub(crate) fn key_term(&self, key: &PostKey) -> Term {
        Term::from_field_text(self.key, &key.to_string())
    }

    /// The term of a word.
    pub(crate) fn spelled(&self, word: &str) -> Term {
        Term::from_field_text(self.text, word)
    }

    pub(crate) fn author_term(&self, author: &PubkyId) -> Term {
        Term::from_field_text(self.author, author.as_str())
    }

    pub(crate) fn kind_term(&self, kind: &PostKind) -> Term {
        Term::from_field_text(self.kind, &kind.to_string())
    }
}

/// Finds the stem of English words: `maps`, `mapped` and `mapping` share one. Others are mostly their own stem.
pub(crate) struct Stems(TextAnalyzer);

impl Stems {
    pub(crate) fn english() -> Self {
        Self(TextAnalyzer::builder(RawTokenizer::default()).filter(Stemmer::new(Language::English)).build())
    }

    pub(crate) fn of(&mut self, word: &str) -> String {
        let mut stream = self.0.token_stream(word);
        stream.next().map_or_else(|| word.to_owned(), |token| token.text.clone())
    }
}
