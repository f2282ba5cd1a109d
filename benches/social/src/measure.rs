//! Asks one question for many observers, and notes how long the answers took.

use nexus_social::dice::Dice;
use std::time::{Duration, Instant};

/// What an answer may take at the median.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// A single object: under 20 microseconds.
    Object,
    /// A page of ten: under 200 microseconds.
    Page,
    /// Nothing is promised.
    None,
}

impl Target {
    const fn limit(self) -> Option<Duration> {
        match self {
            Self::Object => Some(Duration::from_micros(20)),
            Self::Page => Some(Duration::from_micros(200)),
            Self::None => None,
        }
    }
}

/// The results so far.
pub(crate) struct Table {
    observers: usize,
    only: String,
    seed: u64,
    measured: usize,
    missed: Vec<String>,
}

impl Table {
    pub(crate) const fn new(observers: usize, only: String, seed: u64) -> Self {
        Self { observers, only, seed, measured: 0, missed: Vec::new() }
    }

    pub(crate) fn head(&self, title: &str) {
        println!("\n| {title} | median µs | p99 µs | shown | target |\n|---|---:|---:|---:|---|");
    }

    /// Prepares a question for each observer, asks all of them once to warm up, and then with a clock. An
    /// answer is the number of things it shows.
    pub(crate) fn row<Q>(
        &mut self,
        name: &str,
        target: Target,
        prepare: impl Fn(&mut Dice) -> Q,
        ask: impl Fn(&Q) -> usize,
    ) {
        if !name.contains(&self.only) {
            return;
        }
        let mut dice = Dice::new(self.seed ^ 0xB_E7C4);
        let questions: Vec<Q> = (0..self.observers).map(|_| prepare(&mut dice)).collect();
        questions.iter().for_each(|question| drop(std::hint::black_box(ask(question)).to_string()));
        self.time(name, target, questions.iter().map(|question| || ask(question)));
    }

    /// Times some answers and prints their line.
    pub(crate) fn time<A: FnOnce() -> usize>(&mut self, name: &str, target: Target, answers: impl Iterator<Item = A>) {
        let mut shown = 0;
        let mut times: Vec<Duration> = answers
            .map(|answer| {
                let begin = Instant::now();
                shown += std::hint::black_box(answer());
                begin.elapsed()
            })
            .collect();
        times.sort_unstable();
        let Some(median) = times.get(times.len() / 2).copied() else { return };
        let p99 = times[times.len() * 99 / 100];
        let shown = shown as f64 / times.len() as f64;
        let verdict = target.limit().map_or("", |limit| if median < limit { "met" } else { "**missed**" });
        println!("| {name} | {} | {} | {shown:.1} | {verdict} |", micros(median), micros(p99));
        self.measured += 1;
        if verdict.starts_with('*') {
            self.missed.push(name.to_owned());
        }
    }

    pub(crate) fn print_summary(&self) {
        println!(
            "\n{} questions measured, {} miss their target: {}",
            self.measured,
            self.missed.len(),
            self.missed.join("; ")
        );
    }
}

fn micros(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e6)
}
