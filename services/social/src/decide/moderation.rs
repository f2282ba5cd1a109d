//! A moderator's tag removes what it is put on (spec a.9). Nothing is remembered of it: what its owner puts
//! again is indexed again.

use super::{Context, Draft, Outcome};
use crate::{input::Event, row::PostKey, store::Result};
use nexus_pubky::{Address, Path};

impl Context<'_> {
    pub(super) fn moderate(self, event: &Event, uri: &str) -> Result<Outcome> {
        let Ok(Address { user, path }) = uri.parse() else { return Ok(Outcome::Unchanged) };
        let draft = Draft::of(self, event);
        match path {
            Path::Profile => self.delete_user(draft, &user),
            Path::Post(id) => self.remove_post(draft, &PostKey { author: user, id }),
            Path::File(id) => self.delete_file(draft, &user, id),
            Path::Tag { app, id } => self.delete_tag(draft, &user, app.as_deref(), &id),
            _ => Ok(Outcome::Unchanged),
        }
    }
}
