//! Settings of the program that judges events.

use super::Relay;
use crate::plugin::{self, OnFailure, Options};
use nexus_config::{Bounded, Span, section};
use nexus_relay::ports::Judge;

section! {
    /// A program that judges events, as strfry runs it: a line of JSON in, a line out.
    pub struct Plugin {
        /// A command of the shell. Without one, nobody is asked.
        pub command: Option<String> = None,
        /// How long an answer may take; then the program is started again.
        pub timeout: Span<1, 3_600_000> = Span::of(10_000),
        /// Events that may wait for their answers at once.
        pub in_flight: Bounded<1, 100_000> = Bounded::of(64),
        /// How long a program that failed is left alone.
        pub pause: Span<1, 3_600_000> = Span::of(1_000),
        /// Whether events are taken for which the program has no answer.
        pub fail_open: bool = false,
    }
}

impl Relay {
    /// Who has the last word on events, if anybody. To be called on a runtime.
    pub fn judge(&self) -> Option<Box<dyn Judge>> {
        let settings = &self.plugin;
        let options = Options {
            command: settings.command.clone().filter(|command| !command.trim().is_empty())?,
            timeout: settings.timeout.duration(),
            in_flight: settings.in_flight.count(),
            pause: settings.pause.duration(),
            on_failure: if settings.fail_open { OnFailure::Take } else { OnFailure::Refuse },
        };
        Some(Box::new(plugin::Plugin::new(options)))
    }
}
