//! Routes: who meets whom, against a list that is searched.

use nexus_filter::{Everything, Filter as _, Route, Routed, Router};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    File(u64, Vec<u8>),
    Leave(u64, Vec<u8>),
    Meet(Vec<u8>),
}

/// A few routes; 0 is everybody's.
fn route(number: u8) -> Route {
    if number == 0 { Route::EVERYTHING } else { Route::of("number", &number) }
}

fn routes(numbers: &[u8]) -> Vec<Route> {
    numbers.iter().map(|number| route(*number)).collect()
}

fn step() -> impl Strategy<Value = Step> {
    let numbers = || vec(0u8..6, 0..4);
    prop_oneof![
        (0u64..8, numbers()).prop_map(|(who, numbers)| Step::File(who, numbers)),
        (0u64..8, numbers()).prop_map(|(who, numbers)| Step::Leave(who, numbers)),
        vec(1u8..6, 0..4).prop_map(Step::Meet),
    ]
}

proptest! {
    /// Each subscription is met once on every route that it is filed under and the item takes, in the order of
    /// their numbers on each route.
    #[test]
    fn a_router_is_a_list_of_who_is_where(steps in vec(step(), 0..60)) {
        let mut router = Router::default();
        let mut filed: BTreeMap<(u8, u64), ()> = BTreeMap::new();
        for step in steps {
            match step {
                Step::File(who, numbers) => {
                    router.insert(&routes(&numbers), who, &who);
                    filed.extend(numbers.iter().map(|number| ((*number, who), ())));
                }
                Step::Leave(who, numbers) => {
                    router.remove(&routes(&numbers), who);
                    filed.retain(|(number, other), ()| *other != who || !numbers.contains(number));
                }
                Step::Meet(numbers) => {
                    let taken = routes(&numbers);
                    let met: Vec<u64> = router.candidates(&taken).copied().collect();
                    let on = |number: u8| filed.keys().filter(move |(at, _)| *at == number).map(|(_, who)| *who);
                    let expected: Vec<u64> = on(0).chain(numbers.iter().flat_map(|number| on(*number))).collect();
                    prop_assert_eq!(met, expected);
                }
            }
            prop_assert_eq!(router.is_empty(), filed.is_empty(), "who has left leaves nothing behind");
        }
    }
}

#[test]
fn a_value_is_another_route_in_another_field() {
    let routes = [Route::new("author", "ada"), Route::new("kind", "ada"), Route::new("author", "bob")];
    for (at, route) in routes.iter().enumerate() {
        assert!(routes[..at].iter().all(|other| other != route) && *route != Route::EVERYTHING);
    }
    assert_eq!(Route::new("author", "ada"), Route::of("author", "ada"));
}

#[test]
fn whoever_wants_everything_is_met_by_every_item() {
    let mut router = Router::default();
    router.insert(&Routed::<str>::routes(&Everything), 1, &"everybody's reader");
    for taken in [&[][..], &[Route::new("author", "ada")]] {
        assert_eq!(router.candidates(taken).copied().collect::<Vec<_>>(), ["everybody's reader"]);
    }
    assert!(Everything.matches("anything"));
}
