//! What is on disk: the cursor, recovery from damage, and deleted words.

use crate::posts::{ask, index_of, key, open};
use nexus_model::Seq;
use nexus_social::search::{FullText, TextChange};
use nexus_tantivy::{Options, TextIndex};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tantivy::Index;

/// The files that hold the index, without locks.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_none_or(|extension| extension != "lock")).collect()
}

fn holds(dir: &Path, bytes: &[u8]) -> bool {
    files(dir).iter().any(|path| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes))
}

/// Every word in the files, of hidden posts too. They are packed, so looking for their bytes would find nothing.
fn words(dir: &Path) -> Vec<String> {
    let index = Index::open_in_dir(dir).unwrap();
    let text = index.schema().get_field("text").unwrap();
    let searcher = index.reader().unwrap().searcher();
    let mut words = Vec::new();
    for segment in searcher.segment_readers() {
        let inverted = segment.inverted_index(text).unwrap();
        let mut terms = inverted.terms().stream().unwrap();
        while terms.advance() {
            words.push(String::from_utf8(terms.key().to_vec()).unwrap());
        }
    }
    words
}

#[test]
fn the_cursor_is_as_durable_as_what_it_stands_for() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    assert_eq!(index.cursor().unwrap(), Seq::START);
    drop(index);
    drop(index_of(dir.path(), &["maps", "more maps"]));
    let again = open(dir.path());
    assert_eq!(again.cursor().unwrap(), Seq::new(2));
    assert_eq!(ask(&again, "more"), [1]);
    again.commit(&[], Seq::new(9)).unwrap();
    assert_eq!(again.cursor().unwrap(), Seq::new(9));
}

#[test]
fn cleared_is_empty_and_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), &["maps"]);
    index.clear().unwrap();
    assert_eq!((index.cursor().unwrap(), ask(&index, "maps")), (Seq::START, Vec::new()));
}

#[test]
fn any_damaged_file_leads_to_an_empty_index_that_works() {
    let sound = tempfile::tempdir().unwrap();
    drop(index_of(sound.path(), &["maps", "more maps"]));
    let names: Vec<_> = files(sound.path()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert!(names.len() > 5, "{names:?}");
    for broken in names {
        for damage in [Damage::Flipped, Damage::Cut, Damage::Footless, Damage::Lost] {
            let dir = tempfile::tempdir().unwrap();
            for path in files(sound.path()) {
                fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
            }
            damage.strike(&dir.path().join(&broken));
            let index = open(dir.path());
            // A list of files may be lost without harm; nothing may be half there.
            let state = (index.cursor().unwrap(), ask(&index, "maps").len());
            let is_whole = state == (Seq::new(2), 2);
            assert!(is_whole || state == (Seq::START, 0), "{broken:?} {damage:?}: {state:?}");
            index.commit(&[], Seq::new(3)).unwrap();
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Flipped,
    Cut,
    /// Shorter than the footer that every file has.
    Footless,
    Lost,
}

impl Damage {
    fn strike(self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        match self {
            Self::Flipped => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x55;
            }
            Self::Cut => bytes.truncate(bytes.len() / 2),
            Self::Footless => bytes.truncate(7),
            Self::Lost => return fs::remove_file(path).unwrap(),
        }
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn an_index_of_another_version_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(index_of(dir.path(), &["maps"]));
    let meta = dir.path().join("meta.json");
    let text = fs::read_to_string(&meta).unwrap();
    assert!(text.contains(r#""payload": "2 1""#), "{text}");
    fs::write(&meta, text.replace(r#""payload": "2 1""#, r#""payload": "0 1""#)).unwrap();
    let index = open(dir.path());
    assert_eq!((index.cursor().unwrap(), ask(&index, "maps")), (Seq::START, Vec::new()));
}

#[test]
fn an_index_in_use_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), &["maps"]);
    assert!(TextIndex::open(dir.path(), Options::default()).is_err());
    assert_eq!(ask(&index, "maps"), [0]);
}

#[test]
fn what_was_deleted_leaves_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), &["xylophonist2718", "zitherplayer3141 stays"]);
    let gone = key(0, 0);
    assert!(holds(dir.path(), gone.to_string().as_bytes()));
    assert!(words(dir.path()).contains(&"xylophonist2718".to_owned()));
    index.commit(&[TextChange::Remove(gone)], Seq::new(3)).unwrap();
    assert_eq!(ask(&index, "xylophonist2718"), [] as [u32; 0]);

    index.compact().unwrap();
    assert!(!holds(dir.path(), gone.to_string().as_bytes()));
    assert_eq!(words(dir.path()), ["stays", "zitherplayer3141"]);
    let kept: Vec<_> =
        files(dir.path()).iter().filter_map(|path| path.file_stem().map(|stem| stem.to_owned())).collect();
    let segments = Index::open_in_dir(dir.path()).unwrap().searchable_segment_ids().unwrap();
    let segments: Vec<_> = segments.iter().map(|segment| segment.uuid_string()).collect();
    let strays = kept.iter().filter(|stem| stem.len() == 32 && !segments.iter().any(|s| **stem == **s));
    assert_eq!(strays.count(), 0, "files of segments that are no more: {kept:?}");
    assert_eq!(ask(&index, "zitherplayer3141"), [1]);
    assert_eq!(index.cursor().unwrap(), Seq::new(3));
}
