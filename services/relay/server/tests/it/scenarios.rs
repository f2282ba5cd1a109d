//! The relay's scenarios, played over sockets with SQLite behind them.

use crate::{
    client::Client,
    house::{House, config},
};
use nexus_nostr::Seconds;
use nexus_relay_server::config::{Auth, Relay};
use nexus_relay_suite::scenario::{self, Stage};
use std::collections::HashMap;

struct SocketStage {
    house: House,
    clients: HashMap<String, Client>,
}

impl Stage for SocketStage {
    async fn connect(&mut self, client: &str) -> Option<String> {
        let (connected, challenge) = Client::greeted(&self.house).await;
        self.clients.insert(client.to_owned(), connected);
        Some(challenge)
    }

    async fn leave(&mut self, client: &str) {
        let left = self.clients.remove(client).expect("the client is connected");
        drop(left);
        let clients = self.clients.len();
        let gone = async |house: &House| {
            nexus_relay::ports::WebSocketAdapter::connections(house.relay.sockets()).len() == clients
        };
        self.house.until("the relay notices that a client left", gone).await;
    }

    async fn send(&mut self, client: &str, text: &str) {
        let client = self.clients.get_mut(client).expect("the client is connected");
        client.send(text).await;
        client.gather(&self.house).await;
    }

    async fn next(&mut self, client: &str) -> Option<String> {
        let client = self.clients.get_mut(client).expect("the client is connected");
        if client.waiting.is_empty() {
            client.gather(&self.house).await;
        }
        client.waiting.pop_front()
    }

    fn now(&self) -> Seconds {
        self.house.clock.now().into()
    }

    async fn wait(&mut self, seconds: i64) {
        self.house.clock.advance(seconds * 1_000);
        self.house.relay.tick().await.expect("the store can be written");
    }
}

async fn play(name: &str, text: &str, config: Relay) {
    let mut stage = SocketStage { house: House::with(config).await, clients: HashMap::new() };
    scenario::play(name, text, &mut stage).await;
}

macro_rules! scenarios {
    ($($name:ident: $config:expr;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let name = stringify!($name);
                play(name, include_str!(concat!("../../../tests/scenarios/", stringify!($name), ".txt")), $config).await;
            }
        )*

        #[test]
        fn every_scenario_is_played() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scenarios");
            let files = std::fs::read_dir(folder).expect("the scenarios are there").count();
            assert_eq!(files, [$(stringify!($name)),*].len());
        }
    };
}

scenarios! {
    publish_and_subscribe: config();
    replace_and_delete: config();
    authenticate: config();
    private_relay: Relay { auth: Auth { required: true, ..Auth::default() }, ..config() };
    private_messages: config();
    count_and_negotiate: config();
    time_and_limits: config();
    market: config();
    fault_1_signatures_are_verified: config();
    fault_2_limits_count_matches: config();
    fault_3_a_cache_never_answers_a_query: config();
    fault_4_replaceable_deleted_and_expired: config();
    fault_5_close_has_no_answer: config();
    fault_6_one_order_without_repeats: config();
    fault_7_a_connection_leaves_nothing_behind: config();
    fault_8_filters_mean_what_they_say: config();
}
