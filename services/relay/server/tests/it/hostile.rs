//! Clients that mean no good: none of them costs more than its own connection.

use crate::{
    client::Client,
    house::{House, PATIENCE, config, event},
    raw::{frame, raw},
};
use futures_util::SinkExt;
use nexus_config::Span;
use nexus_relay::ports::WebSocketAdapter;
use nexus_relay_server::config::{Connections, Relay};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

/// Everything until the relay hangs up.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the relay hangs up");
    rest
}

/// True if `bytes` end with a frame that closes with `code`.
fn closes_with(bytes: &[u8], code: u16) -> bool {
    bytes.windows(3).any(|window| window[1..] == code.to_be_bytes() && window[0] >= 2 && window[0] <= 125)
}

/// The relay still serves others.
pub(crate) async fn is_well(house: &House) {
    let (mut client, _) = Client::greeted(house).await;
    let told = client.told(&event(9, 1, &[], "well")).await;
    assert!(told.contains("true"), "{told}");
}

#[tokio::test]
async fn an_endless_frame_is_refused_at_its_head() {
    let house = House::new().await;
    let mut stream = raw(&house).await;
    stream.write_all(&[0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]).await.unwrap();
    let last = rest(&mut stream).await;
    assert!(closes_with(&last, 1009), "{last:x?}");
    assert!(String::from_utf8_lossy(&last).contains(r#"["NOTICE","invalid: message is too large"]"#));
    is_well(&house).await;
}

#[tokio::test]
async fn garbage_ends_its_own_connection() {
    let house = House::new().await;
    for (bytes, code) in [
        (&[0xFF; 64][..], 1002),
        (&[0x81, 0x01, b'a'], 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xFF], 1007),
        (&[0x80, 0x80, 0, 0, 0, 0], 1002),
    ] {
        let mut stream = raw(&house).await;
        stream.write_all(bytes).await.unwrap();
        let last = rest(&mut stream).await;
        assert!(closes_with(&last, code), "{bytes:x?}: {last:x?}");
    }
    is_well(&house).await;
}

#[tokio::test]
async fn unreadable_messages_are_counted_and_binary_is_refused() {
    let house = House::new().await;
    let (mut client, _) = Client::greeted(&house).await;
    client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.read().await.unwrap(), r#"["NOTICE","invalid: binary messages are not understood"]"#);
    for _ in 0..40 {
        client.send("nonsense").await;
    }
    let mut notices = 0;
    while client.read().await.is_some() {
        notices += 1;
    }
    assert_eq!((notices, client.closed.map(|frame| u16::from(frame.code))), (20, Some(1008)));
    is_well(&house).await;
}

#[tokio::test]
async fn a_message_that_comes_byte_by_byte_runs_out_of_time() {
    let connections = Connections { message_time: Span::of(1_000), ..Connections::default() };
    let house = House::with(Relay { connections, ..config() }).await;
    let mut stream = raw(&house).await;
    stream.write_all(&[0x81, 0xFE, 0x10, 0x00, 0, 0, 0, 0]).await.unwrap();
    let (mut reads, mut writes) = stream.split();
    let drip = async {
        while writes.write_all(b"a").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut last = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = tokio::time::timeout(PATIENCE, reads.read_to_end(&mut last)) => {}
    }
    assert!(closes_with(&last, 1008), "{last:x?}");
    is_well(&house).await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_runs_out_of_time() {
    let house = House::new().await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
    rest(&mut stream).await;
    is_well(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_subscriptions_are_as_many_as_one_may_have() {
    let long = std::env::var_os("NEXUS_LONG").is_some();
    let asked = if long { 1_000_000 } else { 20_000 };
    let house = House::new().await;
    let (client, _) = Client::greeted(&house).await;
    let (mut sink, mut stream) = futures_util::StreamExt::split(client.socket);
    let asks = tokio::spawn(async move {
        for number in 0..asked {
            let text = format!(r#"["REQ","{number}",{{"ids":["{number:064x}"]}}]"#);
            sink.feed(Message::text(text)).await.expect("the relay reads");
        }
        sink.flush().await.expect("the relay reads");
        sink
    });
    let (mut open, mut refused) = (0, 0);
    while open + refused < asked {
        let message = futures_util::StreamExt::next(&mut stream).await.expect("the relay goes on").expect("a frame");
        match message.to_text().expect("text") {
            text if text.starts_with("[\"EOSE\"") => open += 1,
            text if text.contains("error: too many subscriptions") => refused += 1,
            text => assert!(message.is_ping(), "{text}"),
        }
    }
    assert_eq!((open, house.relay.cache().subscriptions()), (64, 64));
    drop((asks.await.expect("everything is read"), stream));
    house.until("nothing is left", async |house| house.relay.sockets().connections().is_empty()).await;
    assert_eq!(house.relay.cache().subscriptions(), 0);
}

/// How much the system may hold on the way to a client that doesn't read.
const HELD_BY_SYSTEM: usize = 16 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_gets_no_more_than_the_outbox_holds() {
    let connections = Connections {
        outbound: nexus_config::Size::of(64 << 10),
        outbound_most: nexus_config::Size::of(256 << 10),
        ..Connections::default()
    };
    let house = House::with(Relay { connections, ..config() }).await;
    let (mut writer, _) = Client::greeted(&house).await;
    let content = "x".repeat(60_000);
    for number in 0..20 {
        let told = writer.told(&event(1, 1, &[], &format!("{number}{content}"))).await;
        assert!(told.contains("true"), "{told}");
    }
    // Answers that nobody takes: stored events wait for room, and the relay's memory stays small.
    let mut stream = raw(&house).await;
    let asked = HELD_BY_SYSTEM / (20 * content.len()) + 20;
    for number in 0..asked {
        let text = format!(r#"["REQ","{number}",{{"kinds":[1]}}]"#);
        stream.write_all(&frame(&text)).await.unwrap();
    }
    let silent = house.relay.sockets().connections().into_iter().max().expect("a connection");
    let is_stuck = async |house: &House| house.relay.sockets().buffered_bytes(silent) > 64 << 10;
    house.until("stored events wait", is_stuck).await;
    assert!(house.relay.sockets().buffered_bytes(silent) < (64 << 10) + 2 * content.len());
    is_well(&house).await;
}
