//! Jobs as server-sent events.

use crate::{
    market::{Market, answer, market, market_settings, request},
    stand::{NOW, sign},
};
use nexus_model::{Seq, Verified};
use nexus_nostr::{Event, EventId, Kind, Seconds};
use nexus_relay::ports::{PreparedEvent, StorageAdapter, StorageError};
use nexus_relay_suite::disturbed::Fate;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The jobs that a stream tells of, as they come.
pub(crate) struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    pub(crate) async fn open(market: &Market, path: &str, after: Option<Seq>) -> Self {
        Self::open_as(market, path, after, None).await
    }

    pub(crate) async fn open_as(market: &Market, path: &str, after: Option<Seq>, vouched: Option<String>) -> Self {
        let request = market.http.get(format!("{}{path}", market.served.url));
        let request = vouched.into_iter().fold(request, |request, header| request.header("authorization", header));
        let request = after.into_iter().fold(request, |request, seq| request.header("last-event-id", seq.to_string()));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { response, text: String::new() };
        stream.until("\n\n").await;
        stream
    }

    async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await;
            let chunk = chunk.expect("something comes").expect("the stream goes on").expect("it has not ended");
            self.text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }

    /// The next job: its position, id and state.
    pub(crate) async fn next(&mut self) -> (Seq, String, String) {
        let text = self.until("\n\n").await;
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).expect(name).to_owned();
        assert_eq!(line("event: "), "job");
        let job: Value = serde_json::from_str(&line("data: ")).expect("JSON");
        let seq = Seq::new(line("id: ").parse().expect("a number"));
        (seq, job["id"].as_str().expect("an id").to_owned(), job["state"].as_str().expect("a state").to_owned())
    }
}

#[tokio::test]
async fn a_stream_tells_of_jobs_that_open_and_move() {
    let market = market(market_settings()).await;
    let mut stream = Stream::open(&market, "/api/v1/jobs/stream?kind=5050", None).await;
    let request = request(1, &[]);
    let id = request.id.to_string();
    market.publish(&request).await;
    let other = sign(1, 5100, 0, &[], "another kind");
    market.publish(&other).await;
    let (first, told, state) = stream.next().await;
    assert_eq!((told.as_str(), state.as_str()), (id.as_str(), "open"));
    for by in [2, 3] {
        market.publish(&answer(by, 7000, &request, &[&["status", "processing"]])).await;
    }
    assert_eq!(stream.next().await.2, "claimed");
    market.publish(&answer(2, 6050, &request, &[])).await;
    assert_eq!(stream.next().await.2, "succeeded");
    market.publish(&sign(1, 5, 0, &[&["e", &id]], "")).await;
    assert_eq!(stream.next().await.2, "cancelled");
    // Who comes again is told where jobs stand that moved meanwhile, and what happens then.
    let mut again = Stream::open(&market, "/api/v1/jobs/stream", Some(first)).await;
    let last = sign(1, 5100, 0, &[], "a third");
    market.publish(&last).await;
    for (event, state) in [(&other, "open"), (&request, "cancelled"), (&last, "open")] {
        let (_, told, stands) = again.next().await;
        assert_eq!((told, stands.as_str()), (event.id.to_string(), state));
    }
    let refused = market.http.get(format!("{}/api/v1/jobs/stream", market.served.url)).header("last-event-id", "x");
    assert_eq!(refused.send().await.expect("an answer").status(), StatusCode::BAD_REQUEST);
}

/// Who was away for longer than a stream looks back is told the newest of it, without a gap before what is live.
#[tokio::test]
async fn a_stream_that_resumes_late_is_told_the_newest() {
    let market = market(market_settings()).await;
    let (first, last) = (request(2, &[]), sign(1, 5100, 1, &[], "the last"));
    market.publish(&first).await;
    let notes = (0..20 * 512).map(|number| {
        let note = Event { id: EventId::from_bytes(Sha256::digest(i64::to_be_bytes(number)).into()), ..first.clone() };
        let note = Event { kind: Kind::NOTE, ..note };
        PreparedEvent::new(Verified::by_operator(note), Seconds::new(NOW), None)
    });
    market.relay.storage().store_batch(notes.collect()).await.expect("memory can be written");
    market.publish(&last).await;
    let mut stream = Stream::open(&market, "/api/v1/jobs/stream", Some(Seq::START)).await;
    let live = sign(1, 5100, 0, &[], "live");
    market.publish(&live).await;
    for event in [&last, &live] {
        assert_eq!(stream.next().await.1, event.id.to_string());
    }
}

