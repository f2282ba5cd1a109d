use nexus_model::Timestamp;
use nexus_relay::{rules::bans::Bans, settings::Rates};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

fn rates(bad_signatures: u32, ban: i64) -> Rates {
    Rates { bad_signatures, ban, ..Rates::default() }
}

#[test]
fn addresses_of_one_network_of_version_6_are_banned_together() {
    let mut bans = Bans::default();
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert!(!bans.count(ip("2001:db8::1"), 1, &rates(2, 600), at(0)));
    assert!(bans.count(ip("2001:db8::2"), 1, &rates(2, 600), at(0)));
    assert!(bans.holds(ip("2001:db8::3"), at(599_999)) && !bans.holds(ip("2001:db8:0:1::1"), at(0)));
    assert!(!bans.holds(ip("2001:db8::1"), at(600_000)));
    assert!(!bans.count(ip("2001:db8::1"), 1, &rates(2, 600), at(600_000)), "it begins anew");
    assert!(!bans.count(ip("::ffff:192.0.2.1"), 1, &rates(2, 600), at(0)));
    assert!(bans.count(ip("192.0.2.1"), 1, &rates(2, 600), at(0)), "both are one address");
}

#[test]
fn memory_is_bounded_and_the_banned_are_forgotten_last() {
    let (mut bans, rates) = (Bans::default(), Rates { remembered: 1_024, ..rates(2, 600) });
    let ip = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(number));
    for number in 0..100 {
        assert!(bans.count(ip(number), 2, &rates, at(0)));
    }
    for number in 0..20_000 {
        bans.count(ip(1_000 + number), 1, &rates, at(i64::from(number)));
    }
    assert!((0..100).all(|number| bans.holds(ip(number), at(20_000))));
    assert!(format!("{bans:?}").matches("Record").count() <= 1_024);
}

proptest! {
    /// Against the obvious: all that is known is written down, and looked through each time.
    #[test]
    fn a_ban_begins_with_so_many_in_a_minute(steps in prop::collection::vec((0..3_u32, 0..4_u32, 0..40_000_i64), 0..60)) {
        let (mut bans, rates) = (Bans::default(), rates(5, 100));
        let mut now = 0;
        let mut known = [(0, 0, false); 3];
        for (place, count, later) in steps {
            now += later;
            let ip = IpAddr::V4(Ipv4Addr::from_bits(place));
            let (until, counted, banned) = &mut known[place as usize];
            if *until <= now {
                (*until, *counted, *banned) = (now + 60_000, 0, false);
            }
            let begins = !*banned && *counted + count >= 5;
            if begins {
                (*until, *banned) = (now + 100_000, true);
            }
            *counted += count;
            let holds = *banned;
            prop_assert_eq!(bans.count(ip, count, &rates, at(now)), begins);
            prop_assert_eq!(bans.holds(ip, at(now)), holds);
        }
    }
}
