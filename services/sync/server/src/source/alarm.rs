//! Damage to the program's own data, noticed where nobody can return an error: it ends the program, loudly.

use nexus_sync::store::Error;
use tokio::sync::mpsc;

/// Raises the alarm. Clones raise the same one.
#[derive(Clone, Debug)]
pub(super) struct Alarm(mpsc::Sender<Error>);

/// Hears it.
#[derive(Debug)]
pub(super) struct Raised(mpsc::Receiver<Error>);

impl Alarm {
    pub(super) fn new() -> (Self, Raised) {
        let (raise, raised) = mpsc::channel(1);
        (Self(raise), Raised(raised))
    }

    /// The first one counts; those after it have the same cause or come too late.
    pub(super) fn raise(&self, error: Error) {
        if let Err(unheard) = self.0.try_send(error) {
            tracing::error!(error = nexus_runtime::told(&unheard.into_inner()), "the store failed");
        }
    }
}

impl Raised {
    /// The failure, once there is one.
    pub(super) async fn heard(&mut self) -> Option<Error> {
        self.0.recv().await
    }
}
