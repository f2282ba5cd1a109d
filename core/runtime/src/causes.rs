//! Errors for people: what happened, and what led to it.

use std::error::Error;

/// An error and its causes in one line, from what failed to why.
pub fn told(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |told, cause| {
        let cause = cause.to_string();
        // Many errors quote their cause and name it too.
        if told.ends_with(&cause) { told } else { format!("{told}: {cause}") }
    })
}
