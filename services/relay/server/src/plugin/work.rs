//! The task that speaks with the child: it writes questions as they come, up to so many, and gives each answer to
//! whoever waits for it.

use super::{Options, Question, child::Running, line};
use nexus_nostr::EventId;
use nexus_relay::ports::Judgement;
use std::collections::VecDeque;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout_at},
};

/// A question that was written.
#[derive(Debug)]
struct Asked {
    id: EventId,
    answer: oneshot::Sender<Judgement>,
    until: Instant,
}

/// What happens next.
enum Next {
    Ask(Box<Question>),
    Line(Option<String>),
    Late,
    End,
}

/// Answers questions until nobody can ask any more.
pub(super) async fn run(options: Options, questions: mpsc::Receiver<Question>) {
    let mut work = Work { options, questions, child: None, asked: VecDeque::new(), rest_until: None };
    loop {
        match work.next().await {
            Next::Ask(question) => work.ask(*question).await,
            Next::Line(line) => work.answer(line).await,
            Next::Late => work.fail("answers too late").await,
            Next::End => break,
        }
    }
    if let Some(child) = work.child {
        child.end().await;
    }
}

struct Work {
    options: Options,
    questions: mpsc::Receiver<Question>,
    child: Option<Running>,
    /// Questions without an answer, in the order in which they were written.
    asked: VecDeque<Asked>,
    /// Until when a plugin that failed is left alone.
    rest_until: Option<Instant>,
}

impl Work {
    async fn next(&mut self) -> Next {
        let may_ask = self.asked.len() < self.options.in_flight.max(1);
        let deadline = self.asked.front().map(|asked| asked.until);
        let Self { questions, child, .. } = self;
        let line = async {
            match child {
                Some(child) => child.line().await,
                None => std::future::pending().await,
            }
        };
        let late = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            line = line => Next::Line(line),
            () = late => Next::Late,
            question = questions.recv(), if may_ask => question.map_or(Next::End, |question| Next::Ask(Box::new(question))),
        }
    }

    async fn ask(&mut self, question: Question) {
        let Question { submission, answer } = question;
        if self.child.as_ref().is_some_and(|child| child.is_outdated(&self.options.command)) {
            self.finish().await;
        }
        let asked = Asked { id: submission.event.id, answer, until: Instant::now() + self.options.timeout };
        self.asked.push_back(asked);
        let Ok(line) = line::told(&submission) else { return self.fail("can't be told of an event").await };
        if self.child.is_none() && !self.start() {
            return self.give_up();
        }
        let patience = self.options.timeout;
        let Some(child) = &mut self.child else { return };
        if let Err(error) = child.write(&line, patience).await {
            tracing::debug!(%error, "a plugin doesn't read");
            self.fail("doesn't read").await;
        }
    }

    /// Lets the child answer what it was asked, and ends it.
    async fn finish(&mut self) {
        while let Some(until) = self.asked.front().map(|asked| asked.until)
            && let Some(child) = &mut self.child
        {
            match timeout_at(until, child.line()).await {
                Ok(line) => self.answer(line).await,
                Err(_) => self.fail("answers too late").await,
            }
        }
        self.stop().await;
    }

    /// Starts the child. False if it is to be left alone, or can't be started.
    fn start(&mut self) -> bool {
        if self.rest_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        match Running::start(&self.options.command) {
            Ok(child) => {
                tracing::info!(command = %self.options.command, "a plugin was started");
                self.child = Some(child);
                true
            }
            Err(error) => {
                tracing::error!(command = %self.options.command, %error, "a plugin can't be started");
                self.rest();
                false
            }
        }
    }

    /// Plugins answer in order, but the id decides.
    async fn answer(&mut self, line: Option<String>) {
        let Some(line) = line else { return self.fail("has ended").await };
        let Some((id, judgement)) = line::said(&line) else { return self.fail("gives no answer").await };
        let Some(place) = self.asked.iter().position(|asked| asked.id == id) else {
            return self.fail("answers what it wasn't asked").await;
        };
        if let Some(asked) = self.asked.remove(place) {
            // Whoever asked may have gone.
            let _ = asked.answer.send(judgement);
        }
    }

    /// Ends a child that doesn't do what it should, and leaves it alone for a while.
    async fn fail(&mut self, what: &'static str) {
        metrics::counter!("nexus_plugin_failures_total", "what" => what).increment(1);
        tracing::warn!(command = %self.options.command, unanswered = self.asked.len(), "a plugin {what}");
        self.give_up();
        self.stop().await;
        self.rest();
    }

    fn rest(&mut self) {
        self.rest_until = Some(Instant::now() + self.options.pause);
    }

    async fn stop(&mut self) {
        if let Some(child) = self.child.take() {
            child.end().await;
        }
    }

    /// Answers for the plugin, as the operator chose.
    fn give_up(&mut self) {
        for asked in self.asked.drain(..) {
            let _ = asked.answer.send(self.options.on_failure.judgement());
        }
    }
}
