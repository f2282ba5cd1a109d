//! Terms: the names of the lists that events stand on.

use nexus_nostr::{Event, EventId, Kind, PublicKey, TagName, nip::nip50};

/// A list of events, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term<'a> {
    /// All events.
    Everything,
    /// The event of this id.
    Id(EventId),
    /// What somebody wrote.
    Author(PublicKey),
    /// What somebody wrote of one kind.
    AuthorKind(PublicKey, Kind),
    /// The events of a kind.
    Kind(Kind),
    /// The events with this tag.
    Tag(TagName, &'a str),
    /// The events of one kind with this tag.
    TagKind(TagName, &'a str, Kind),
    /// The events in whose text this word stands, in lower case. (NIP-50)
    Word(&'a str),
    /// The versions at an address, of which the newest is kept: author, kind and `d`.
    Version(PublicKey, Kind, &'a str),
}

/// Shows `visit` each list that `event` stands on. A list may be shown twice, as tags and words come twice.
pub fn terms(event: &Event, mut visit: impl FnMut(Term<'_>)) {
    visit(Term::Everything);
    visit(Term::Id(event.id));
    visit(Term::Author(event.pubkey));
    visit(Term::AuthorKind(event.pubkey, event.kind));
    visit(Term::Kind(event.kind));
    for (name, value) in event.tags.indexed() {
        visit(Term::Tag(name, value));
        visit(Term::TagKind(name, value, event.kind));
    }
    if let Some(d) = event.version_key() {
        visit(Term::Version(event.pubkey, event.kind, d));
    }
    if let Some(text) = nip50::searchable(event) {
        nip50::visit_words(&text, |word| visit(Term::Word(word)));
    }
}
