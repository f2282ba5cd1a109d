//! What may be said about logging, and how errors are told.

use nexus_runtime::{check_level, told};
use std::{error::Error, fmt};

#[test]
fn a_misspelled_level_is_no_target() {
    for fits in ["info", "WARN", "off", "info,nexus_http=debug", "error,nexus=trace"] {
        assert_eq!(check_level(fits), Ok(()), "{fits}");
    }
    for wrong in ["", "inof", "warning", "info,", "info,nexus", "nexus=loud", "a=b=c", "-5s"] {
        assert!(check_level(wrong).is_err(), "{wrong}");
    }
}

#[derive(Debug)]
struct Link(&'static str, Option<Box<Self>>);

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

#[test]
fn a_cause_that_was_quoted_is_not_told_again() {
    let link = |text, cause| Link(text, Some(Box::new(cause)));
    let error = link("no connection", link("IO error: refused", Link("refused", None)));
    assert_eq!(told(&error), "no connection: IO error: refused");
    assert_eq!(told(&link("no connection", Link("refused", None))), "no connection: refused");
}
