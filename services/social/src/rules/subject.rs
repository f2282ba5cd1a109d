//! What rules look at: one record, as the few texts that criteria are compared with.

use nexus_pubky::{Address, Path, PubkyId, Record};

/// A record, or a user alone, as rules see it. What is `None` meets no criterion.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The owner's key.
    pub user: &'a str,
    /// Key or base URL of the homeserver.
    pub homeserver: &'a str,
    /// The folder below `/pub/`.
    pub app: Option<&'a str>,
    /// The collection, and a post's kind.
    pub kinds: [Option<&'a str>; 2],
    /// A tag's label.
    pub label: Option<&'a str>,
    /// What people read in it.
    pub texts: [Option<&'a str>; 3],
}

impl<'a> Subject<'a> {
    /// A user, and where they live.
    pub fn of_user(user: &'a PubkyId, homeserver: &'a str) -> Self {
        Self { user: user.as_str(), homeserver, app: None, kinds: [None; 2], label: None, texts: [None; 3] }
    }

    /// A record that is new or changed.
    pub fn of_record(address: &'a Address, homeserver: &'a str, record: &'a Record) -> Self {
        let app = match &address.path {
            Path::Tag { app: Some(app), .. } => app,
            _ => "pubky.app",
        };
        let label = if let Record::Tag(tag) = record { Some(tag.label.as_str()) } else { None };
        let kinds = [Some(address.path.collection()), post_kind(record)];
        let of_user = Self::of_user(&address.user, homeserver);
        Self { app: Some(app), kinds, label, texts: texts(record), ..of_user }
    }

    /// True if any text holds these words in this order, whatever their case and what stands between them.
    pub(super) fn says(&self, words: &str) -> bool {
        let wanted: Vec<_> = tokens(words).collect();
        let holds = |text: &str| {
            let tokens: Vec<_> = tokens(text).collect();
            !wanted.is_empty() && tokens.windows(wanted.len()).any(|window| window == wanted)
        };
        self.texts.into_iter().flatten().any(holds)
    }
}

fn tokens(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|token| !token.is_empty()).map(str::to_lowercase)
}

fn texts(record: &Record) -> [Option<&str>; 3] {
    match record {
        Record::User(user) => [Some(&user.name), user.bio.as_deref(), user.status.as_deref()],
        Record::Post(post) => [Some(&post.content), None, None],
        Record::Tag(tag) => [Some(&tag.label), None, None],
        Record::File(file) => [Some(&file.name), None, None],
        Record::Follow(_) | Record::Mute(_) | Record::Bookmark(_) => [None; 3],
    }
}

fn post_kind(record: &Record) -> Option<&'static str> {
    use pubky_app_specs::PubkyAppPostKind as Kind;
    let Record::Post(post) = record else { return None };
    Some(match post.kind {
        Kind::Short => "short",
        Kind::Long => "long",
        Kind::Image => "image",
        Kind::Video => "video",
        Kind::Link => "link",
        Kind::File => "file",
        Kind::Collection => "collection",
        Kind::Unknown => "unknown",
    })
}
