//! What an operator at a terminal sees of long work. Elsewhere nothing is printed, and short work shows nothing.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal as _, Read},
    time::Duration,
};

/// Work shorter than this shows nothing.
const SHORT: Duration = Duration::from_secs(1);

/// A counter of things whose number isn't known.
#[derive(Clone)]
pub(crate) struct Counter(ProgressBar);

impl Counter {
    /// A counter that says `what` is being done.
    pub(crate) fn new(what: &'static str) -> Self {
        let style = ProgressStyle::with_template("{msg} {human_pos} ({per_sec}, {elapsed})").expect("a valid template");
        Self(hidden_at_first(ProgressBar::no_length().with_style(style).with_message(what)))
    }

    /// So many by now.
    pub(crate) fn at(&self, count: u64) {
        show_when_long(&self.0);
        self.0.set_position(count);
    }

    /// One more.
    pub(crate) fn step(&self) {
        self.at(self.0.position() + 1);
    }

    /// Done: the line goes.
    pub(crate) fn done(self) {
        self.0.finish_and_clear();
    }
}

/// A bar over the bytes of a file as they are read.
pub(crate) fn reading<R: Read>(what: &'static str, bytes: u64, reader: R) -> impl Read {
    let template = "{msg} {bytes}/{total_bytes} [{bar:30}] {eta}";
    let style = ProgressStyle::with_template(template).expect("a valid template");
    let bar = hidden_at_first(ProgressBar::new(bytes).with_style(style).with_message(what));
    Watched { reader, bar }
}

struct Watched<R> {
    reader: R,
    bar: ProgressBar,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        show_when_long(&self.bar);
        self.bar.inc(count as u64);
        if count == 0 {
            self.bar.finish_and_clear();
        }
        Ok(count)
    }
}

fn hidden_at_first(bar: ProgressBar) -> ProgressBar {
    bar.set_draw_target(ProgressDrawTarget::hidden());
    bar
}

fn show_when_long(bar: &ProgressBar) {
    if bar.is_hidden() && bar.elapsed() > SHORT && std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
}
