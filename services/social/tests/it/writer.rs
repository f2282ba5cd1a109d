//! Groups: nobody is told before what they are told is durable. That a group is all or nothing is tested over
//! files, where commits can fail.

use crate::scene::{HOME, is_done, profile, put_from, user};
use nexus_model::{Seq, Timestamp};
use nexus_pubky::Path;
use nexus_social::{
    effects::{SourceCursor, SourceLog},
    input::Input,
    rules::Policy,
    store::{Memory, Store},
    writer::Writer,
};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_millis(1);

fn group() -> Vec<Input> {
    let read = SourceCursor { log: SourceLog::Homeserver(HOME.into()), cursor: 9 };
    let put = |n| put_from(HOME, n, Path::Profile, profile("name"));
    vec![put(0), put(1), put(0), Input::Read(read)]
}

#[test]
fn effects_are_published_once_in_order_after_the_commit() {
    let (store, writer) = (Memory::new(), Writer::new(Arc::new(Policy::default())));
    let mut published = None;
    let verdicts = writer
        .run(&store, &group(), NOW, |committed| {
            assert_eq!(store.last().unwrap(), Seq::new(2), "what is told is durable");
            published = Some(committed);
        })
        .unwrap();
    assert_eq!(verdicts.iter().map(is_done).collect::<Vec<_>>(), [true, true, false, true]);
    let published = published.unwrap();
    let authors: Vec<_> = published.effects.iter().flat_map(|e| &e.changes).map(|change| change.author).collect();
    assert_eq!((authors, published.seq), (vec![user(0), user(1)], Seq::new(2)));
    writer.run(&store, &group(), NOW, |_| panic!("nothing has changed")).unwrap();
}