/// Stores events so that the journal's reader meets them in one batch.
async fn publish_together(market: &Market, events: &[&Event]) {
    let prepared = |event: &&Event| {
        PreparedEvent::new(Verified::by_operator((*event).clone()), Seconds::new(NOW), Some(Seconds::new(NOW + 86_400)))
    };
    market.relay.storage().store_batch(events.iter().map(prepared).collect()).await.expect("memory can be written");
    market.relay.deliver().await;
}

/// Has the store fail once: when it is asked for a job for this time.
fn fail_at_job(market: &Market, time: usize, error: impl Fn() -> StorageError + Send + 'static) {
    let mut asked = 0;
    market.relay.storage().disturb(move |call| {
        asked += usize::from(call == "job");
        if call == "job" && asked == time { Fate::Fails(error()) } else { Fate::Works }
    });
}

/// Wherever the store fails in a batch, each job in it that moved is told of once, in order, and one that didn't
/// is not.
#[tokio::test]
async fn a_batch_in_the_middle_of_which_the_store_fails_is_told_once_and_whole() {
    for time in 1..=3 {
        let market = market(market_settings()).await;
        let mut stream = Stream::open(&market, "/api/v1/jobs/stream", None).await;
        let [moving, standing] = [request(9, &[]), request(8, &[])];
        let processing: [&[&str]; 1] = [&["status", "processing"]];
        publish_together(&market, &[&moving, &standing, &answer(2, 7000, &standing, &processing)]).await;
        for (job, state) in [(&moving, "open"), (&standing, "claimed")] {
            let (_, told, stands) = stream.next().await;
            assert_eq!((told, stands.as_str()), (job.id.to_string(), state), "before the store fails");
        }
        fail_at_job(&market, time, || StorageError::TimedOut);
        let opened = request(7, &[]);
        let moves = [&answer(2, 7000, &moving, &processing), &answer(3, 7000, &standing, &processing), &opened];
        publish_together(&market, &moves).await;
        let last = request(6, &[]);
        let told = [stream.next().await, stream.next().await];
        market.publish(&last).await;
        let told = told.into_iter().chain([stream.next().await]).map(|(_, job, state)| (job, state));
        let expected = [(&moving, "claimed"), (&opened, "open"), (&last, "open")];
        let expected = expected.map(|(job, state)| (job.id.to_string(), state.to_owned()));
        assert_eq!(told.collect::<Vec<_>>(), expected, "the store failed at job {time}");
    }
}

/// Who resumes meanwhile is refused, rather than shown a part of what it missed.
#[tokio::test]
async fn who_resumes_while_the_store_fails_is_told_to_come_again() {
    let market = market(market_settings()).await;
    let requests = [request(9, &[]), request(8, &[])];
    publish_together(&market, &[&requests[0], &requests[1]]).await;
    fail_at_job(&market, 2, || StorageError::TimedOut);
    let url = format!("{}/api/v1/jobs/stream", market.served.url);
    let refused = market.http.get(url).header("last-event-id", "0").send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let mut again = Stream::open(&market, "/api/v1/jobs/stream", Some(Seq::START)).await;
    for request in &requests {
        assert_eq!(again.next().await.1, request.id.to_string());
    }
}

#[tokio::test]
async fn a_damaged_store_ends_the_reading_of_the_journal() {
    let market = market(market_settings()).await;
    let _stream = Stream::open(&market, "/api/v1/jobs/stream", None).await;
    fail_at_job(&market, 1, || StorageError::Damaged("a job can't be read"));
    publish_together(&market, &[&request(9, &[])]).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), market.told).await.expect("it ends");
    assert!(matches!(ended.expect("no panic"), Err(StorageError::Damaged(_))));
}
