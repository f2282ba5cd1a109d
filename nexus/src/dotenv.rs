//! `.env`: variables in a file, for those that the environment doesn't have. Nothing is put into the environment
//! itself.

use nexus_config::Error;
use std::{io, path::Path};

/// Reads a file of `NAME=VALUE` lines; none, if there is no such file.
///
/// # Errors
/// If it is there and can't be read.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, String)>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(line).collect()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(Error::Unreadable { path: path.to_owned(), cause }),
    }
}

/// A variable, perhaps after `export` and with its value in quotes. Other lines say nothing.
fn line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| (name.to_owned(), unquoted(value.trim()).to_owned()))
}

/// What stands between quotes, or before a comment.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.split_once(quote).map_or(rest, |(inner, _)| inner);
        }
    }
    value.split_once(" #").map_or(value, |(value, _)| value.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_shells_do() {
        for (text, read) in [
            ("TAP_BIND=:2480", Some(("TAP_BIND", ":2480"))),
            ("  export A = b c  # why", Some(("A", "b c"))),
            ("A=\"b # c\" # d", Some(("A", "b # c"))),
            ("A='x=y'", Some(("A", "x=y"))),
            ("A=", Some(("A", ""))),
            ("# A=b", None),
            ("nothing", None),
            ("a b=c", None),
        ] {
            let read = read.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(line(text), read, "{text}");
        }
    }

    #[test]
    fn a_missing_file_has_no_variables() {
        assert!(read(Path::new("/nonexistent/.env")).expect("it needn't be there").is_empty());
    }
}
