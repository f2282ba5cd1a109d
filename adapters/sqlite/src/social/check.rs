//! What the tables promise each other, as questions that must find nothing.

use super::session::Session;
use crate::Result;
use rusqlite::Connection;

/// What it means if rows are found, and the question.
const QUESTIONS: [(&str, &str); 9] = [
    ("users without a key", "SELECT user FROM users WHERE user NOT IN (SELECT n FROM keys)"),
    ("posts by unknown users", "SELECT n FROM posts WHERE author NOT IN (SELECT user FROM users)"),
    (
        "replies that are no posts",
        "SELECT 1 FROM replies e WHERE NOT EXISTS (SELECT 1 FROM posts p WHERE (p.author, p.id) = (e.author, e.id))",
    ),
    (
        "reposts that are no posts",
        "SELECT 1 FROM reposts e WHERE NOT EXISTS (SELECT 1 FROM posts p WHERE (p.author, p.id) = (e.author, e.id))",
    ),
    (
        "bookmarks of unknown posts",
        "SELECT 1 FROM bookmarks e \
         WHERE NOT EXISTS (SELECT 1 FROM posts p WHERE (p.author, p.id) = (e.author, e.post))",
    ),
    (
        "tags on unknown posts",
        "SELECT 1 FROM tags e WHERE kind = 1 \
         AND NOT EXISTS (SELECT 1 FROM posts p WHERE (p.author, p.id) = (e.about, e.post))",
    ),
    ("tags on unknown resources", "SELECT 1 FROM tags WHERE kind = 2 AND about NOT IN (SELECT n FROM resources)"),
    (
        "resources without tags",
        "SELECT 1 FROM resources r WHERE NOT EXISTS (SELECT 1 FROM tags WHERE kind = 2 AND about = r.n)",
    ),
    (
        "gaps in the journal",
        "SELECT 1 FROM changes c WHERE c.seq > (SELECT seq FROM expired) + 1 \
      AND NOT EXISTS (SELECT 1 FROM changes WHERE seq = c.seq - 1)",
    ),
];

/// A line for each promise that is broken.
pub(super) fn invariants(connection: &Connection) -> Result<Vec<String>> {
    let session = Session::of_reader(connection);
    let mut found = Vec::new();
    for (meaning, question) in QUESTIONS {
        let count = session.one(&format!("SELECT count(*) FROM ({question})"), [], |c| c.int(0))?.unwrap_or_default();
        if count > 0 {
            found.push(format!("{count} {meaning}"));
        }
    }
    Ok(found)
}
