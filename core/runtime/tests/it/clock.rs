//! The clock, held and unheld.

use nexus_model::Timestamp;
use nexus_runtime::Clock;
use proptest::prelude::*;

#[test]
fn the_system_s_clock_goes_by_itself_and_can_t_be_moved() {
    let clock = Clock::system();
    let before = clock.now();
    clock.advance(1_000_000_000);
    let after = clock.now();
    assert!(before.millis() > 1_700_000_000_000, "{before}: this was written later");
    assert!((0..60_000).contains(&(after.millis() - before.millis())), "{before} {after}");
}

proptest! {
    #[test]
    fn a_held_clock_stands_and_its_clones_stand_with_it(start in -1_000_000i64..1_000_000, steps in prop::collection::vec(-5_000i64..5_000, 0..20)) {
        let clock = Clock::fixed(Timestamp::from_millis(start));
        let clone = clock.clone();
        for (nth, step) in steps.iter().enumerate() {
            if nth % 2 == 0 { clock.advance(*step) } else { clone.advance(*step) }
            let expected = start + steps[..=nth].iter().sum::<i64>();
            prop_assert_eq!((clock.now().millis(), clone.now().millis()), (expected, expected));
        }
    }
}
