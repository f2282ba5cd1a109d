//! Measures the social index: no HTTP, no JSON, and without `--store` no store. It makes up a network that follows Zipf's law,
//! builds the index of it, and asks every kind of question for many random observers. The table it prints is
//! Markdown. It takes a few minutes and, at a million posts, some gigabytes.

mod ask;
mod graph;
mod measure;
mod people;
mod storage;
mod streams;
mod writes;

use clap::Parser;
use graph::Graph;
use measure::Table;
use nexus_social::mock::Size;
use std::path::PathBuf;

/// Measures the social index in memory.
#[derive(Debug, Parser)]
#[command(name = "nexus-bench-social", version)]
struct Arguments {
    /// Users of the network.
    #[arg(long, default_value_t = 100_000)]
    users: usize,
    /// Posts of the network.
    #[arg(long, default_value_t = 1_000_000)]
    posts: usize,
    /// Follows [default: 20 for each user].
    #[arg(long)]
    follows: Option<usize>,
    /// Tags [default: 3 for each post].
    #[arg(long)]
    tags: Option<usize>,
    /// Random observers that ask each question.
    #[arg(long, default_value_t = 1000)]
    observers: usize,
    /// Write the network to a store in this folder, and measure start-up and import instead of questions.
    #[arg(long)]
    store: Option<PathBuf>,
    /// Ask only questions whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Chooses network and observers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() {
    let arguments = Arguments::parse();
    let usual = Size::of(arguments.users, arguments.posts);
    let size = Size {
        follows: arguments.follows.unwrap_or(usual.follows),
        tags: arguments.tags.unwrap_or(usual.tags),
        ..usual
    };
    if let Some(folder) = &arguments.store {
        return storage::measure(folder, size, arguments.seed);
    }
    let mut graph = Graph::build(size, arguments.seed);
    graph.print();
    let mut table = Table::new(arguments.observers, arguments.only, arguments.seed);
    ask::single_objects(&mut table, &graph);
    streams::every_shape(&mut table, &graph);
    people::streams(&mut table, &graph);
    people::hot_tags(&mut table, &graph);
    people::searches(&mut table, &graph);
    writes::events(&mut table, &mut graph);
    table.print_summary();
}
