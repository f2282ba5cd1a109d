//! The head of a journal: what readers learn of it, in what order, and its end.

use futures_util::FutureExt as _;
use nexus_journal::{Error, Head, HeadWatch, Page};
use nexus_model::Seq;
use proptest::prelude::*;

/// What a reader learns at once, if it needn't wait.
fn at_once(watch: &mut HeadWatch, after: u64) -> Option<Option<u64>> {
    watch.after(Seq::new(after)).now_or_never().map(|seq| seq.map(Seq::get))
}

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Watch,
    Clone(prop::sample::Index),
    Ask(prop::sample::Index, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u64..20).prop_map(Step::Advance),
        1 => Just(Step::Watch),
        1 => any::<prop::sample::Index>().prop_map(Step::Clone),
        4 => (any::<prop::sample::Index>(), 0u64..20).prop_map(|(which, after)| Step::Ask(which, after)),
    ]
}

proptest! {
    /// Whoever watches from whenever on, and whatever they have asked before: they learn the highest position that
    /// was ever told, at once if it is news to them, and nothing else.
    #[test]
    fn every_reader_learns_the_highest_position(start in 0u64..10, steps in prop::collection::vec(step(), 0..60)) {
        let head = Head::new(Seq::new(start));
        let mut highest = start;
        let mut watches = vec![head.watch()];
        for step in steps {
            match step {
                Step::Advance(to) => {
                    head.advance(Seq::new(to));
                    highest = highest.max(to);
                }
                Step::Watch => watches.push(head.watch()),
                Step::Clone(which) => watches.push(which.get(&watches).clone()),
                Step::Ask(which, after) => {
                    let at = which.index(watches.len());
                    let expected = (highest > after).then_some(Some(highest));
                    prop_assert_eq!(at_once(&mut watches[at], after), expected);
                    prop_assert_eq!(watches[at].get().get(), highest);
                }
            }
            prop_assert_eq!(head.get().get(), highest);
        }
        drop(head);
        for watch in &mut watches {
            prop_assert_eq!(at_once(watch, highest), Some(None), "nothing will follow");
            let last = (highest > 0).then_some(highest);
            prop_assert_eq!(at_once(watch, highest.saturating_sub(1)), Some(last), "but what was told is still told");
        }
    }
}

/// Readers on other threads may miss positions, but meet none twice, none out of order, and the last one surely.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_keep_up_with_a_writer_that_never_waits() {
    const LAST: u64 = 20_000;
    let head = Head::new(Seq::START);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let mut watch = head.watch();
            tokio::spawn(async move {
                let mut seen = Seq::START;
                while let Some(next) = watch.after(seen).await {
                    assert!(next > seen);
                    seen = next;
                }
                seen
            })
        })
        .collect();
    for seq in 1..=LAST {
        head.advance(Seq::new(seq));
        // An older position that comes late, as from a second writer, changes nothing.
        head.advance(Seq::new(seq / 2));
        if seq % 1_000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(head);
    for reader in readers {
        assert_eq!(reader.await.unwrap().get(), LAST);
    }
}

#[tokio::test]
async fn a_reader_that_waits_is_woken() {
    let head = Head::new(Seq::new(1));
    let mut watch = head.watch();
    let waiting = tokio::spawn(async move { watch.after(Seq::new(5)).await });
    for seq in [2, 5, 6] {
        tokio::task::yield_now().await;
        head.advance(Seq::new(seq));
    }
    assert_eq!(waiting.await.unwrap(), Some(Seq::new(6)), "5 is not after 5");
}

#[test]
fn only_a_failing_backend_is_worth_another_try() {
    let expired = Error::Expired { after: Seq::new(3), oldest: Seq::new(9) };
    assert_eq!(expired.to_string(), "changes after 3 are no longer kept, the oldest position is 9");
    assert!(!expired.is_retryable());
    let failed = Error::Backend("disk".into());
    assert!(failed.is_retryable());
    assert_eq!(std::error::Error::source(&failed).map(ToString::to_string).as_deref(), Some("disk"));
    assert_eq!(Page::default().next, Seq::START);
}
