//! A socket after the handshake, for bytes that no library would send, and for clients that don't read.

use crate::house::{House, PATIENCE};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// What the system may hold of what is on the way to a client, so that a client that doesn't read is soon noticed.
const RECEIVED: u32 = 16 << 10;

/// A connection that agreed to nothing.
pub(crate) async fn raw(house: &House) -> TcpStream {
    opened(TcpStream::connect(house.address).await.expect("a connection"), "").await
}

/// A connection of which the system keeps little that wasn't read.
pub(crate) async fn narrow(house: &House) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(RECEIVED).expect("a small buffer");
    opened(socket.connect(house.address).await.expect("a connection"), "").await
}

/// A connection that agreed to compression.
pub(crate) async fn compressed(house: &House) -> TcpStream {
    let agreed = "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; \
                  client_no_context_takeover\r\n";
    opened(TcpStream::connect(house.address).await.expect("a connection"), agreed).await
}

async fn opened(mut stream: TcpStream, header: &str) -> TcpStream {
    let request = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{header}\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("it is read");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// A text as a client's frame. The mask is zero.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    payload(0x81, text.as_bytes())
}

/// A frame with this first byte.
pub(crate) fn payload(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()).expect("tests send short messages") {
        short @ 0..=125 => frame.push(0x80 | u8::try_from(short).expect("short")),
        long => {
            frame.push(0xFE);
            frame.extend_from_slice(&long.to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// The next frame of the relay: its first byte and its payload. `None` at the end.
pub(crate) async fn next(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    tokio::time::timeout(PATIENCE, read(stream)).await.expect("something comes in time").ok()
}

/// The payload of the next frame, from any part of a connection.
pub(crate) async fn text(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    tokio::time::timeout(PATIENCE, read(stream)).await.expect("something comes in time").ok().map(|(_, text)| text)
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u8, Vec<u8>)> {
    let first = stream.read_u8().await?;
    let length = match stream.read_u8().await? {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).expect("it fits")];
    stream.read_exact(&mut payload).await?;
    Ok((first, payload))
}

/// The most memory that this process has had, in bytes. Each test has a process of its own.
pub(crate) fn peak_memory() -> usize {
    status("VmHWM:")
}

/// The memory that this process has now, in bytes, without what it sees of files.
pub(crate) fn own_memory() -> usize {
    status("RssAnon:")
}

fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells");
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes << 10
}
