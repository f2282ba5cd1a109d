use nexus_cloudflare::{Attachment, AttachmentError, MAX_ATTACHMENT, OBJECT_SCHEMA, Overflow, Subscription};
use nexus_nostr::{Filter, Kind, PublicKey, Seconds, TagCondition, TagName};
use nexus_relay::ports::{ConnectionId, ConnectionMeta};
use proptest::prelude::*;
use rusqlite::Connection;
use std::{collections::BTreeSet, net::IpAddr};

fn filter() -> impl Strategy<Value = Filter> {
    let authors = prop::collection::vec(any::<u8>().prop_map(|byte| PublicKey::from_bytes([byte; 32])), 0..40);
    let kinds = prop::collection::vec(any::<u16>().prop_map(Kind::new), 0..5);
    let values = prop::collection::vec(".{0,9}", 0..3);
    (authors, kinds, values, any::<Option<u32>>(), any::<Option<u16>>()).prop_map(
        |(authors, kinds, values, since, limit)| {
            let mut filter = Filter::new();
            if !authors.is_empty() {
                filter = filter.with_authors(authors);
            }
            if !kinds.is_empty() {
                filter = filter.with_kinds(kinds);
            }
            if !values.is_empty() {
                filter = filter.with_tag(TagCondition::new(TagName::from_name("t").unwrap(), values));
            }
            if let Some(since) = since {
                filter = filter.with_since(Seconds::new(since.into()));
            }
            match limit {
                Some(limit) => filter.with_limit(limit.into()),
                None => filter,
            }
        },
    )
}

fn subscriptions() -> impl Strategy<Value = Vec<Subscription>> {
    let one = ("[^\\x00-\\x1f]{1,64}", prop::collection::vec(filter(), 1..3));
    prop::collection::vec(one, 0..24).prop_map(|subs| {
        let mut seen = BTreeSet::new();
        let fresh = subs.into_iter().filter(|(name, _)| seen.insert(name.clone()));
        fresh.map(|(name, filters)| Subscription { name, filters }).collect()
    })
}

prop_compose! {
    fn attachment()(
        conn: u64,
        ip: Option<IpAddr>,
        challenge in "[0-9a-f]{32,64}",
        keys in prop::collection::btree_set(any::<[u8; 32]>().prop_map(PublicKey::from_bytes), 0..=16),
        connected_at: i64,
        subscriptions in subscriptions(),
    ) -> Attachment {
        let names = subscriptions.iter().map(|subscription| subscription.name.clone()).collect();
        let meta = ConnectionMeta { ip, challenge, pubkeys: keys, subscriptions: names };
        Attachment { conn: ConnectionId::new(conn), meta, connected_at, subscriptions }
    }
}

/// The object's own table.
fn table() -> Connection {
    let table = Connection::open_in_memory().unwrap();
    table.execute_batch(OBJECT_SCHEMA).unwrap();
    table
}

fn put(table: &Connection, rows: &[Overflow]) {
    for row in rows {
        table.execute(Overflow::PUT, (&row.conn, &row.name, &row.filters)).unwrap();
    }
}

fn read(table: &Connection, conn: &str) -> Vec<Overflow> {
    let mut statement = table.prepare(Overflow::READ).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok(Overflow { conn: row.get(0)?, name: row.get(1)?, filters: row.get(2)? });
    statement.query_map((conn,), row).unwrap().map(Result::unwrap).collect()
}

/// Subscriptions have no order: what was too long for the socket comes back behind the others.
fn sorted(mut attachment: Attachment) -> Attachment {
    attachment.subscriptions.sort_by(|one, other| one.name.cmp(&other.name));
    attachment.meta.subscriptions.sort();
    attachment
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_sleeps_wakes_the_same(attachment in attachment()) {
        let (bytes, rows) = attachment.encode().unwrap();
        prop_assert!(bytes.len() < MAX_ATTACHMENT);
        let table = table();
        put(&table, &rows);
        let again = Attachment::decode(&bytes, &read(&table, &attachment.conn.to_string())).unwrap();
        prop_assert_eq!(sorted(again), sorted(attachment));
    }

    /// The table is for what doesn't fit, not for everything.
    #[test]
    fn few_subscriptions_need_no_table(mut attachment in attachment()) {
        attachment.subscriptions.retain(|subscription| subscription.filters.iter().map(Filter::value_count).sum::<usize>() < 5);
        attachment.subscriptions.truncate(4);
        prop_assert!(attachment.encode().unwrap().1.is_empty());
    }

    #[test]
    fn noise_is_no_attachment(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Attachment::decode(&bytes, &[]);
    }
}

fn small(conn: u64) -> Attachment {
    let meta = ConnectionMeta { challenge: "c".repeat(32), ..ConnectionMeta::default() };
    Attachment { conn: ConnectionId::new(conn), meta, connected_at: 0, subscriptions: Vec::new() }
}

#[test]
fn a_newer_or_damaged_attachment_is_refused() {
    let (bytes, _) = small(1).encode().unwrap();
    let newer = String::from_utf8(bytes.clone()).unwrap().replace("\"v\":1", "\"v\":2");
    assert_eq!(Attachment::decode(newer.as_bytes(), &[]), Err(AttachmentError::Newer(2)));
    assert_eq!(Attachment::decode(&bytes[1..], &[]), Err(AttachmentError::Damaged));
    let row = Overflow { conn: "1".into(), name: "s".into(), filters: "[{\"ids\":1}]".into() };
    assert_eq!(Attachment::decode(&bytes, &[row]), Err(AttachmentError::Damaged));
    let mut long = small(1);
    long.meta.challenge = "c".repeat(MAX_ATTACHMENT);
    assert!(matches!(long.encode(), Err(AttachmentError::TooLong(_))));
}

#[test]
fn a_connection_leaves_no_rows() {
    let table = table();
    let row = |conn: &str, name: &str| Overflow { conn: conn.into(), name: name.into(), filters: "[{}]".into() };
    put(&table, &[row("1", "a"), row("1", "b"), row("2", "a"), row("3", "a")]);
    table.execute(Overflow::CLEAR, ("1",)).unwrap();
    assert_eq!(read(&table, "1"), []);
    table.execute(Overflow::KEEP, ("[\"3\"]",)).unwrap();
    assert_eq!((read(&table, "2"), read(&table, "3")), (vec![], vec![row("3", "a")]));
}
