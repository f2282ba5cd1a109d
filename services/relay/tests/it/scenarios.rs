use crate::stage::TestStage;
use futures_util::FutureExt;
use nexus_nostr::nip::nip42::RelayUrl;
use nexus_relay::settings::{Auth, Requirement, Retention, Settings};
use nexus_relay_suite::scenario;

fn settings() -> Settings {
    Settings {
        urls: vec![RelayUrl::parse("wss://relay.example.com").expect("an address")],
        retention: Retention::of_the_market(),
        ..Settings::default()
    }
}

fn play(name: &str, text: &str, settings: Settings) {
    let played = async {
        let mut stage = TestStage::new(settings).await;
        scenario::play(name, text, &mut stage).await;
    };
    played.now_or_never().expect("memory never waits");
}

macro_rules! scenarios {
    ($($name:ident: $settings:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let name = stringify!($name);
                play(name, include_str!(concat!("../scenarios/", stringify!($name), ".txt")), $settings);
            }
        )*

        #[test]
        fn every_scenario_is_played() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
            let files = std::fs::read_dir(folder).expect("the scenarios are there").count();
            assert_eq!(files, [$(stringify!($name)),*].len());
        }
    };
}

scenarios! {
    publish_and_subscribe: settings();
    replace_and_delete: settings();
    authenticate: settings();
    private_relay: Settings { auth: Auth { required: Requirement::Required, ..Auth::default() }, ..settings() };
    private_messages: settings();
    count_and_negotiate: settings();
    time_and_limits: settings();
    market: settings();
    fault_1_signatures_are_verified: settings();
    fault_2_limits_count_matches: settings();
    fault_3_a_cache_never_answers_a_query: settings();
    fault_4_replaceable_deleted_and_expired: settings();
    fault_5_close_has_no_answer: settings();
    fault_6_one_order_without_repeats: settings();
    fault_7_a_connection_leaves_nothing_behind: settings();
    fault_8_filters_mean_what_they_say: settings();
}
