//! Plugins: child processes that judge events, in the protocol of strfry, so that its plugins work unchanged.
//!
//! One JSON line goes in for each event, one comes out, in the same order. Up to so many lines are in flight. The
//! child is started when there is something to judge, and again when its file changes, when it answers too late or
//! with something else than an answer, or ends. Events that were in flight then are refused, or taken, as the
//! operator chose; nothing is asked twice.

mod child;
mod line;
mod work;

use nexus_nostr::{Prefix, Reason};
use nexus_relay::ports::{Judge, Judgement, Judging, Submission};
use std::{fmt, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// How a plugin is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A command of the shell. When a file that it names is changed, the plugin is started again.
    pub command: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many events may wait for their answers at once.
    pub in_flight: usize,
    /// How long a plugin that failed is left alone.
    pub pause: Duration,
    /// What becomes of events that it doesn't answer for.
    pub on_failure: OnFailure,
}

impl Options {
    /// A plugin with the usual bounds: ten seconds, 64 in flight, a second's pause, and refusal when it fails.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            timeout: Duration::from_secs(10),
            in_flight: 64,
            pause: Duration::from_secs(1),
            on_failure: OnFailure::Refuse,
        }
    }
}

/// What becomes of events for which a plugin has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They are refused with `error:`.
    Refuse,
    /// They are taken.
    Take,
}

impl OnFailure {
    fn judgement(self) -> Judgement {
        match self {
            Self::Refuse => Judgement::Reject(Reason::new(Prefix::Error, "internal error")),
            Self::Take => Judgement::Accept,
        }
    }
}

/// A plugin. Dropping it ends the child.
pub struct Plugin {
    questions: mpsc::Sender<Question>,
    options: Options,
}

/// An event that is to be judged.
#[derive(Debug)]
struct Question {
    submission: Submission,
    answer: oneshot::Sender<Judgement>,
}

impl Plugin {
    /// Makes a plugin; the child is started with the first question. To be called on a runtime.
    pub fn new(options: Options) -> Self {
        let (questions, waiting) = mpsc::channel(options.in_flight.max(1));
        tokio::spawn(work::run(options.clone(), waiting));
        Self { questions, options }
    }

    async fn ask(&self, submission: Submission) -> Option<oneshot::Receiver<Judgement>> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(Question { submission, answer }).await.ok().map(|()| answered)
    }

    async fn judge_all(&self, submissions: Vec<Submission>) -> Vec<Judgement> {
        let mut answers = Vec::with_capacity(submissions.len());
        for submission in submissions {
            answers.push(self.ask(submission).await);
        }
        let mut judgements = Vec::with_capacity(answers.len());
        for answer in answers {
            let judgement = match answer {
                Some(answer) => answer.await.ok(),
                None => None,
            };
            judgements.push(judgement.unwrap_or_else(|| self.options.on_failure.judgement()));
        }
        judgements
    }
}

impl Judge for Plugin {
    fn judge(&self, submissions: Vec<Submission>) -> Judging<'_> {
        Box::pin(self.judge_all(submissions))
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("options", &self.options).finish_non_exhaustive()
    }
}
