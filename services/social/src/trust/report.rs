//! Trust scores as a table for the operator.

use crate::read::Read;
use nexus_pubky::PubkyId;
use std::fmt::Write;

const HEAD: &str =
    "id,name,score,followers,following,friends,posts,replies,tagged,tags,unique_tags,bookmarks,collections\n";

/// The highest scores as CSV (RFC 4180 with bare line feeds), one user a line, at most `limit` of them.
pub fn report(read: &dyn Read, scores: &[(PubkyId, f64)], limit: usize) -> String {
    let mut text = HEAD.to_owned();
    for (id, score) in scores.iter().take(limit) {
        let name = read.user(id).map(|user| quoted(&user.name)).unwrap_or_default();
        let n = read.user_counts(id).unwrap_or_default();
        let numbers = [n.followers, n.following, n.friends, n.posts, n.replies, n.tagged, n.tags, n.unique_tags];
        let _ = write!(text, "{id},{name},{score:e}");
        for number in numbers.into_iter().chain([n.bookmarks, n.collections]) {
            let _ = write!(text, ",{number}");
        }
        text.push('\n');
    }
    text
}

/// A field that nothing in it can leave, and that no spreadsheet takes for a formula: strangers chose it.
fn quoted(field: &str) -> String {
    let mark = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{mark}{}\"", field.replace('"', "\"\""))
}
