//! What lies between the protocol and TCP: pings, compression, paths, batches.

use crate::{
    client::Client,
    house::{House, PATIENCE, config, event, key},
};
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};
use futures_util::{SinkExt, StreamExt};
use nexus_config::{Size, Span};
use nexus_relay_server::config::{Connections, Relay};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{connect_async, tungstenite::Message};

#[tokio::test]
async fn a_text_ping_is_answered_and_a_ping_of_the_protocol_too() {
    let house = House::new().await;
    let (mut client, _) = Client::greeted(&house).await;
    client.send("ping").await;
    assert_eq!(client.read().await.as_deref(), Some("pong"));
    client.socket.send(Message::Ping(b"are you there".as_slice().into())).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, client.socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(answer, Message::Pong(b"are you there".as_slice().into()));
}

#[tokio::test]
async fn the_relay_pings_and_gives_up_who_does_not_answer() {
    let connections = Connections { ping: Span::of(1_000), idle: Span::of(3_000), ..Connections::default() };
    let house = House::with(Relay { connections, ..config() }).await;
    let (mut lively, _) = Client::greeted(&house).await;
    let (mut silent, _) = Client::greeted(&house).await;
    // Who reads answers pings, as the library does; the other one does not read.
    let answering = async {
        loop {
            let next = lively.socket.next().await;
            assert!(matches!(next, Some(Ok(Message::Ping(_)))), "{next:?}");
        }
    };
    let gone = house.until("the silent one is given up", async |house: &House| {
        nexus_relay::ports::WebSocketAdapter::connections(house.relay.sockets()).len() == 1
    });
    tokio::select! {
        () = answering => {}
        () = gone => {}
    }
    assert_eq!(silent.read().await, None);
}

#[tokio::test]
async fn the_relay_is_at_its_two_paths_only() {
    let house = House::new().await;
    for (path, is_there) in [("/", true), ("/ws", true), ("/other", false), ("/api/stats", false)] {
        assert_eq!(connect_async(format!("ws://{}{path}", house.address)).await.is_ok(), is_there, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_answered_in_order_and_read_by_what_follows() {
    let house = House::new().await;
    let (mut client, _) = Client::greeted(&house).await;
    let events: Vec<_> = (0..300).map(|number| event(1, 1, &[], &number.to_string())).collect();
    for event in &events {
        client.socket.feed(Message::text(format!(r#"["EVENT",{}]"#, event.to_json()))).await.unwrap();
    }
    client.socket.feed(Message::text(r#"["COUNT","c",{"kinds":[1]}]"#)).await.unwrap();
    client.socket.flush().await.unwrap();
    for event in &events {
        assert_eq!(client.read().await.unwrap(), format!(r#"["OK","{}",true,""]"#, event.id));
    }
    assert_eq!(client.read().await.unwrap(), r#"["COUNT","c",{"count":300}]"#);
}

#[tokio::test]
async fn lenient_binary_takes_text_in_binary_frames() {
    let connections = Connections { lenient_binary: true, ..Connections::default() };
    let house = House::with(Relay { connections, ..config() }).await;
    let (mut client, _) = Client::greeted(&house).await;
    client.socket.send(Message::binary(br#"["REQ","s",{"limit":0}]"#.as_slice())).await.unwrap();
    assert_eq!(client.read().await.unwrap(), r#"["EOSE","s",["finish"]]"#);
    client.socket.send(Message::binary(vec![0xFF])).await.unwrap();
    assert!(client.read().await.unwrap().starts_with("[\"NOTICE\",\"invalid: binary"));
}

/// A frame's first byte and payload. Payloads here are shorter than 65,536 bytes.
async fn frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let first = stream.read_u8().await.expect("a frame");
    let length = match stream.read_u8().await.expect("a frame") {
        126 => usize::from(stream.read_u16().await.expect("a frame")),
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.expect("a frame");
    (first, payload)
}

#[tokio::test]
async fn compression_is_agreed_on_and_goes_both_ways() {
    let connections = Connections { compress_from: Size::of(200), ..Connections::default() };
    let house = House::with(Relay { connections, ..config() }).await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("permessage-deflate; server_no_context_takeover; client_no_context_takeover"), "{answer}");
    assert_eq!(frame(&mut stream).await.0, 0x81, "a challenge is too short");
    let note = event(1, 1, &[], &"again and ".repeat(50));
    for text in [format!(r#"["EVENT",{}]"#, note.to_json()), r#"["REQ","s",{"kinds":[1]}]"#.to_owned()] {
        let mut deflated = Vec::with_capacity(4_096);
        Compress::new(flate2::Compression::fast(), false)
            .compress_vec(text.as_bytes(), &mut deflated, FlushCompress::Sync)
            .unwrap();
        deflated.truncate(deflated.len() - 4);
        let mut bytes = vec![0xC1, 0xFE];
        bytes.extend_from_slice(&u16::try_from(deflated.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&deflated);
        stream.write_all(&bytes).await.unwrap();
    }
    assert_eq!(frame(&mut stream).await, (0x81, format!(r#"["OK","{}",true,""]"#, note.id).into_bytes()));
    let (first, mut payload) = frame(&mut stream).await;
    payload.extend_from_slice(&[0, 0, 0xFF, 0xFF]);
    let mut text = Vec::with_capacity(4_096);
    Decompress::new(false).decompress_vec(&payload, &mut text, FlushDecompress::Sync).unwrap();
    assert_eq!((first, String::from_utf8(text).unwrap()), (0xC1, format!(r#"["EVENT","s",{}]"#, note.to_json())));
    assert_eq!(note.pubkey, key(1).public_key());
}
