//! Values that every service shares: how they are written, ordered, and what may be believed.

use nexus_model::{Action, Raw, Seq, Source, Timestamp, Verified, Verifier};
use proptest::prelude::*;

/// Believes even numbers, as their half.
struct Even;

#[derive(Debug, PartialEq)]
struct Odd(u64);

impl Verifier<u64> for Even {
    type Output = u64;
    type Error = Odd;

    fn verify(&self, input: u64) -> Result<u64, Odd> {
        if input.is_multiple_of(2) { Ok(input / 2) } else { Err(Odd(input)) }
    }
}

#[test]
fn positions_and_moments_begin_at_nothing() {
    assert_eq!((Seq::default(), Seq::START.get(), Seq::START.next()), (Seq::START, 0, Seq::new(1)));
    assert_eq!((Timestamp::default().millis(), Timestamp::from_millis(-5).millis()), (0, -5));
}

/// Names on the wire and on disk: they may not change with the names in the code.
#[test]
fn actions_and_sources_have_their_names() {
    let names = [(Action::Create, "create"), (Action::Update, "update"), (Action::Delete, "delete")];
    for (action, name) in names {
        assert_eq!((action.as_str(), action.to_string().as_str()), (name, name));
        assert_eq!(serde_json::to_string(&action).unwrap(), format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<Action>(&format!("\"{name}\"")).unwrap(), action);
    }
    assert!(serde_json::from_str::<Action>("\"Create\"").is_err());
    let sources = [Source::Pubky, Source::Atproto, Source::Nostr, Source::App("notes".into())];
    assert_eq!(sources.map(|source| source.to_string()), ["pubky", "atproto", "nostr", "app:notes"]);
}

#[test]
fn the_operators_word_is_taken() {
    assert_eq!(*Verified::by_operator("anything").get(), "anything");
}

proptest! {
    #[test]
    fn a_position_is_its_number_everywhere(number: u64, other: u64) {
        let seq = Seq::new(number);
        prop_assert_eq!(seq.to_string(), number.to_string());
        prop_assert_eq!(serde_json::to_string(&seq).unwrap(), number.to_string());
        prop_assert_eq!(serde_json::from_str::<Seq>(&number.to_string()).unwrap(), seq);
        prop_assert_eq!(seq.cmp(&Seq::new(other)), number.cmp(&other));
        prop_assume!(number < u64::MAX);
        prop_assert_eq!(seq.next().get(), number + 1);
    }

    #[test]
    fn a_moment_is_its_milliseconds_everywhere(millis: i64, later: i64) {
        let moment = Timestamp::from_millis(millis);
        prop_assert_eq!(moment.to_string(), millis.to_string());
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&serde_json::to_string(&moment).unwrap()).unwrap(), moment);
        let held = i128::from(millis) + i128::from(later);
        let expected = held.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        prop_assert_eq!(i128::from(moment.plus_millis(later).millis()), expected);
    }

    #[test]
    fn only_what_the_verifier_believes_is_verified(number: u64) {
        let raw = Raw::new(number);
        prop_assert_eq!(*raw.peek(), number);
        match raw.verify(&Even) {
            Ok(verified) => {
                prop_assert!(number % 2 == 0);
                prop_assert_eq!(*verified.get(), number / 2);
                prop_assert_eq!(verified.clone().map(|half| half.to_string()).into_inner(), (number / 2).to_string());
            }
            Err(odd) => prop_assert_eq!((odd, number % 2), (Odd(number), 1)),
        }
    }
}
