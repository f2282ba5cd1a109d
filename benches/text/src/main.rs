//! Measures full text: building the index of many synthetic posts, its size, and questions of every shape. Words
//! follow Zipf's law; all is made from a seed, so that two runs ask the same of the same posts.
//!
//! Bounded by the number of posts and questions. The directory it is given is filled and left; one that an earlier run
//! with the same posts and seed has filled is asked as it is.

mod corpus;

use clap::Parser;
use corpus::Corpus;
use nexus_model::Seq;
use nexus_social::{
    row::PostKind,
    search::{ContentQuery, FullText, TextChange},
};
use nexus_tantivy::{Options, TextIndex};
use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Measures full text.
#[derive(Debug, Parser)]
#[command(name = "nexus-bench-text", version)]
struct Arguments {
    /// A directory for the index: empty, or filled by an earlier run with the same posts and seed.
    #[arg(long)]
    directory: PathBuf,
    /// Posts.
    #[arg(long, default_value_t = 1_000_000)]
    posts: u32,
    /// Questions of each shape.
    #[arg(long, default_value_t = 200)]
    questions: usize,
    /// Chooses words and questions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Posts in one commit while the index is built.
const BATCH: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut corpus = Corpus::new(arguments.seed);
    // Long enough that no answer is cut short: what is measured is the whole work.
    let options = Options { budget: Duration::from_secs(10), ..Options::default() };
    let index = TextIndex::open(&arguments.directory, options)?;
    let built = build(&index, &mut corpus, arguments.posts)?;
    let bytes = size(&arguments.directory)?;
    println!("{} posts built in {:.1} s, {} MB on disk", arguments.posts, built.as_secs_f64(), bytes >> 20);
    for (name, shape) in shapes() {
        let mut times = Vec::with_capacity(arguments.questions);
        for _ in 0..arguments.questions {
            let query = shape(&mut corpus);
            let begun = Instant::now();
            index.search(&query)?;
            times.push(begun.elapsed());
        }
        println!("{name}: {}", quantiles(times));
    }
    println!("write until searchable: {}", quantiles(writes(&index, &mut corpus, arguments.posts)?));
    Ok(())
}

type Shape = fn(&mut Corpus) -> ContentQuery;

fn shapes() -> [(&'static str, Shape); 9] {
    [
        ("very common word", |corpus| question(vec![corpus.common()])),
        ("common word, one kind", |corpus| ContentQuery {
            kind: Some(PostKind::Long),
            ..question(vec![corpus.common()])
        }),
        ("common word, one author", |corpus| ContentQuery {
            author: Some(corpus.author()),
            ..question(vec![corpus.common()])
        }),
        ("two common words", |corpus| question(vec![corpus.common(), corpus.common()])),
        ("common word, then a prefix", |corpus| question(vec![corpus.common(), corpus.prefix()])),
        ("one typo", |corpus| question(vec![corpus.misspelled(5..=8)])),
        ("two typos", |corpus| question(vec![corpus.misspelled(9..=12)])),
        ("prefix of 3 letters", |corpus| question(vec![corpus.prefix()])),
        ("rare word", |corpus| question(vec![corpus.rare()])),
    ]
}

fn question(terms: Vec<String>) -> ContentQuery {
    ContentQuery { terms, author: None, kind: None, skip: 0, limit: 20 }
}

fn build(index: &TextIndex, corpus: &mut Corpus, posts: u32) -> Result<Duration, Box<dyn Error>> {
    let is_built = index.cursor()? >= Seq::new(posts.into());
    let mut spent = Duration::ZERO;
    let mut id = 0;
    while id < posts {
        let last = posts.min(id + BATCH as u32);
        let batch: Vec<_> = (id..last).map(|id| TextChange::Put(corpus.post(id))).collect();
        if !is_built {
            let begun = Instant::now();
            index.commit(&batch, Seq::new(last.into()))?;
            spent += begun.elapsed();
        }
        id = last;
    }
    Ok(spent)
}

fn writes(index: &TextIndex, corpus: &mut Corpus, posts: u32) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::new();
    for id in posts..posts + 50 {
        let post = TextChange::Put(corpus.post(id));
        let begun = Instant::now();
        index.commit(&[post], Seq::new((id + 1).into()))?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

fn size(directory: &Path) -> std::io::Result<u64> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms, p95 {:.2} ms, max {:.2} ms", at(0.5), at(0.95), at(1.0))
}
