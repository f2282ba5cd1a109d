use nexus_cloudflare::{Alarms, Chore};
use nexus_model::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;

const CHORES: [Chore; 4] = [Chore::Sweep, Chore::DropRemovals, Chore::EndIdle, Chore::DropSubscriptions];

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

proptest! {
    /// Against a list that keeps everything: each chore is done once, in time, and the alarm is never late.
    #[test]
    fn everything_is_done_when_it_is_due(plans in prop::collection::vec((0..4_usize, 0..50_000_i64), 0..12)) {
        let mut alarms = Alarms::default();
        let mut earliest = BTreeMap::new();
        for (chore, when) in plans {
            alarms.plan(CHORES[chore], at(when));
            let known = earliest.entry(CHORES[chore]).or_insert(when);
            *known = when.min(*known);
        }
        let mut now = at(0);
        let mut done = BTreeMap::new();
        for chore in alarms.take_due(now) {
            done.insert(chore, now);
        }
        while let Some(next) = alarms.next(now) {
            prop_assert!(next.millis() >= now.millis() + 1_000);
            now = next;
            for chore in alarms.take_due(now) {
                prop_assert!(done.insert(chore, now).is_none());
            }
        }
        prop_assert_eq!(done.keys().collect::<Vec<_>>(), earliest.keys().collect::<Vec<_>>());
        for (chore, when) in earliest {
            let late = done[&chore].millis() - when;
            prop_assert!((0..1_000).contains(&late), "{:?} is {} ms late", chore, late);
        }
    }
}

#[test]
fn what_is_overdue_waits_a_second_and_an_idle_object_sleeps() {
    let mut alarms = Alarms::default();
    assert_eq!(alarms.next(at(5)), None);
    alarms.plan(Chore::Sweep, at(1));
    alarms.plan(Chore::EndIdle, at(0));
    assert_eq!(alarms.next(at(500)), Some(at(1_500)));
    assert_eq!(alarms.take_due(at(1_500)), [Chore::EndIdle, Chore::Sweep]);
    assert_eq!(alarms.next(at(1_500)), None);
}
